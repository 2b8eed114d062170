// Theory of operation. CLI11 knows the options, calls back for each in the order given, and writes
// the help. Where the options end is decided here, before CLI11 sees anything: at the first word
// that is no option and no option's value. CLI11 would look for options behind it as well, and they
// belong to the command.
#include "cli/command_line.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "base/paths.h"
#include "base/strings.h"
#include "sys/host_facts.h"
#include "sys/read_file.h"

namespace mini {
namespace {

// A list of a million rules is some 30 MB.
constexpr size_t kMaxRulesFile = 64 << 20;
// Some 30 years. Beyond it is a slip of the finger, and far beyond does not fit milliseconds.
constexpr double kMaxSeconds = 1e9;

// Options that belong to the command line but that this version does not carry out. Refused by what
// they mean, so that nobody takes them for misspelt.
struct MissingOption {
  std::string_view name;
  std::string_view meaning;
};
constexpr MissingOption kMissingOptions[] = {
    {"-o", "custom mode"},
    {"-d", "a scratch directory on disk"},
    {"-k", "an overlay on a path"},
    {"-h", "hermetic mode (--help has no short form)"},
    {"-e", "an empty directory on a path"},
    {"-i", "turning SIGINT into SIGTERM"},
    {"-H", "the host name localhost"},
    {"-n", "a network namespace without a loopback device"},
    {"-N", "sharing the host's network"},
    {"-R", "appearing as root"},
    {"-U", "appearing as nobody"},
    {"-P", "a pseudo-terminal for the command"},
    {"-D", "a debug log"},
    {"--setenv", "setting an environment variable"},
    {"--unsetenv", "removing an environment variable"},
};

Status Mistake(std::string message) {
  return InvalidArgument(Stage::kArguments, std::move(message));
}

// A word before the command that would be read for more options.
Status RefuseOptionsFile(std::string_view word) {
  return Mistake(StrCat(EscapeForTerminal(word),
                        ": options from a file are not available in this version"))
      .WithHint("a command of that name goes behind --");
}

// --- Values ---

// Paths on the command line count from the working directory, which is read at most once.
class PathResolver {
 public:
  // For what has to exist. ".." is followed as the kernel follows it, through symlinks.
  Result<std::string> Existing(std::string_view option, std::string_view path) {
    MINI_ASSIGN_OR_RETURN(std::string absolute, Absolute(option, path));
    if (!HasDotDot(absolute)) return absolute;
    MINI_ASSIGN_OR_RETURN(PathFact fact, ReadPathFact(absolute));
    if (fact.canonical.empty()) {
      return Mistake(StrCat(option, " ", EscapeForTerminal(path), ": there is no such path"));
    }
    return fact.canonical;
  }

  Result<std::string> Absolute(std::string_view option, std::string_view path) {
    if (path.empty()) return Mistake(StrCat(option, ": the path is empty"));
    if (IsAbsolutePath(path)) return std::string(path);
    if (working_directory_.empty()) {
      MINI_ASSIGN_OR_RETURN(working_directory_, ReadWorkingDirectory());
    }
    return JoinPath(working_directory_, path);
  }

 private:
  static bool HasDotDot(std::string_view path) {
    const std::vector<std::string_view> components = StrSplit(path, '/');
    return std::find(components.begin(), components.end(), "..") != components.end();
  }

  std::string working_directory_;
};

// Whole or decimal seconds, rounded up to milliseconds; no sign, no exponent, no unit.
Result<std::chrono::milliseconds> ParseSeconds(std::string_view option, std::string_view text) {
  double seconds = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, seconds, std::chars_format::fixed);
  if (parsed.ec != std::errc() || parsed.ptr != end ||
      text.find_first_not_of("0123456789.") != std::string_view::npos) {
    return Mistake(StrCat(option, " ", EscapeForTerminal(text), ": not a number of seconds"));
  }
  if (seconds > kMaxSeconds) {
    return Mistake(StrCat(option, " ", EscapeForTerminal(text), ": that is more than 30 years"));
  }
  return std::chrono::milliseconds(static_cast<int64_t>(std::ceil(seconds * 1000)));
}

// --- The options ---

class Formatter : public CLI::Formatter {
 public:
  explicit Formatter(Product product) : product_(product) { column_width(26); }
  std::string make_usage(const CLI::App*, std::string) const override {
    return StrCat(UsageLine(product_), "\n");
  }

 private:
  Product product_;
};

constexpr const char* kFilesGroup = "Files";
constexpr const char* kNetworkGroup = "Network";
constexpr const char* kRunGroup = "Run";
constexpr const char* kOtherGroup = "Other";

class Parser {
 public:
  explicit Parser(Product product) : product_(product), app_(Description(product)) {
    app_.formatter(std::make_shared<Formatter>(product));
    app_.set_help_flag();  // ours has no short form
    app_.footer(Footer(product));
    AddFileOptions();
    if (product == Product::kTapbox) AddNetworkOptions();
    AddRunOptions();
    AddOtherOptions();
  }

