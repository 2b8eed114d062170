#include "sys/spawn_program.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>

#include <algorithm>
#include <cerrno>

#include "base/strings.h"
#include "base/unique_fd.h"

namespace mini {
namespace {

// What posix_spawn(3) does in the child. Its errors are lack of memory.
class SpawnPlan {
 public:
  explicit SpawnPlan(const ProgramRequest& request) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    int flags = POSIX_SPAWN_SETSIGMASK | (request.has_own_session ? POSIX_SPAWN_SETSID : 0);
    if (request.signals == SpawnSignals::kDefault) {
      flags |= POSIX_SPAWN_SETSIGDEF;
      posix_spawnattr_setsigdefault(&attributes_, &all);
      posix_spawnattr_setsigmask(&attributes_, &none);
    } else {
      posix_spawnattr_setsigmask(&attributes_, &all);
    }
    posix_spawnattr_setflags(&attributes_, static_cast<short>(flags));
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

Spawned SpawnProgram(const ProgramRequest& request) {
  SpawnPlan plan(request);
  // Away from the places, so that none is overwritten before it is in its own.
  const int first_free = request.first_place + static_cast<int>(request.descriptors.size());
  std::vector<UniqueFd> copies;
  for (const int descriptor : request.descriptors) {
    const int place = request.first_place + static_cast<int>(copies.size());
    copies.emplace_back(fcntl(descriptor, F_DUPFD_CLOEXEC, first_free));
    if (!copies.back()) return {-1, errno};
    if (const int error = plan.Place(copies.back().get(), place)) return {-1, error};
  }
  const UniqueFd program(fcntl(request.program, F_DUPFD_CLOEXEC, first_free));
  if (!program) return {-1, errno};
  std::vector<std::string> arguments = request.arguments;
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  char* const no_environment[] = {nullptr};
  const std::string path = StrCat("/proc/self/fd/", program.get());
  Spawned spawned;
  spawned.error =
      posix_spawn(&spawned.pid, path.c_str(), plan.actions(), plan.attributes(), argv.data(),
                  request.environment ? request.environment : no_environment);
  if (spawned.error != 0) spawned.pid = -1;
  return spawned;
}

}  // namespace mini
