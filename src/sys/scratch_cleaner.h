// The process that removes a scratch directory once nobody needs it any more.
#ifndef MINI_SANDBOX_SYS_SCRATCH_CLEANER_H_
#define MINI_SANDBOX_SYS_SCRATCH_CLEANER_H_

#include <sys/types.h>

#include <string>

#include "base/status.h"

namespace mini {

struct CleanerDescriptors {
  int socket;     // the cleaner's end: see scratch_directory.cc
  int parent;     // of the scratch directory
  int directory;  // locked as long as one process has it open
};

// Starts it as a copy of this process, which nothing of the descriptors but these stays open in.
Result<pid_t> ForkCleaner(const CleanerDescriptors& descriptors, const std::string& name);

// Starts it as a program of its own, a descriptor above 2 that leads to RunCleanerProgram(): it
// holds none of this process's memory, and none of its handlers (pthread_atfork(3)) runs in it.
Result<pid_t> SpawnCleaner(int program, const CleanerDescriptors& descriptors,
                           const std::string& name);
// Whether a program is started as SpawnCleaner() does that.
bool IsCleanerProgram(int argc, const char* const* argv);
[[noreturn]] void RunCleanerProgram(const char* const* argv);

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_SCRATCH_CLEANER_H_
