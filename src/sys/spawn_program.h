// A program of ours, started from a descriptor.
#ifndef MINI_SANDBOX_SYS_SPAWN_PROGRAM_H_
#define MINI_SANDBOX_SYS_SPAWN_PROGRAM_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace mini {

// All are blocked; or none is, and each does what it does by default, whatever this process has
// made of it.
enum class SpawnSignals { kBlocked, kDefault };

struct ProgramRequest {
  int program = -1;                    // a descriptor that leads to it
  std::vector<std::string> arguments;  // its name included
  // What it has as first_place, first_place + 1 and so on. Borrowed.
  std::vector<int> descriptors;
  int first_place = 0;
  bool has_own_session = false;
  SpawnSignals signals = SpawnSignals::kBlocked;
  char* const* environment = nullptr;  // borrowed; null: an empty one
};

struct Spawned {
  pid_t pid = -1;
  int error = 0;  // errno, if there is no process
};

// A child of the calling thread (posix_spawn(3)): it holds none of this process's memory, none of
// its handlers (pthread_atfork(3)) runs in it, and its environment and signals are
// the request's. What of this process's descriptors is not close-on-exec goes there too, for it to
// close.
Spawned SpawnProgram(const ProgramRequest& request);

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_SPAWN_PROGRAM_H_
