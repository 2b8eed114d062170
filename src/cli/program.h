// What both programs do: parse, run, report, exit code.
#ifndef MINI_SANDBOX_CLI_PROGRAM_H_
#define MINI_SANDBOX_CLI_PROGRAM_H_

#include "cli/command_line.h"
#include "sandbox/stack_request.h"

namespace mini {

// The exit code of the program (docs/flags.md, "Exit codes"). `start_stack` is mini-tapbox's; null
// in mini-sandbox, which so is linked without lwIP and c-ares.
int RunProgram(Product product, int argc, const char* const* argv, StackStarter start_stack);

}  // namespace mini

#endif  // MINI_SANDBOX_CLI_PROGRAM_H_
