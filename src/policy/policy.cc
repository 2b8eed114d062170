#include "policy/policy.h"

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

}  // namespace

Status PolicyBuilder::SetMode(Mode mode) {
  if (mode_set_ && policy_.mode != mode) {
    return InvalidArgument(Stage::kArguments, "only one mode can be chosen");
  }
  policy_.mode = mode;
  mode_set_ = true;
  return OkStatus();
}

Status PolicyBuilder::SetNetwork(Network network) {
  policy_.network = network;
  return OkStatus();
}

Status PolicyBuilder::AddWritable(std::string_view path) {
  MINI_ASSIGN_OR_RETURN(const std::string checked, CheckedPath("-w", path));
  if (checked == "/") {
    return InvalidArgument(Stage::kArguments,
                           "-w /: the whole system cannot be writable; name directories below it");
  }
  policy_.binds.push_back({checked, checked, Access::kWritable});
  return OkStatus();
}

Status PolicyBuilder::AddReadOnly(std::string_view source, std::optional<std::string_view> target) {
  MINI_ASSIGN_OR_RETURN(const std::string from, CheckedPath("-M", source));
  std::string to = from;
  if (target) {
    MINI_ASSIGN_OR_RETURN(to, CheckedPath("-m", *target));
  }
  if (to == "/") {
    return InvalidArgument(Stage::kArguments, StrCat("-M ", EscapeForTerminal(source),
                                                     ": nothing can be bound on / itself"));
  }
  policy_.binds.push_back({from, to, Access::kReadOnly});
  return OkStatus();
}

Status PolicyBuilder::SetWorkingDirectory(std::string_view path) {
  MINI_ASSIGN_OR_RETURN(policy_.working_directory, CheckedPath("-W", path));
  return OkStatus();
}

Status PolicyBuilder::SetTimeLimit(std::chrono::milliseconds limit) {
  if (limit.count() <= 0) {
    return InvalidArgument(Stage::kArguments, "the time limit must be more than 0 seconds");
  }
  policy_.time_limit = limit;
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
  if (!policy_.rules) policy_.rules.emplace();
  return policy_.rules->AddRule("--allow", rule);
}

Result<Policy> PolicyBuilder::Build() {
  if (!mode_set_) {
    return InvalidArgument(Stage::kArguments, "no mode was chosen").WithHint("give -x");
  }
  if (policy_.rules && policy_.network != Network::kStack) {
    return InvalidArgument(Stage::kArguments,
                           "an allow-list needs the network stack: run mini-tapbox");
  }
  mode_set_ = false;
  return std::exchange(policy_, Policy());
}

}  // namespace mini