  Result<CommandLine> Parse(std::vector<std::string> words) {
    MINI_ASSIGN_OR_RETURN(const size_t option_words, CountOptionWords(words));
    MINI_RETURN_IF_ERROR(ParseOptions({words.begin(), words.begin() + option_words}));
    CommandLine result;
    if (help_) {
      result.text_only = app_.help();
      return result;
    }
    if (version_) {
      result.text_only = StrCat(ProductName(product_), " ", MINI_VERSION, "\n");
      return result;
    }
    result.print_plan = print_plan_;
    size_t command = option_words;
    if (command < words.size() && words[command] == "--") ++command;
    result.command.assign(std::make_move_iterator(words.begin() + command),
                          std::make_move_iterator(words.end()));
    MINI_RETURN_IF_ERROR(FlushBind());
    MINI_RETURN_IF_ERROR(CheckWhole(result));
    MINI_RETURN_IF_ERROR(ReadRulesFiles());
    MINI_ASSIGN_OR_RETURN(result.policy, builder_.Build());
    return result;
  }

 private:
  static std::string Description(Product product) {
    if (product == Product::kSandbox) {
      return "Runs a command in a sandbox without network: an ordinary user's command cannot\n"
             "change the system or see the home directory.";
    }
    return "Runs a command in a sandbox that reaches only what an allow-list names, as an\n"
           "ordinary user: the command cannot change the system or see the home directory.";
  }

  static std::string Footer(Product product) {
    if (product == Product::kSandbox) {
      return "Example: build what you do not trust, in this directory and nowhere else\n"
             "  mini-sandbox -x -M ~/.gitconfig -- make test\n";
    }
    return "An allow-list has one rule a line: example.com, *.example.com, 192.0.2.7,\n"
           "2001:db8::/32, any of these with :443 or :8000-8010, or ! in front to refuse.\n\n"
           "Example: fetch dependencies from one place\n"
           "  mini-tapbox -x --allow '*.example.org:443' -- ./fetch-dependencies\n";
  }

  void AddFileOptions() {
    app_.add_flag("-x,--default", default_mode_,
                  "default mode: the system read-only, HOME, /tmp and\n"
                  "/run private and gone afterwards, the working\n"
                  "directory writable")
        ->group(kFilesGroup);
    AddValue("-w,--write", "PATH", kFilesGroup, "writable, through to the host; repeatable",
             [this](const std::string& path) -> Status {
               MINI_ASSIGN_OR_RETURN(const std::string absolute, paths_.Existing("-w", path));
               return builder_.AddWritable(absolute);
             });
    AddValue("-M,--bind", "SRC", kFilesGroup, "SRC shows inside, read-only; repeatable",
             [this](const std::string& path) -> Status {
               MINI_RETURN_IF_ERROR(FlushBind());
               MINI_ASSIGN_OR_RETURN(bind_source_, paths_.Existing("-M", path));
               return OkStatus();
             });
    AddValue("-m,--to", "DST", kFilesGroup, "at DST instead; belongs to the -M before it",
             [this](const std::string& path) { return BindTo(path); });
    AddValue("-W,--chdir", "DIR", kFilesGroup, "where the command starts, if not here",
             [this](const std::string& path) -> Status {
               MINI_ASSIGN_OR_RETURN(const std::string absolute, paths_.Existing("-W", path));
               return builder_.SetWorkingDirectory(absolute);
             });
  }

  void AddNetworkOptions() {
    AddValue("-F,--rules", "FILE", kNetworkGroup,
             "allow-list; repeatable. What none of its lines\nallows is refused",
             [this](const std::string& path) {
               rules_files_.push_back(path);
               return path.empty() ? Mistake("-F: the path is empty") : OkStatus();
             });
    AddValue("--allow", "RULE", kNetworkGroup, "one line of an allow-list; repeatable",
             [this](const std::string& rule) {
               const Status added = builder_.AddRule(rule);
               // On the command line a bad rule is a mistake in the arguments.
               return added.ok() ? OkStatus() : Mistake(added.message()).WithHint(added.hint());
             });
  }

  void AddRunOptions() {
    AddValue("-T,--time-limit", "S", kRunGroup, "SIGTERM after S seconds, 0.5 for half a one",
             [this](const std::string& text) -> Status {
               MINI_ASSIGN_OR_RETURN(const auto limit, ParseSeconds("-T", text));
               return builder_.SetTimeLimit(limit);
             });
    AddValue("-t,--kill-delay", "S", kRunGroup, "SIGKILL S seconds later (default 10)",
             [this](const std::string& text) -> Status {
               MINI_ASSIGN_OR_RETURN(const auto delay, ParseSeconds("-t", text));
               return builder_.SetKillDelay(delay);
             });
  }

  void AddOtherOptions() {
    app_.add_flag("--print-plan", print_plan_, "show what would be done, and do nothing")
        ->group(kOtherGroup);
    app_.add_flag("--help", help_, "show this text")->group(kOtherGroup);
    app_.add_flag("--version", version_, "show the version")->group(kOtherGroup);
  }

