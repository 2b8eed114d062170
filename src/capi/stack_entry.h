// The network stack of a carried program: libmini-tapbox's has one (stack_entry.cc), the other one
// has none (no_stack_entry.cc).
#ifndef MINI_SANDBOX_CAPI_STACK_ENTRY_H_
#define MINI_SANDBOX_CAPI_STACK_ENTRY_H_

#include <span>

#include "cli/command_line.h"
#include "sandbox/stack_request.h"

namespace mini::capi {

// The program of the command line that does the same.
Product ThisProduct();

// Null: there is no stack.
StackStarter ThisStackStarter();

// Does not return in the program that SpawnStack() has started. The arguments are without the name.
void RunIfStackProgram(std::span<const char* const> arguments);

}  // namespace mini::capi

#endif  // MINI_SANDBOX_CAPI_STACK_ENTRY_H_
