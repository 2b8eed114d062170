// The options of both programs: their names, what each does to the policy, the help.
#ifndef MINI_SANDBOX_CLI_OPTIONS_H_
#define MINI_SANDBOX_CLI_OPTIONS_H_

#include <CLI/App.hpp>
#include <functional>
#include <map>
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
  explicit Options(Product product);
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  // The mistake says why where it is an option of the other program only.
  Result<bool> TakesValue(const std::string& name) const;
  Status Take(const OptionUse& use);
  // Whether --help or --version was among them: no command is needed then.
  bool IsTextOnly() const { return help_ || version_; }
  // Everything but the command.
  Result<CommandLine> Finish();

 private:
  using Setter = std::function<Status(const std::string& value)>;
  struct Description {
    const char* names;
    const char* value;  // what --help calls the value; null: the option takes none
    const char* text;
  };

  void AddModes();
  void AddFiles();
  void AddNetwork();
  void AddCommand();
  void AddEnvironment();
  void AddLimits();
  void AddOther();
  void Add(const char* group, Description description, Setter setter);

  // A path of the host that is to show. Kept until Finish(), since an -m may still follow.
  struct Bind {
    Access access;
    std::string source;
    std::optional<std::string> target;
    std::string place;
  };
  Status SetBindTarget(const std::string& path);
  Status AddBinds();
  Status AddRule(const std::string& rule);
  Status ReadRulesFiles();

  Product product_;
  CLI::App app_;
  std::map<const CLI::Option*, Setter> setters_;
  PathResolver paths_;
  PolicyBuilder builder_;
  CommandLine line_;
  bool help_ = false;
  bool version_ = false;
  std::string place_;  // of the option being taken
  std::vector<Bind> binds_;
  bool wants_target_ = false;  // the last -M of binds_, for which no -m came yet
  std::vector<std::string> rules_files_;
};

}  // namespace mini

#endif  // MINI_SANDBOX_CLI_OPTIONS_H_
