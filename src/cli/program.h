// What both programs do: parse, run, report, exit code.
#ifndef MINI_SANDBOX_CLI_PROGRAM_H_
#define MINI_SANDBOX_CLI_PROGRAM_H_

#include "cli/command_line.h"

namespace mini {

// The exit code of the program (docs/flags.md, "Exit codes").
int RunProgram(Product product, int argc, const char* const* argv);

}  // namespace mini

#endif  // MINI_SANDBOX_CLI_PROGRAM_H_
