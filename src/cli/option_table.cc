#include "cli/option_table.h"

#include <algorithm>

#include "base/strings.h"
#include "cli/option_values.h"
#include "cli/options.h"

namespace mini {
namespace {

using Value = const std::string&;
using TextOnly = Options::TextOnly;

constexpr std::string_view kMode =
    "Mode, one at most (none: the host's tree read-only, but for here and /tmp):";
constexpr std::string_view kFiles = "Files; all but -d and --scratch-size can be repeated:";
constexpr std::string_view kNetwork = "Network:";
constexpr std::string_view kCommand = "Command:";
constexpr std::string_view kEnvironment = "Environment; all can be repeated:";
constexpr std::string_view kLimits = "Limits:";
constexpr std::string_view kOther = "Other:";

constexpr Exclusive kPublishNeedsStack = {
    Product::kTapbox, "publishing a port needs the network stack: run mini-tapbox"};
constexpr Exclusive kNeedsStack = {Product::kTapbox,
                                   "an allow-list needs the network stack: run mini-tapbox"};

// For setters that cannot fail.
template <typename Set>
Status Done(Set set) {
  set();
  return OkStatus();
}

// Hands the absolute form of an existing path to a setter of the builder.
Status SetPath(Options& options, std::string_view option, Value path,
               Status (PolicyBuilder::*set)(std::string_view)) {
  MINI_ASSIGN_OR_RETURN(const std::string absolute, options.paths().Existing(option, path));
  return (options.builder().*set)(absolute);
}

Status SetEmptyDirectory(Options& options, Value path) {
  MINI_ASSIGN_OR_RETURN(const std::string place, options.paths().Absolute("-e", path));
  return options.builder().AddEmptyDirectory(place);
}

Status SetScratchSize(Options& options, Value text) {
  MINI_ASSIGN_OR_RETURN(const uint64_t size, ParseByteSize("--scratch-size", text));
  return options.builder().SetScratchSize(size);
}

Status SetVariable(Options& options, Value text) {
  MINI_ASSIGN_OR_RETURN(const auto assignment, ParseAssignment("--setenv", text));
  return options.builder().SetVariable(assignment.first, assignment.second);
}

Status SetTimeLimit(Options& options, Value text) {
  MINI_ASSIGN_OR_RETURN(const auto limit, ParseSeconds("-T", text));
  return options.builder().SetTimeLimit(limit);
}

Status SetKillDelay(Options& options, Value text) {
  MINI_ASSIGN_OR_RETURN(const auto delay, ParseSeconds("-t", text));
  return options.builder().SetKillDelay(delay);
}

Status SetMaxConnections(Options& options, Value text) {
  const auto number = ParseDecimal(text, PolicyBuilder::kMostConnections);
  if (!number) {
    return Mistake(StrCat("--max-connections ", EscapeForTerminal(text),
                          ": not a number from 1 to ", PolicyBuilder::kMostConnections));
  }
  return options.builder().SetMaxConnections(*number);
}

Status Publish(Options& options, Value text) {
  MINI_ASSIGN_OR_RETURN(const PortRequest request, ParsePortRequest(text));
  return options.builder().Publish(request);
}

Status SetDebugLog(Options& options, Value path) {
  options.line().debug_log = path;
  return path.empty() ? Mistake("-D: the path is empty") : OkStatus();
}

constexpr OptionEntry kTable[] = {
    {'x', "default", "", kMode,
     "the system read-only; HOME, /tmp and /run private\n"
     "and gone afterwards; the working directory\n"
     "writable",
     [](Options& o, Value) { return o.builder().SetDefaultMode(); }},
    {'o', "custom", "ROOT", kMode, "an empty root, and in it what -k, -M, -w and -e\nname",
     [](Options& o, Value v) { return SetPath(o, "-o", v, &PolicyBuilder::SetCustomMode); }},
    {'h', "hermetic", "ROOT", kMode, "an empty root, and in it what -M, -w and -e name",
     [](Options& o, Value v) { return SetPath(o, "-h", v, &PolicyBuilder::SetHermeticMode); }},

    {'w', "write", "PATH", kFiles, "writable, through to the host",
     [](Options& o, Value v) { return o.AddBind(Access::kWritable, "-w", v); }},
    {'M', "bind", "SRC", kFiles, "SRC of the host shows inside, read-only",
     [](Options& o, Value v) { return o.AddBind(Access::kReadOnly, "-M", v); }},
    {'m', "to", "DST", kFiles, "at DST instead; belongs to the -M before it",
     [](Options& o, Value v) { return o.SetBindTarget(v); }},
    {'e', "tmpfs", "DIR", kFiles, "an empty directory, writable, gone afterwards",
     SetEmptyDirectory},
    {'k', "overlay", "PATH", kFiles,
     "PATH of the host shows inside and can be changed;\n"
     "the changes are gone afterwards; only with -o",
     [](Options& o, Value v) { return SetPath(o, "-k", v, &PolicyBuilder::AddOverlay); }},
    {'d', "scratch-dir", "DIR", kFiles,
     "keep the changes of overlays below DIR during the\n"
     "run, not in memory; only with -x and -o",
     [](Options& o, Value v) { return SetPath(o, "-d", v, &PolicyBuilder::SetScratchDirectory); }},
    {'\0', "scratch-size", "SIZE", kFiles,
     "how much may be kept in memory: bytes, or with K,\n"
     "M or G behind, as in 512M",
     SetScratchSize},

    {'F', "rules", "FILE", kNetwork,
     "an allow-list, one rule a line: what no rule\n"
     "allows is refused. Can be repeated",
     [](Options& o, Value v) { return o.AddRulesFile(v); }, kNeedsStack},
    {'\0', "allow", "RULE", kNetwork, "one rule of an allow-list. Can be repeated",
     [](Options& o, Value v) { return o.AddRule(v); }, kNeedsStack},
    {'\0', "strict-names", "", kNetwork,
     "refuse what a name of the list lets through and\n"
     "does not say in TLS or HTTP which server it means",
     [](Options& o, Value) {
       return Done([&] { o.builder().SetServerNames(ServerNames::kRequired); });
     },
     kNeedsStack},
    {'\0', "max-connections", "N", kNetwork,
     "at most N connections at a time; a further one\n"
     "takes the place of an idle one, or is refused",
     SetMaxConnections, Exclusive{Product::kTapbox, "it needs the network stack: run mini-tapbox"}},
    {'\0', "log", "FILE", kNetwork,
     "append every verdict and every flow's end to FILE,\n"
     "a line of JSON each",
     [](Options& o, Value v) { return o.builder().SetVerdictLog(v); },
     Exclusive{Product::kTapbox, "a log needs the network stack: run mini-tapbox"}},
    {'p', "publish", "SPEC", kNetwork,
     "[ADDR:]HOSTPORT:PORT[/udp]: who connects to\n"
     "HOSTPORT of this machine (127.0.0.1 unless told)\n"
     "reaches PORT inside. Can be repeated",
     Publish, kPublishNeedsStack},
    {'n', "no-loopback", "", kNetwork, "no network, and not even a loopback device",
     [](Options& o, Value) { return o.builder().SetNetwork(Network::kUnconfigured); },
     Exclusive{Product::kSandbox, "without a network there is nothing to allow: run mini-sandbox"}},
    {'N', "share-network", "", kNetwork, "the host's network",
     [](Options& o, Value) { return o.builder().SetNetwork(Network::kHost); },
     Exclusive{Product::kSandbox,
               "the host's network would bypass the allow-list: run mini-sandbox"}},
    {'H', "localhost", "", kNetwork, "the host name inside is localhost",
     [](Options& o, Value) {
       return Done([&] { o.builder().SetHostName(HostName::kLocalhost); });
     }},

    {'W', "chdir", "DIR", kCommand, "its working directory, instead of this one",
     [](Options& o, Value v) { return SetPath(o, "-W", v, &PolicyBuilder::SetWorkingDirectory); }},
    {'R', "root", "", kCommand, "it appears to run as root",
     [](Options& o, Value) { return o.builder().SetIdentity(Identity::kRoot); }},
    {'U', "nobody", "", kCommand, "it appears to run as nobody",
     [](Options& o, Value) { return o.builder().SetIdentity(Identity::kNobody); }},
    {'P', "pty", "", kCommand, "it gets a terminal of its own",
     [](Options& o, Value) { return Done([&] { o.builder().SetTerminal(true); }); }},
    {'\0', "nested", "", kCommand, "it may make sandboxes itself",
     [](Options& o, Value) { return Done([&] { o.builder().SetNesting(Nesting::kAllowed); }); }},

    {'\0', "setenv", "NAME=VALUE", kEnvironment, "set a variable", SetVariable},
    {'\0', "unsetenv", "NAME", kEnvironment, "remove a variable",
     [](Options& o, Value v) { return o.builder().UnsetVariable(v); }},
    {'\0', "keep-env", "NAME", kEnvironment,
     "keep a variable that would be removed because it\n"
     "names credentials or sockets",
     [](Options& o, Value v) { return o.builder().KeepVariable(v); }},

    {'T', "time-limit", "S", kLimits, "SIGTERM after S seconds; 0.5 is half a one", SetTimeLimit},
    {'t', "kill-delay", "S", kLimits, "SIGKILL S seconds after that; otherwise 10", SetKillDelay},
    {'i', "interrupt-terminates", "", kLimits,
     "SIGINT sends the command SIGTERM, and SIGKILL\n"
     "after the delay of -t",
     [](Options& o, Value) { return Done([&] { o.builder().SetInterruptTerminates(true); }); }},

    {'\0', "allow-degraded", "", kOther,
     "where the kernel refuses namespaces, a weaker\n"
     "sandbox rather than none",
     [](Options& o, Value) { return Done([&] { o.builder().SetDegraded(Degraded::kAllowed); }); },
     Exclusive{Product::kSandbox,
               "without namespaces there is no network stack: run mini-sandbox"}},
    {'q', "quiet", "", kOther, "say nothing but errors",
     [](Options& o, Value) { return Done([&] { o.builder().SetQuiet(true); }); }},
    {'D', "debug-log", "FILE", kOther, "write what is done to FILE", SetDebugLog},
    {'\0', "print-plan", "", kOther, "show what would be done, and do nothing",
     [](Options& o, Value) { return Done([&] { o.line().print_plan = true; }); }},
    {'\0', "help", "", kOther, "show this text",
     [](Options& o, Value) { return Done([&] { o.AskForText(TextOnly::kHelp); }); }},
    {'\0', "version", "", kOther, "show the version",
     [](Options& o, Value) { return Done([&] { o.AskForText(TextOnly::kVersion); }); }},
};

}  // namespace

std::span<const OptionEntry> OptionTable() { return kTable; }

const OptionEntry* FindOption(std::string_view name) {
  const auto* found = std::find_if(std::begin(kTable), std::end(kTable), [&](const auto& entry) {
    if (name.starts_with("--")) return name.substr(2) == entry.long_name;
    return name.size() == 2 && name[0] == '-' && entry.short_name != '\0' &&
           name[1] == entry.short_name;
  });
  return found == std::end(kTable) ? nullptr : found;
}

}  // namespace mini
