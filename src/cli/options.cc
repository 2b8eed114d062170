// Theory of operation. CLI11 keeps the names of the options and writes the help from them. Which
// words are options is decided in option_words.cc: CLI11 would look for options behind the
// command's first word as well, and they belong to the command. Each use of an option then calls
// its setter.
#include "cli/options.h"

// The bodies of what App.hpp declares.
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "cli/help.h"
#include "sys/read_file.h"

namespace mini {
namespace {

// A list of a million rules is some 30 MB.
constexpr size_t kMaxRulesFile = 64 << 20;

// Options that only the other program has, and why.
struct Misplaced {
  Product product;  // which does not have it
  std::string_view names[2];
  std::string_view why;
};
constexpr std::string_view kNeedsStack = "an allow-list needs the network stack: run mini-tapbox";
constexpr Misplaced kMisplaced[] = {
    {Product::kSandbox, {"-F", "--rules"}, kNeedsStack},
    {Product::kSandbox, {"--allow", ""}, kNeedsStack},
    {Product::kTapbox,
     {"-N", "--share-network"},
     "the host's network would bypass the allow-list: run mini-sandbox"},
    {Product::kTapbox,
     {"-n", "--no-loopback"},
     "without a network there is nothing to allow: run mini-sandbox"},
    {Product::kTapbox,
     {"--allow-degraded", ""},
     "without namespaces there is no network stack: run mini-sandbox"},
};

}  // namespace

Options::Options(Product product) : product_(product) {
  app_.formatter(HelpFormatter(product));
  app_.set_help_flag();  // ours has no short form
  AddModes();
  AddFiles();
  AddNetwork();
  AddCommand();
  AddEnvironment();
  AddLimits();
  AddOther();
}

void Options::Add(const char* group, Description description, Setter setter) {
  CLI::Option* option =
      description.value
          ? app_.add_option(description.names)->option_text(description.value)->group(group)
          : app_.add_flag(description.names)->group(group);
  option->description(description.text);
  setters_.emplace(option, std::move(setter));
}

void Options::AddModes() {
  constexpr const char* kGroup =
      "Mode, one at most (none: the host's tree read-only, but for here and /tmp):";
  Add(kGroup,
      {"-x,--default", nullptr,
       "the system read-only; HOME, /tmp and /run private\n"
       "and gone afterwards; the working directory\nwritable"},
      [this](const std::string&) { return builder_.SetDefaultMode(); });
  Add(kGroup, {"-o,--custom", "ROOT", "an empty root, and in it what -k, -M, -w and -e\nname"},
      [this](const std::string& path) -> Status {
        MINI_ASSIGN_OR_RETURN(const std::string root, paths_.Existing("-o", path));
        return builder_.SetCustomMode(root);
      });
  Add(kGroup, {"-h,--hermetic", "ROOT", "an empty root, and in it what -M, -w and -e name"},
      [this](const std::string& path) -> Status {
        MINI_ASSIGN_OR_RETURN(const std::string root, paths_.Existing("-h", path));
        return builder_.SetHermeticMode(root);
      });
}

void Options::AddFiles() {
  constexpr const char* kGroup = "Files; all but -d and --scratch-size can be repeated:";
  Add(kGroup, {"-w,--write", "PATH", "writable, through to the host"},
      [this](const std::string& path) -> Status {
        MINI_ASSIGN_OR_RETURN(const std::string absolute, paths_.Existing("-w", path));
        binds_.push_back({Access::kWritable, absolute, std::nullopt, place_});
        return OkStatus();
      });
  Add(kGroup, {"-M,--bind", "SRC", "SRC of the host shows inside, read-only"},
      [this](const std::string& path) -> Status {
        MINI_ASSIGN_OR_RETURN(const std::string absolute, paths_.Existing("-M", path));
        binds_.push_back({Access::kReadOnly, absolute, std::nullopt, place_});
        wants_target_ = true;
        return OkStatus();
      });
  Add(kGroup, {"-m,--to", "DST", "at DST instead; belongs to the -M before it"},
      [this](const std::string& path) { return SetBindTarget(path); });
  Add(kGroup, {"-e,--tmpfs", "DIR", "an empty directory, writable, gone afterwards"},
      [this](const std::string& path) -> Status {
        MINI_ASSIGN_OR_RETURN(const std::string place, paths_.Absolute("-e", path));
        return builder_.AddEmptyDirectory(place);
      });
  Add(kGroup,
      {"-k,--overlay", "PATH",
       "PATH of the host shows inside and can be changed;\n"
       "the changes are gone afterwards; only with -o"},
      [this](const std::string& path) -> Status {
        MINI_ASSIGN_OR_RETURN(const std::string absolute, paths_.Existing("-k", path));
        return builder_.AddOverlay(absolute);
      });
  Add(kGroup,
      {"-d,--scratch-dir", "DIR",
       "keep the changes of overlays below DIR during the\n"
       "run, not in memory; only with -x and -o"},
      [this](const std::string& path) -> Status {
        MINI_ASSIGN_OR_RETURN(const std::string absolute, paths_.Existing("-d", path));
        return builder_.SetScratchDirectory(absolute);
      });
  Add(kGroup,
      {"--scratch-size", "SIZE",
       "how much may be kept in memory: bytes, or with K,\nM or G behind, as in 512M"},
      [this](const std::string& text) -> Status {
        MINI_ASSIGN_OR_RETURN(const uint64_t size, ParseByteSize("--scratch-size", text));
        return builder_.SetScratchSize(size);
      });
}

void Options::AddNetwork() {
  constexpr const char* kGroup = "Network:";
  if (product_ == Product::kTapbox) {
    Add(kGroup,
        {"-F,--rules", "FILE",
         "an allow-list, one rule a line: what no rule\nallows is refused. Can be repeated"},
        [this](const std::string& path) {
          rules_files_.push_back(path);
          return path.empty() ? Mistake("-F: the path is empty") : OkStatus();
        });
    Add(kGroup, {"--allow", "RULE", "one rule of an allow-list. Can be repeated"},
        [this](const std::string& rule) { return AddRule(rule); });
  } else {
    Add(kGroup, {"-n,--no-loopback", nullptr, "no network, and not even a loopback device"},
        [this](const std::string&) { return builder_.SetNetwork(Network::kUnconfigured); });
    Add(kGroup, {"-N,--share-network", nullptr, "the host's network"},
        [this](const std::string&) { return builder_.SetNetwork(Network::kHost); });
  }
  Add(kGroup, {"-H,--localhost", nullptr, "the host name inside is localhost"},
      [this](const std::string&) {
        builder_.SetHostName(HostName::kLocalhost);
        return OkStatus();
      });
}

void Options::AddCommand() {
  constexpr const char* kGroup = "Command:";
  Add(kGroup, {"-W,--chdir", "DIR", "its working directory, instead of this one"},
      [this](const std::string& path) -> Status {
        MINI_ASSIGN_OR_RETURN(const std::string absolute, paths_.Existing("-W", path));
        return builder_.SetWorkingDirectory(absolute);
      });
  Add(kGroup, {"-R,--root", nullptr, "it appears to run as root"},
      [this](const std::string&) { return builder_.SetIdentity(Identity::kRoot); });
  Add(kGroup, {"-U,--nobody", nullptr, "it appears to run as nobody"},
      [this](const std::string&) { return builder_.SetIdentity(Identity::kNobody); });
  Add(kGroup, {"-P,--pty", nullptr, "it gets a terminal of its own"}, [this](const std::string&) {
    builder_.SetTerminal(true);
    return OkStatus();
  });
  Add(kGroup, {"--nested", nullptr, "it may make sandboxes itself"}, [this](const std::string&) {
    builder_.SetNesting(Nesting::kAllowed);
    return OkStatus();
  });
}

void Options::AddEnvironment() {
  constexpr const char* kGroup = "Environment; all can be repeated:";
  Add(kGroup, {"--setenv", "NAME=VALUE", "set a variable"},
      [this](const std::string& text) -> Status {
        MINI_ASSIGN_OR_RETURN(const auto assignment, ParseAssignment("--setenv", text));
        return builder_.SetVariable(assignment.first, assignment.second);
      });
  Add(kGroup, {"--unsetenv", "NAME", "remove a variable"},
      [this](const std::string& name) { return builder_.UnsetVariable(name); });
  Add(kGroup,
      {"--keep-env", "NAME",
       "keep a variable that would be removed because it\nnames credentials or sockets"},
      [this](const std::string& name) { return builder_.KeepVariable(name); });
}

void Options::AddLimits() {
  constexpr const char* kGroup = "Limits:";
  Add(kGroup, {"-T,--time-limit", "S", "SIGTERM after S seconds; 0.5 is half a one"},
      [this](const std::string& text) -> Status {
        MINI_ASSIGN_OR_RETURN(const auto limit, ParseSeconds("-T", text));
        return builder_.SetTimeLimit(limit);
      });
  Add(kGroup, {"-t,--kill-delay", "S", "SIGKILL S seconds after that; otherwise 10"},
      [this](const std::string& text) -> Status {
        MINI_ASSIGN_OR_RETURN(const auto delay, ParseSeconds("-t", text));
        return builder_.SetKillDelay(delay);
      });
  Add(kGroup,
      {"-i,--interrupt-terminates", nullptr,
       "SIGINT sends the command SIGTERM, and SIGKILL\nafter the delay of -t"},
      [this](const std::string&) {
        builder_.SetInterruptTerminates(true);
        return OkStatus();
      });
}

void Options::AddOther() {
  constexpr const char* kGroup = "Other:";
  if (product_ == Product::kSandbox) {
    Add(kGroup,
        {"--allow-degraded", nullptr,
         "where the kernel refuses namespaces, a weaker\nsandbox rather than none"},
        [this](const std::string&) {
          builder_.SetDegraded(Degraded::kAllowed);
          return OkStatus();
        });
  }
  Add(kGroup, {"-D,--debug-log", "FILE", "write what is done to FILE"},
      [this](const std::string& path) {
        line_.debug_log = path;
        return path.empty() ? Mistake("-D: the path is empty") : OkStatus();
      });
  const auto flag = [&](const char* name, const char* text, bool& value) {
    Add(kGroup, {name, nullptr, text}, [&value](const std::string&) {
      value = true;
      return OkStatus();
    });
  };
  flag("--print-plan", "show what would be done, and do nothing", line_.print_plan);
  flag("--help", "show this text", help_);
  flag("--version", "show the version", version_);
}

Result<bool> Options::TakesValue(const std::string& name) const {
  if (const CLI::Option* option = app_.get_option_no_throw(name)) {
    return option->get_items_expected_max() > 0;
  }
  for (const Misplaced& misplaced : kMisplaced) {
    if (misplaced.product == product_ &&
        (name == misplaced.names[0] || name == misplaced.names[1])) {
      return Mistake(StrCat(name, ": ", misplaced.why));
    }
  }
  return Mistake(StrCat("unknown option ", EscapeForTerminal(name)));
}

Status Options::Take(const OptionUse& use) {
  const CLI::Option* option = app_.get_option_no_throw(use.name);
  if (!option) return Mistake(StrCat("unknown option ", EscapeForTerminal(use.name)));
  place_ = use.place;
  return AtPlace(place_, setters_.at(option)(use.value.value_or("")));
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
  if (help_) {
    line_.text_only = app_.help();
    return std::move(line_);
  }
  if (version_) {
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
