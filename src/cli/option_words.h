// Where the options end, and which option got which value. Nothing here knows what an option means.
#ifndef MINI_SANDBOX_CLI_OPTION_WORDS_H_
#define MINI_SANDBOX_CLI_OPTION_WORDS_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace mini {

// One option as somebody wrote it.
struct OptionUse {
  std::string name;                  // "-w" or "--write"
  std::optional<std::string> value;  // of an option that takes one
  std::string place;                 // "FILE:LINE" in an options file, else empty
};

struct SplitWords {
  std::vector<OptionUse> options;    // in the order given, those of options files in their place
  std::vector<std::string> command;  // from the first word that is no option, or behind "--"
};

// Whether an option takes a value; the mistake, for what is no option.
using TakesValue = std::function<Result<bool>(const std::string& name)>;

// Reads the files that "@FILE" names.
Result<SplitWords> SplitOptionsFromCommand(std::vector<std::string> words,
                                           const TakesValue& takes_value);

// Splits one word, "-x", "-xT5", "--write=/path", into uses at the end of `uses`. True when the
// last of them waits for its value.
Result<bool> SplitOptionWord(std::string_view word, const TakesValue& takes_value,
                             std::vector<OptionUse>& uses);

Status MissingValue(std::string_view word);

// `error` with the place in front of its message; unchanged without a place.
Status AtPlace(std::string_view place, Status error);

}  // namespace mini

#endif  // MINI_SANDBOX_CLI_OPTION_WORDS_H_
