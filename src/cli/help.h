// The text of --help.
#ifndef MINI_SANDBOX_CLI_HELP_H_
#define MINI_SANDBOX_CLI_HELP_H_

#include <string>

#include "cli/command_line.h"

namespace mini {

// Within 80 columns. The options are those of the table, in its order, under their groups.
std::string HelpText(Product product);

}  // namespace mini

#endif  // MINI_SANDBOX_CLI_HELP_H_