  // An option with one value, whose callback runs while parsing, in the order of the command line.
  void AddValue(const std::string& names, const char* value, const char* group,
                const std::string& description, std::function<Status(const std::string&)> take) {
    app_.add_option_function<std::string>(
            names,
            [this, take = std::move(take)](const std::string& text) {
              if (!mistake_.ok()) return;  // the first one counts
              mistake_ = take(text);
            },
            description)
        ->trigger_on_parse()
        ->option_text(value)
        ->group(group);
  }

  // The -M that waits for its -m, if there is one.
  Status FlushBind() {
    if (!bind_source_) return OkStatus();
    const std::string source = *std::exchange(bind_source_, std::nullopt);
    return builder_.AddReadOnly(source, std::nullopt);
  }

  Status BindTo(const std::string& path) {
    if (!bind_source_) {
      return Mistake(StrCat("-m ", EscapeForTerminal(path), ": there is no -M before it"));
    }
    MINI_ASSIGN_OR_RETURN(const std::string target, paths_.Absolute("-m", path));
    const std::string source = *std::exchange(bind_source_, std::nullopt);
    return builder_.AddReadOnly(source, target);
  }

  // How many of the words are options and their values. "--" is not counted.
  Result<size_t> CountOptionWords(const std::vector<std::string>& words) const {
    size_t i = 0;
    while (i < words.size()) {
      const std::string& word = words[i];
      if (word.starts_with('@')) return RefuseOptionsFile(word);
      if (word == "--" || word.size() < 2 || word[0] != '-') return i;
      MINI_ASSIGN_OR_RETURN(const bool takes_next, TakesNextWord(word));
      ++i;
      if (!takes_next) continue;
      // "--" is far more often a forgotten value than a file of that name ("./--").
      if (i == words.size() || words[i] == "--") {
        return Mistake(StrCat(EscapeForTerminal(word), ": a value is missing"));
      }
      ++i;
    }
    return i;
  }

  // Whether the value of an option stands in the next word.
  Result<bool> TakesNextWord(const std::string& word) const {
    if (word.starts_with("--")) {
      const size_t equals = word.find('=');
      MINI_ASSIGN_OR_RETURN(const bool takes_value, TakesValue(word.substr(0, equals)));
      if (equals == std::string::npos) return takes_value;
      if (takes_value && equals + 1 < word.size()) return false;
      return Mistake(StrCat(EscapeForTerminal(word),
                            takes_value ? ": a value is missing" : ": it takes no value"));
    }
    // "-x", "-T5", "-xT5", "-xT 5"
    for (size_t i = 1; i < word.size(); ++i) {
      MINI_ASSIGN_OR_RETURN(const bool takes_value, TakesValue(std::string{'-', word[i]}));
      if (takes_value) return i + 1 == word.size();
    }
    return false;
  }

  Result<bool> TakesValue(const std::string& name) const {
    if (const CLI::Option* option = app_.get_option_no_throw(name)) {
      return option->get_items_expected_max() > 0;
    }
    for (const MissingOption& missing : kMissingOptions) {
      if (missing.name == name) {
        return Mistake(StrCat(name, ": ", missing.meaning, " is not available in this version"));
      }
    }
    if (name == "-F" || name == "--rules" || name == "--allow") {
      return Mistake(StrCat(name, ": an allow-list needs the network stack: run mini-tapbox"));
    }
    return Mistake(StrCat("unknown option ", EscapeForTerminal(name)));
  }

  Status ParseOptions(std::vector<std::string> words) {
    std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
    try {
      app_.parse(std::move(words));
    } catch (const CLI::ParseError& error) {
      return Mistake(EscapeForTerminal(error.what()));
    }
    return std::exchange(mistake_, OkStatus());
  }

  Status CheckWhole(const CommandLine& result) {
    if (!default_mode_) {
      return Mistake("no mode was chosen").WithHint("this version has the default mode: give -x");
    }
    if (result.command.empty()) return Mistake("no command was given");
    MINI_RETURN_IF_ERROR(builder_.SetDefaultMode());
    return product_ == Product::kTapbox ? builder_.SetNetwork(Network::kStack) : OkStatus();
  }

  // After all else is known to be right: they can be large.
  Status ReadRulesFiles() {
    for (const std::string& path : rules_files_) {
      MINI_ASSIGN_OR_RETURN(const std::string text,
                            ReadTextFile(path, kMaxRulesFile, Stage::kRules));
      MINI_RETURN_IF_ERROR(builder_.AddRulesText(path, text));
    }
    return OkStatus();
  }

  Product product_;
  CLI::App app_;
  PathResolver paths_;
  PolicyBuilder builder_;
  Status mistake_;
  bool default_mode_ = false;
  bool print_plan_ = false;
  bool help_ = false;
  bool version_ = false;
  std::optional<std::string> bind_source_;
  std::vector<std::string> rules_files_;
};

}  // namespace

const char* ProductName(Product product) {
  return product == Product::kSandbox ? "mini-sandbox" : "mini-tapbox";
}

std::string UsageLine(Product product) {
  return StrCat("usage: ", ProductName(product), " -x [options] [--] command [args]");
}

Result<CommandLine> ParseCommandLine(Product product, int argc, const char* const* argv) {
  return Parser(product).Parse({argv + (argc > 0 ? 1 : 0), argv + argc});
}

}  // namespace mini
