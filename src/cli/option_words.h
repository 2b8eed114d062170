// Where the options end, and which option got which value. Nothing here knows what an option means.
#ifndef MINI_SANDBOX_CLI_OPTION_WORDS_H_
#define MINI_SANDBOX_CLI_OPTION_WORDS_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

namespace mini {

// One option as somebody wrote it.
struct OptionUse {
  std::string name;                  // "-w" or "--write"
  std::optional<std::string> value;  // of an option that takes one
};

struct SplitWords {
  std::vector<OptionUse> options;    // in the order given
  std::vector<std::string> command;  // from the first word that is no option, or behind "--"
};

// Whether an option takes a value; the mistake, for what is no option.
using TakesValue = std::function<Result<bool>(const std::string& name)>;

Result<SplitWords> SplitOptionsFromCommand(std::vector<std::string> words,
                                           const TakesValue& takes_value);

}  // namespace mini

#endif  // MINI_SANDBOX_CLI_OPTION_WORDS_H_
