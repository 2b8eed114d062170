#include "cli/option_words.h"

#include <iterator>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "cli/option_values.h"

namespace mini {
namespace {

// A word before the command that would be read for more options.
Status RefuseOptionsFile(std::string_view word) {
  return Mistake(StrCat(EscapeForTerminal(word),
                        ": options from a file are not available in this version"))
      .WithHint("a command of that name goes behind --");
}

Status MissingValue(std::string_view word) {
  return Mistake(StrCat(EscapeForTerminal(word), ": a value is missing"));
}

// "--write", "--write=/path". The last of `uses` waits for the next word if it takes a value and
// has none yet; then true.
Result<bool> SplitLongOption(const std::string& word, const TakesValue& takes_value,
                             std::vector<OptionUse>& uses) {
  const size_t equals = word.find('=');
  OptionUse use{word.substr(0, equals), std::nullopt};
  MINI_ASSIGN_OR_RETURN(const bool wants_value, takes_value(use.name));
  const bool has_value = equals != std::string::npos;
  if (has_value && !wants_value) {
    return Mistake(StrCat(EscapeForTerminal(word), ": it takes no value"));
  }
  if (has_value) {
    use.value = word.substr(equals + 1);
    if (use.value->empty()) return MissingValue(word);
  }
  uses.push_back(std::move(use));
  return wants_value && !has_value;
}

// The same for "-x", "-T5", "-xT5", "-xT".
Result<bool> SplitShortOptions(const std::string& word, const TakesValue& takes_value,
                               std::vector<OptionUse>& uses) {
  for (size_t i = 1; i < word.size(); ++i) {
    OptionUse use{std::string{'-', word[i]}, std::nullopt};
    MINI_ASSIGN_OR_RETURN(const bool wants_value, takes_value(use.name));
    const bool is_last = i + 1 == word.size();
    if (wants_value && !is_last) use.value = word.substr(i + 1);
    uses.push_back(std::move(use));
    if (wants_value) return is_last;
  }
  return false;
}

}  // namespace

Result<SplitWords> SplitOptionsFromCommand(std::vector<std::string> words,
                                           const TakesValue& takes_value) {
  SplitWords split;
  size_t i = 0;
  while (i < words.size()) {
    const std::string& word = words[i];
    if (word.starts_with('@')) return RefuseOptionsFile(word);
    if (word == "--" || word.size() < 2 || word[0] != '-') break;
    ++i;
    MINI_ASSIGN_OR_RETURN(const bool takes_next,
                          word[1] == '-' ? SplitLongOption(word, takes_value, split.options)
                                         : SplitShortOptions(word, takes_value, split.options));
    if (!takes_next) continue;
    // "--" is far more often a forgotten value than a file of that name ("./--").
    if (i == words.size() || words[i] == "--") return MissingValue(word);
    split.options.back().value = std::move(words[i++]);
  }
  if (i < words.size() && words[i] == "--") ++i;
  split.command.assign(std::make_move_iterator(words.begin() + i),
                       std::make_move_iterator(words.end()));
  return split;
}

}  // namespace mini
