#include "policy/policy.h"

#include <utility>

#include "base/paths.h"
#include "base/strings.h"

namespace mini {
namespace {

Result<std::string> CheckedPath(std::string_view option, std::string_view path) {
  const auto refuse = [&](std::string_view why) {
    return InvalidArgument(Stage::kArguments,
                           StrCat(option, " ", EscapeForTerminal(path), ": ", why));
  };
  if (path.empty()) return refuse("the path is empty");
  if (!IsAbsolutePath(path)) return refuse("the path must be absolute");
  if (path.find('\0') != std::string_view::npos) return refuse("the path contains a NUL byte");
  return NormalizePath(path);
}

Status Contradiction(std::string message) {
  return InvalidArgument(Stage::kArguments, std::move(message));
}

// setenv(3): a name is not empty and holds no "=".
Result<std::string> CheckedVariable(std::string_view option, std::string_view name) {
  if (name.empty() || name.find('=') != std::string_view::npos ||
      name.find('\0') != std::string_view::npos) {
    return Contradiction(
        StrCat(option, " ", EscapeForTerminal(name), ": not a name of a variable"));
  }
  return std::string(name);
}

}  // namespace

Status PolicyBuilder::SetMode(Mode mode, std::optional<std::string> root) {
  if (mode_set_ && (policy_.mode != mode || policy_.root_directory != root)) {
    return Contradiction(StrCat("only one of ", policy_.names.default_mode, ", ",
                                policy_.names.custom_mode, " and ", policy_.names.hermetic_mode,
                                " can be given, and once"));
  }
  policy_.mode = mode;
  policy_.root_directory = std::move(root);
  mode_set_ = true;
  return OkStatus();
}

Status PolicyBuilder::SetDefaultMode() { return SetMode(Mode::kDefault, std::nullopt); }
Status PolicyBuilder::SetReadOnlyMode() { return SetMode(Mode::kReadOnly, std::nullopt); }

Status PolicyBuilder::SetCustomMode(std::string_view root) {
  MINI_ASSIGN_OR_RETURN(std::string checked, CheckedPath(policy_.names.custom_mode, root));
  return SetMode(Mode::kCustom, std::move(checked));
}

Status PolicyBuilder::SetHermeticMode(std::string_view root) {
  MINI_ASSIGN_OR_RETURN(std::string checked, CheckedPath(policy_.names.hermetic_mode, root));
  return SetMode(Mode::kHermetic, std::move(checked));
}

Status PolicyBuilder::SetNetwork(Network network) {
  if (network_set_ && policy_.network != network) {
    return policy_.network == Network::kStack || network == Network::kStack
               ? Contradiction("-n and -N have no meaning beside the network stack")
               : Contradiction("-n and -N exclude each other");
  }
  policy_.network = network;
  network_set_ = true;
  return OkStatus();
}

Status PolicyBuilder::AddWritable(std::string_view path) {
  MINI_ASSIGN_OR_RETURN(const std::string checked, CheckedPath(policy_.names.writable, path));
  if (checked == "/") {
    return InvalidArgument(
        Stage::kArguments,
        StrCat(policy_.names.writable,
               " /: the whole system cannot be writable; name directories below it"));
  }
  policy_.binds.push_back({checked, checked, Access::kWritable});
  return OkStatus();
}

Status PolicyBuilder::AddReadOnly(std::string_view source, std::optional<std::string_view> target) {
  MINI_ASSIGN_OR_RETURN(const std::string from, CheckedPath(policy_.names.read_only, source));
  std::string to = from;
  if (target) {
    MINI_ASSIGN_OR_RETURN(to, CheckedPath("-m", *target));
  }
  if (to == "/") {
    return InvalidArgument(Stage::kArguments,
                           StrCat(policy_.names.read_only, " ", EscapeForTerminal(source),
                                  ": nothing can be bound on / itself"));
  }
  policy_.binds.push_back({from, to, Access::kReadOnly});
  return OkStatus();
}

Status PolicyBuilder::AddOverlay(std::string_view path) {
  MINI_ASSIGN_OR_RETURN(std::string checked, CheckedPath(policy_.names.overlay, path));
  if (checked == "/") {
    return Contradiction(
        StrCat(policy_.names.overlay, " /: name the directories below it that the command needs"));
  }
  policy_.overlays.push_back(std::move(checked));
  return OkStatus();
}

Status PolicyBuilder::AddEmptyDirectory(std::string_view path) {
  MINI_ASSIGN_OR_RETURN(std::string checked, CheckedPath(policy_.names.empty_directory, path));
  if (checked == "/") {
    return Contradiction(StrCat(policy_.names.empty_directory,
                                " /: an empty root is hermetic mode, ",
                                policy_.names.hermetic_mode));
  }
  policy_.empty_directories.push_back(std::move(checked));
  return OkStatus();
}

Status PolicyBuilder::SetScratchDirectory(std::string_view path) {
  MINI_ASSIGN_OR_RETURN(std::string checked, CheckedPath(policy_.names.scratch_directory, path));
  if (policy_.scratch_directory && *policy_.scratch_directory != checked) {
    return Contradiction(StrCat(policy_.names.scratch_directory, " can be given once"));
  }
  policy_.scratch_directory = std::move(checked);
  return OkStatus();
}

Status PolicyBuilder::SetScratchSize(uint64_t size) {
  if (size == 0) return Contradiction("the scratch size must be more than 0 bytes");
  policy_.scratch_size = size;
  return OkStatus();
}

Status PolicyBuilder::SetIdentity(Identity identity) {
  if (policy_.identity != Identity::kCaller && policy_.identity != identity) {
    return Contradiction("-R and -U exclude each other");
  }
  policy_.identity = identity;
  return OkStatus();
}

Status PolicyBuilder::SetVariable(std::string_view name, std::string_view value) {
  MINI_ASSIGN_OR_RETURN(std::string checked, CheckedVariable("--setenv", name));
  if (value.find('\0') != std::string_view::npos) {
    return Contradiction(StrCat("--setenv ", checked, ": the value contains a NUL byte"));
  }
  policy_.environment.push_back({std::move(checked), std::string(value)});
  return OkStatus();
}

Status PolicyBuilder::UnsetVariable(std::string_view name) {
  MINI_ASSIGN_OR_RETURN(std::string checked, CheckedVariable("--unsetenv", name));
  policy_.environment.push_back({std::move(checked), std::nullopt});
  return OkStatus();
}

Status PolicyBuilder::KeepVariable(std::string_view name) {
  MINI_ASSIGN_OR_RETURN(std::string checked, CheckedVariable("--keep-env", name));
  if (checked.find('*') != std::string::npos) {
    return Contradiction(StrCat("--keep-env ", EscapeForTerminal(checked),
                                ": takes one variable by its whole name"));
  }
  policy_.kept_variables.push_back(std::move(checked));
  return OkStatus();
}

Status PolicyBuilder::SetWorkingDirectory(std::string_view path) {
  MINI_ASSIGN_OR_RETURN(policy_.working_directory,
                        CheckedPath(policy_.names.working_directory, path));
  return OkStatus();
}

Status PolicyBuilder::SetTimeLimit(std::chrono::milliseconds limit) {
  if (limit.count() <= 0) {
    return InvalidArgument(Stage::kArguments, "the time limit must be more than 0 seconds");
  }
  policy_.time_limit = limit;
  return OkStatus();
}

Status PolicyBuilder::SetMaxConnections(uint64_t connections) {
  if (connections == 0 || connections > kMostConnections) {
    return Contradiction(
        StrCat("--max-connections ", connections, ": not a number from 1 to ", kMostConnections));
  }
  policy_.max_connections = static_cast<uint32_t>(connections);
  return OkStatus();
}

Status PolicyBuilder::SetVerdictLog(std::string_view path) {
  if (path.empty()) return Contradiction("--log: the path is empty");
  if (path.find('\0') != std::string_view::npos) {
    return Contradiction("--log: the path contains a NUL byte");
  }
  policy_.verdict_log = std::string(path);
  return OkStatus();
}

Status PolicyBuilder::SetKillDelay(std::chrono::milliseconds delay) {
  if (delay.count() < 0) {
    return InvalidArgument(Stage::kArguments, "the delay before SIGKILL cannot be negative");
  }
  policy_.kill_delay = delay;
  return OkStatus();
}

Status PolicyBuilder::AddRulesText(std::string_view source, std::string_view text) {
  // A file without a rule denies everything: the set exists even when it stays empty.
  if (!policy_.rules) policy_.rules.emplace();
  return policy_.rules->AddText(source, text);
}

Status PolicyBuilder::AddRule(std::string_view rule) {
  MINI_RETURN_IF_ERROR(AddRule(rule, "--allow", allow_count_ + 1));
  ++allow_count_;
  return OkStatus();
}

Status PolicyBuilder::AddRule(std::string_view rule, std::string_view source, int number) {
  if (!policy_.rules) policy_.rules.emplace();
  return policy_.rules->AddRule(source, rule, number);
}

Status PolicyBuilder::Publish(const PortRequest& request) {
  for (const PortRequest& other : policy_.published) {
    if (request.host.port != 0 && request.host == other.host &&
        request.protocol == other.protocol) {
      return Contradiction(StrCat("-p: ", netstack::ProtocolName(request.protocol), " ",
                                  request.host.ToString(), " is published twice"));
    }
  }
  policy_.published.push_back(request);
  return OkStatus();
}

Result<Policy> PolicyBuilder::Build() {
  if (policy_.rules && policy_.network != Network::kStack) {
    return Contradiction("an allow-list needs the network stack: run mini-tapbox");
  }
  if (policy_.max_connections && policy_.network != Network::kStack) {
    return Contradiction("--max-connections needs the network stack: run mini-tapbox");
  }
  if (policy_.verdict_log && policy_.network != Network::kStack) {
    return Contradiction("--log needs the network stack: run mini-tapbox");
  }
  if (!policy_.published.empty() && policy_.network != Network::kStack) {
    return Contradiction("-p needs the network stack: run mini-tapbox");
  }
  if (policy_.server_names == ServerNames::kRequired && !policy_.rules) {
    return Contradiction("--strict-names needs an allow-list: -F FILE or --allow RULE");
  }
  if (!policy_.overlays.empty() && policy_.mode != Mode::kCustom) {
    return Contradiction(
        StrCat(policy_.names.overlay, " needs custom mode: ", policy_.names.custom_mode, " ROOT"));
  }
  if (policy_.scratch_directory && policy_.mode != Mode::kCustom &&
      policy_.mode != Mode::kDefault) {
    return Contradiction(StrCat(policy_.names.scratch_directory,
                                " needs a mode with overlays: ", policy_.names.default_mode, " or ",
                                policy_.names.custom_mode, " ROOT"));
  }
  if (policy_.degraded == Degraded::kAllowed && policy_.network == Network::kStack) {
    return Contradiction("--allow-degraded: without namespaces there is no network stack");
  }
  mode_set_ = network_set_ = false;
  allow_count_ = 0;
  Policy next;
  next.names = policy_.names;
  return std::exchange(policy_, std::move(next));
}

}  // namespace mini
