// Theory of operation
//
// The cleaner has a session of its own, blocks every signal and holds three descriptors, in the
// places of the standard streams so that one call closes all others. It waits for the end of its
// socket, then for the process whose pidfd came through it, and removes the directory.
#include "sys/scratch_cleaner.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/descriptor_passing.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "sys/remove_tree.h"

namespace mini {
namespace {

constexpr const char* kName = "scratch-cleaner";
constexpr const char* kWord = "--clean";
constexpr int kSocketPlace = 0;
constexpr int kParentPlace = 1;
constexpr int kDirectoryPlace = 2;

// The pidfd, if one comes before the other end closes.
int ReceivePidfd() {
  int pidfd = -1;
  for (;;) {
    char byte;
    int received[kMostPassedDescriptors];
    const ReceivedMessage message = ReceiveWithDescriptors(kSocketPlace, &byte, 1, received);
    if (message.size <= 0) return pidfd;
    if (message.descriptor_count == 1) pidfd = received[0];
  }
}

// With the descriptors in their places. Allocates nothing before the supervisor has ended.
[[noreturn]] void Clean(const char* name) {
  (void)prctl(PR_SET_NAME, kName, 0, 0, 0);
  if (chdir("/") != 0) _exit(1);  // the supervisor removes the directory then
  close_range(kDirectoryPlace + 1, ~0u, 0);
  pollfd sandbox = {ReceivePidfd(), POLLIN, 0};
  while (sandbox.fd >= 0 && poll(&sandbox, 1, -1) < 0 && errno == EINTR) {
  }
  _exit(RemoveTree(kParentPlace, name) == 0 ? 0 : 1);
}

Status StartError(int error) {
  return SystemError(Stage::kProbe, error, "start a process that removes the scratch directory");
}

// What posix_spawn(3) does in the child. Its errors are lack of memory.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    sigset_t all;
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  int Place(int descriptor, int place) {
    return posix_spawn_file_actions_adddup2(&actions_, descriptor, place);
  }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

Result<pid_t> ForkCleaner(const CleanerDescriptors& descriptors, const std::string& name) {
  const pid_t pid = fork();
  if (pid < 0) return StartError(errno);
  if (pid > 0) return pid;
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  setsid();
  // Two steps, as one of them may have another's place.
  const int kept[] = {fcntl(descriptors.socket, F_DUPFD_CLOEXEC, kDirectoryPlace + 1),
                      fcntl(descriptors.parent, F_DUPFD_CLOEXEC, kDirectoryPlace + 1),
                      fcntl(descriptors.directory, F_DUPFD_CLOEXEC, kDirectoryPlace + 1)};
  for (int place = 0; place < 3; ++place) dup2(kept[place], place);
  Clean(name.c_str());
}

Result<pid_t> SpawnCleaner(int program, const CleanerDescriptors& descriptors,
                           const std::string& name) {
  SpawnPlan plan;
  std::vector<UniqueFd> copies;  // away from the places
  const int originals[] = {descriptors.socket, descriptors.parent, descriptors.directory};
  for (int place = 0; place < 3; ++place) {
    copies.emplace_back(fcntl(originals[place], F_DUPFD_CLOEXEC, kDirectoryPlace + 1));
    if (!copies.back()) return StartError(errno);
    if (const int error = plan.Place(copies.back().get(), place)) return StartError(error);
  }
  std::string arguments[] = {kName, kWord, name};
  char* const argv[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(), nullptr};
  char* const no_environment[] = {nullptr};
  const std::string path = StrCat("/proc/self/fd/", program);
  pid_t pid = -1;
  const int error =
      posix_spawn(&pid, path.c_str(), plan.actions(), plan.attributes(), argv, no_environment);
  if (error != 0) return StartError(error);
  return pid;
}

bool IsCleanerProgram(int argc, const char* const* argv) {
  return argc == 3 && strcmp(argv[1], kWord) == 0;
}

void RunCleanerProgram(const char* const* argv) { Clean(argv[2]); }

}  // namespace mini
