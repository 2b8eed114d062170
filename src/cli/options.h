// What the options add up to.
#ifndef MINI_SANDBOX_CLI_OPTIONS_H_
#define MINI_SANDBOX_CLI_OPTIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "cli/command_line.h"
#include "cli/option_values.h"
#include "cli/option_words.h"
#include "policy/policy.h"

namespace mini {

// Takes uses of options in the order given; then Finish().
class Options {
 public:
  explicit Options(Product product) : product_(product) {}

  // The mistake says why where it is an option of the other program only.
  Result<bool> TakesValue(const std::string& name) const;
  Status Take(const OptionUse& use);
  // Whether --help or --version was among them: no command is needed then.
  bool IsTextOnly() const { return text_only_ != TextOnly::kNone; }
  // Everything but the command.
  Result<CommandLine> Finish();

  // --- What the entries of the table call ---

  enum class TextOnly { kNone, kVersion, kHelp };

  PolicyBuilder& builder() { return builder_; }
  PathResolver& paths() { return paths_; }
  CommandLine& line() { return line_; }
  Status AddBind(Access access, std::string_view option, const std::string& path);
  Status SetBindTarget(const std::string& path);
  Status AddRulesFile(const std::string& path);
  Status AddRule(const std::string& rule);
  // --help wins over --version.
  void AskForText(TextOnly text);

 private:
  // A path of the host that is to show. Kept until Finish(), since an -m may still follow.
  struct Bind {
    Access access;
    std::string source;
    std::optional<std::string> target;
    std::string place;
  };
  Status AddBinds();
  Status ReadRulesFiles();

  Product product_;
  PathResolver paths_;
  PolicyBuilder builder_;
  CommandLine line_;
  TextOnly text_only_ = TextOnly::kNone;
  std::string place_;  // of the option being taken
  std::vector<Bind> binds_;
  bool wants_target_ = false;  // the last -M of binds_, for which no -m came yet
  std::vector<std::string> rules_files_;
};

}  // namespace mini

#endif  // MINI_SANDBOX_CLI_OPTIONS_H_
