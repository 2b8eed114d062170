#include "cli/option_words.h"

#include <iterator>
#include <utility>

#include "base/strings.h"
#include "cli/option_file.h"
#include "cli/option_values.h"

namespace mini {
namespace {

Result<bool> SplitLongOption(std::string_view word, const TakesValue& takes_value,
                             std::vector<OptionUse>& uses) {
  const size_t equals = word.find('=');
  OptionUse use{std::string(word.substr(0, equals)), std::nullopt, ""};
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

// "-x", "-T5", "-xT5", "-xT"
Result<bool> SplitShortOptions(std::string_view word, const TakesValue& takes_value,
                               std::vector<OptionUse>& uses) {
  for (size_t i = 1; i < word.size(); ++i) {
    OptionUse use{std::string{'-', word[i]}, std::nullopt, ""};
    MINI_ASSIGN_OR_RETURN(const bool wants_value, takes_value(use.name));
    const bool is_last = i + 1 == word.size();
    if (wants_value && !is_last) use.value = word.substr(i + 1);
    uses.push_back(std::move(use));
    if (wants_value) return is_last;
  }
  return false;
}

}  // namespace

Status MissingValue(std::string_view word) {
  Status missing = Mistake(StrCat(EscapeForTerminal(word), ": a value is missing"));
  if (word != "-h") return missing;
  return std::move(missing).WithHint("it names the root of hermetic mode; for help: --help");
}

Status AtPlace(std::string_view place, Status error) {
  if (place.empty() || error.ok()) return error;
  return Status(error.code(), error.stage(), StrCat(place, ": ", error.message()))
      .WithErrno(error.error_number())
      .WithHint(error.hint());
}

Result<bool> SplitOptionWord(std::string_view word, const TakesValue& takes_value,
                             std::vector<OptionUse>& uses) {
  return word.starts_with("--") ? SplitLongOption(word, takes_value, uses)
                                : SplitShortOptions(word, takes_value, uses);
}

Result<SplitWords> SplitOptionsFromCommand(std::vector<std::string> words,
                                           const TakesValue& takes_value) {
  SplitWords split;
  OptionFileReader files(takes_value, split.options);
  size_t i = 0;
  while (i < words.size()) {
    const std::string& word = words[i];
    if (word.starts_with('@')) {
      Status read = files.Read(word.substr(1));
      if (!read.ok()) return read;
      ++i;
      continue;
    }
    if (word == "--" || word.size() < 2 || word[0] != '-') break;
    ++i;
    MINI_ASSIGN_OR_RETURN(const bool waits, SplitOptionWord(word, takes_value, split.options));
    if (!waits) continue;
    // "--" is far more often a forgotten value than a file of that name ("./--").
    // Behind -h it is the help that was meant.
    if (i == words.size() || words[i] == "--" || (word == "-h" && words[i].starts_with('-'))) {
      return MissingValue(word);
    }
    split.options.back().value = std::move(words[i++]);
  }
  if (i < words.size() && words[i] == "--") ++i;
  split.command.assign(std::make_move_iterator(words.begin() + i),
                       std::make_move_iterator(words.end()));
  return split;
}

}  // namespace mini
