// The command line of both programs as values. Reads the files that -F names and nothing else;
// prints nothing.
#ifndef MINI_SANDBOX_CLI_COMMAND_LINE_H_
#define MINI_SANDBOX_CLI_COMMAND_LINE_H_

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "policy/policy.h"

namespace mini {

enum class Product {
  kSandbox,  // mini-sandbox: no network, or the host's
  kTapbox,   // mini-tapbox: the network stack with its allow-list
};

const char* ProductName(Product product);
// "usage: mini-sandbox [mode] [options] [--] command [args]"
std::string UsageLine(Product product);

struct CommandLine {
  Policy policy;
  std::vector<std::string> command;
  bool print_plan = false;
  // -D: where to write what is done. As it was given: relative to the working directory.
  std::optional<std::string> debug_log;
  // --help or --version: print this on standard output, do nothing else. The rest is empty then.
  std::optional<std::string> text_only;
};

// A mistake in the arguments has Stage::kArguments; an allow-list that cannot be read or has a bad
// line, Stage::kRules.
Result<CommandLine> ParseCommandLine(Product product, int argc, const char* const* argv);

}  // namespace mini

#endif  // MINI_SANDBOX_CLI_COMMAND_LINE_H_
