#include "cli/command_line.h"

#include <string_view>
#include <utility>

#include "base/strings.h"
#include "cli/option_values.h"
#include "cli/option_words.h"
#include "cli/options.h"

namespace mini {

const char* ProductName(Product product) {
  return product == Product::kSandbox ? "mini-sandbox" : "mini-tapbox";
}

std::string UsageLine(Product product) {
  return StrCat("usage: ", ProductName(product), " [mode] [options] [--] command [args]");
}

Result<CommandLine> ParseCommandLine(Product product, int argc, const char* const* argv) {
  Options options(product);
  MINI_ASSIGN_OR_RETURN(
      SplitWords words,
      SplitOptionsFromCommand({argv + (argc > 0 ? 1 : 0), argv + argc},
                              [&](const std::string& name) { return options.TakesValue(name); }));
  for (const OptionUse& use : words.options) MINI_RETURN_IF_ERROR(options.Take(use));
  if (!options.IsTextOnly() && words.command.empty()) return Mistake("no command was given");
  MINI_ASSIGN_OR_RETURN(CommandLine line, options.Finish());
  line.command = std::move(words.command);
  return line;
}

}  // namespace mini
