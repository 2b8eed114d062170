#include "plan/plan.h"

#include <set>
#include <string_view>
#include <utility>

#include "base/paths.h"
#include "base/strings.h"
#include "plan/degraded_plan.h"
#include "plan/mount_parts.h"
#include "plan/mount_plan.h"
#include "plan/name_files.h"

namespace mini {
namespace {

const std::string* FindVariable(const std::vector<std::string>& environment,
                                std::string_view name) {
  for (const std::string& entry : environment) {
    if (entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name)) {
      return &entry;
    }
  }
  return nullptr;
}

// The files execvp(3) would try. An empty PATH element means the working directory.
std::vector<std::string> Candidates(const std::string& command,
                                    const std::vector<std::string>& environment) {
  if (command.find('/') != std::string::npos) return {command};
  const std::string* entry = FindVariable(environment, "PATH");
  const std::string_view path = entry ? std::string_view(*entry).substr(5) : "/bin:/usr/bin";
  std::vector<std::string> candidates;
  for (const std::string_view directory : StrSplit(path, ':')) {
    candidates.push_back(JoinPath(directory.empty() ? "." : directory, command));
  }
  return candidates;
}

std::vector<Sysctl> NetworkSysctls(const HostFacts& facts) {
  return {
      // bbr, where a host has it as its default, halves throughput on a link without loss.
      {"/proc/sys/net/ipv4/tcp_congestion_control", "reno"},
      // icmp(7): lets ping work without a raw socket. Only this group exists inside.
      {"/proc/sys/net/ipv4/ping_group_range", StrCat(facts.gid, " ", facts.gid)},
  };
}

// The name that programs look up first (tempfile, mktemp(1), compilers).
void SetTemporaryDirectory(const std::string& directory, std::vector<std::string>& environment) {
  std::erase_if(environment, [](const std::string& entry) { return entry.starts_with("TMPDIR="); });
  environment.push_back(StrCat("TMPDIR=", directory));
}

// What a policy can ask for and this version does not carry out. Refused, never ignored.
Status CheckAvailable(const Policy& policy) {
  const std::pair<bool, std::string_view> missing[] = {
      {policy.network == Network::kUnconfigured, "a network without loopback"},
      {policy.network == Network::kHost, "sharing the host's network"},
      {policy.identity != Identity::kCaller, "appearing as somebody else"},
      {policy.host_name != HostName::kOfHost, "another host name"},
      {!policy.environment.empty() || !policy.kept_variables.empty(), "changing the environment"},
      {policy.interrupt_terminates, "turning SIGINT into SIGTERM"},
      {policy.nesting == Nesting::kAllowed, "a sandbox in the sandbox"},
  };
  for (const auto& [is_asked, what] : missing) {
    if (is_asked) {
      return InvalidArgument(Stage::kArguments, StrCat(what, " is not available in this version"));
    }
  }
  return OkStatus();
}

// The path and every directory above it, below "/": which of them are symlinks decides what has to
// be made where they do not show.
void AddWayTo(std::string_view path, std::set<std::string>& paths) {
  if (path == "/") paths.emplace(path);
  for (; path.size() > 1; path = path.substr(0, path.rfind('/'))) paths.emplace(path);
}

}  // namespace

bool HasEmptyRoot(const Policy& policy) {
  return policy.mode == Mode::kCustom || policy.mode == Mode::kHermetic;
}

std::vector<std::string> PathsToProbe(const Policy& policy, std::string_view home) {
  std::set<std::string> paths = {"/dev", "/proc"};
  std::vector<std::string_view> ours(PrivateDirectories().begin(), PrivateDirectories().end());
  if (policy.network == Network::kStack) ours.insert(ours.end(), {kResolvConf, kHosts});
  for (const std::string_view path : ours) {
    HasEmptyRoot(policy) ? AddWayTo(path, paths) : void(paths.emplace(path));
  }
  if (HasEmptyRoot(policy) && IsAbsolutePath(home)) AddWayTo(NormalizePath(home), paths);
  for (const BindRequest& bind : policy.binds) {
    AddWayTo(bind.source, paths);
    AddWayTo(bind.target, paths);
  }
  for (const std::string& path : policy.overlays) AddWayTo(path, paths);
  for (const std::string& path : policy.empty_directories) AddWayTo(path, paths);
  if (policy.root_directory) paths.insert(*policy.root_directory);
  if (policy.working_directory) {
    AddWayTo(*policy.working_directory, paths);
    for (std::string& path : PathsBehind(*policy.working_directory, policy)) {
      paths.insert(std::move(path));
    }
  }
  if (policy.scratch_directory) paths.insert(*policy.scratch_directory);
  return {paths.begin(), paths.end()};
}

Result<Plan> MakePlan(const Policy& policy, const HostFacts& facts,
                      const std::vector<std::string>& argv) {
  if (argv.empty() || argv[0].empty()) {
    return InvalidArgument(Stage::kArguments, "no command was given");
  }
  MINI_RETURN_IF_ERROR(CheckAvailable(policy));
  Plan plan;
  plan.uid = facts.uid;
  plan.gid = facts.gid;
  plan.network = policy.network;
  if (policy.network == Network::kStack) plan.sysctls = NetworkSysctls(facts);
  MINI_RETURN_IF_ERROR(facts.degraded ? PlanDegraded(policy, facts, plan)
                                      : PlanMounts(policy, facts, plan));
  plan.argv = argv;
  plan.environment = facts.environment;
  plan.candidates = Candidates(argv[0], facts.environment);
  if (facts.degraded) SetTemporaryDirectory(facts.degraded->scratch_directory, plan.environment);
  plan.terminal = policy.terminal;
  plan.time_limit = policy.time_limit;
  plan.kill_delay = policy.kill_delay;
  return plan;
}

}  // namespace mini
