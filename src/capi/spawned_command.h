// The supervisor's side of mini_sandbox_spawn().
#ifndef MINI_SANDBOX_CAPI_SPAWNED_COMMAND_H_
#define MINI_SANDBOX_CAPI_SPAWNED_COMMAND_H_

#include "cli/command_line.h"
#include "sandbox/stack_request.h"

namespace mini::capi {

// Whether a program is started as SpawnCommand() (spawn.h) does that.
bool IsSpawnedSupervisor(int argc, const char* const* argv);

// Runs what it was asked for and ends as that ends; 125 where the sandbox could not be set up or
// kept up.
// `start_stack` is null in a library without a stack.
[[noreturn]] void RunSpawnedCommand(Product product, StackStarter start_stack);

}  // namespace mini::capi

#endif  // MINI_SANDBOX_CAPI_SPAWNED_COMMAND_H_
