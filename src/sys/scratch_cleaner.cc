// Theory of operation
//
// The cleaner has a session of its own, blocks every signal and holds three descriptors, in the
// places of the standard streams so that one call closes all others. It waits for the end of its
// socket, then for the process whose pidfd came through it, and removes the directory.
#include "sys/scratch_cleaner.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/descriptor_passing.h"
#include "base/unique_fd.h"
#include "sys/remove_tree.h"
#include "sys/spawn_program.h"

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
  static_assert(kSocketPlace == 0 && kParentPlace == 1 && kDirectoryPlace == 2);
  const Spawned spawned =
      SpawnProgram({.program = program,
                    .arguments = {kName, kWord, name},
                    .descriptors = {descriptors.socket, descriptors.parent, descriptors.directory},
                    .has_own_session = true});
  if (spawned.pid < 0) return StartError(spawned.error);
  return spawned.pid;
}

bool IsCleanerProgram(int argc, const char* const* argv) {
  return argc == 3 && strcmp(argv[1], kWord) == 0;
}

void RunCleanerProgram(const char* const* argv) { Clean(argv[2]); }

}  // namespace mini
