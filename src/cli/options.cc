// Theory of operation. Which words are options and values is decided in option_words.cc. Each use
// of an option calls the setter of its entry in the table, in the order given; what cannot be
// decided before all are known (a bind whose -m may follow, the contents of rules files) waits for
// Finish().
#include "cli/options.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "cli/help.h"
#include "cli/option_table.h"
#include "sys/read_file.h"

namespace mini {
namespace {

// A list of a million rules is some 30 MB.
constexpr size_t kMaxRulesFile = 64 << 20;

Status UnknownOption(std::string_view name) {
  return Mistake(StrCat("unknown option ", EscapeForTerminal(name)));
}

}  // namespace

Result<bool> Options::TakesValue(const std::string& name) const {
  const OptionEntry* entry = FindOption(name);
  if (!entry) return UnknownOption(name);
  if (!entry->IsOfferedBy(product_)) return Mistake(StrCat(name, ": ", entry->exclusive->why));
  return entry->TakesValue();
}

Status Options::Take(const OptionUse& use) {
  const OptionEntry* entry = FindOption(use.name);
  if (!entry) return UnknownOption(use.name);
  place_ = use.place;
  return AtPlace(place_, entry->set(*this, use.value.value_or("")));
}

void Options::AskForText(TextOnly text) { text_only_ = std::max(text_only_, text); }

Status Options::AddBind(Access access, std::string_view option, const std::string& path) {
  MINI_ASSIGN_OR_RETURN(std::string absolute, paths_.Existing(option, path));
  binds_.push_back({access, std::move(absolute), std::nullopt, place_});
  if (access == Access::kReadOnly) wants_target_ = true;
  return OkStatus();
}

Status Options::SetBindTarget(const std::string& path) {
  if (!std::exchange(wants_target_, false)) {
    return Mistake(StrCat("-m ", EscapeForTerminal(path), ": there is no -M before it"));
  }
  MINI_ASSIGN_OR_RETURN(const std::string target, paths_.Absolute("-m", path));
  // -w may stand in between.
  const auto bind = std::find_if(binds_.rbegin(), binds_.rend(), [](const Bind& candidate) {
    return candidate.access == Access::kReadOnly;
  });
  bind->target = target;
  return OkStatus();
}

Status Options::AddBinds() {
  for (const Bind& bind : binds_) {
    Status added = bind.access == Access::kWritable
                       ? builder_.AddWritable(bind.source)
                       : builder_.AddReadOnly(bind.source, bind.target);
    if (!added.ok()) return AtPlace(bind.place, std::move(added));
  }
  return OkStatus();
}

Status Options::AddRulesFile(const std::string& path) {
  rules_files_.push_back(path);
  return path.empty() ? Mistake("-F: the path is empty") : OkStatus();
}

Status Options::AddRule(const std::string& rule) {
  const Status added = builder_.AddRule(rule);
  // On the command line a bad rule is a mistake in the arguments.
  return added.ok() ? OkStatus() : Mistake(added.message()).WithHint(added.hint());
}

Status Options::ReadRulesFiles() {
  for (const std::string& path : rules_files_) {
    MINI_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kMaxRulesFile, Stage::kRules));
    MINI_RETURN_IF_ERROR(builder_.AddRulesText(path, text));
  }
  return OkStatus();
}

Result<CommandLine> Options::Finish() {
  if (text_only_ == TextOnly::kHelp) {
    line_.text_only = HelpText(product_);
    return std::move(line_);
  }
  if (text_only_ == TextOnly::kVersion) {
    line_.text_only = StrCat(ProductName(product_), " ", MINI_VERSION, "\n");
    return std::move(line_);
  }
  MINI_RETURN_IF_ERROR(AddBinds());
  if (product_ == Product::kTapbox) {
    MINI_RETURN_IF_ERROR(builder_.SetNetwork(Network::kStack));
  }
  MINI_RETURN_IF_ERROR(ReadRulesFiles());
  MINI_ASSIGN_OR_RETURN(line_.policy, builder_.Build());
  return std::move(line_);
}

}  // namespace mini
