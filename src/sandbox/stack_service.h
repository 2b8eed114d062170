// What the stack's process does.
#ifndef MINI_SANDBOX_SANDBOX_STACK_SERVICE_H_
#define MINI_SANDBOX_SANDBOX_STACK_SERVICE_H_

#include <sys/types.h>

#include <memory>

#include "base/status.h"
#include "sandbox/stack_process.h"
#include "sandbox/stack_program.h"
#include "sandbox/stack_request.h"

namespace mini {

// Forks it; the calling thread has to be the process's only one. Early in a run, when there is
// little in its memory yet that the stack could give away.
Result<std::unique_ptr<StackProcess>> ForkStack(const StackRequest& request);

// In the new process. Does not return and destroys nothing: what a copy of the supervisor's memory
// holds is the supervisor's. `channel` is this side's end of the socket.
[[noreturn]] void RunStackProcess(const StackRequest& request, int channel, pid_t supervisor);

// What the program does that SpawnStack() starts.
[[noreturn]] void RunStackProgram(const StackArguments& arguments);

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_STACK_SERVICE_H_
