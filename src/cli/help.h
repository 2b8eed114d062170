// What --help prints around and about the options.
#ifndef MINI_SANDBOX_CLI_HELP_H_
#define MINI_SANDBOX_CLI_HELP_H_

#include <CLI/App.hpp>
#include <memory>

#include "cli/command_line.h"

namespace mini {

// Lays out an App's options in their groups, within 80 columns if the descriptions' lines keep
// to 50.
std::shared_ptr<CLI::FormatterBase> HelpFormatter(Product product);

}  // namespace mini

#endif  // MINI_SANDBOX_CLI_HELP_H_
