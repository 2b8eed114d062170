#include "plan/plan.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "base/paths.h"
#include "base/strings.h"
#include "plan/degraded_plan.h"
#include "plan/environment.h"
#include "plan/kernel_filesystems.h"
#include "plan/mount_parts.h"
#include "plan/mount_plan.h"
#include "plan/name_files.h"
#include "plan/planted_links.h"

namespace mini {
namespace {

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

// The id that shows inside. 65534 is what the kernel itself shows for ids without a number
// (/proc/sys/kernel/overflowuid), and "nobody" in every passwd(5).
uint32_t IdInside(Identity identity, uint32_t of_caller) {
  constexpr uint32_t kRoot = 0;
  constexpr uint32_t kNobody = 65534;
  switch (identity) {
    case Identity::kRoot:
      return kRoot;
    case Identity::kNobody:
      return kNobody;
    case Identity::kCaller:
      break;
  }
  return of_caller;
}

std::vector<Sysctl> NetworkSysctls(gid_t gid) {
  return {
      // bbr, where a host has it as its default, halves throughput on a link without loss.
      {"/proc/sys/net/ipv4/tcp_congestion_control", "reno"},
      // tcp(7): a closed connection's port waits for a minute, and half a range of such ports makes
      // each connect look at them all. No segment is late on this link, so few have to wait.
      {"/proc/sys/net/ipv4/tcp_max_tw_buckets", "2048"},
      // icmp(7): lets ping work without a raw socket. Only this group exists inside.
      {"/proc/sys/net/ipv4/ping_group_range", StrCat(gid, " ", gid)},
  };
}

// Who makes a cgroup namespace may mount the cgroup file systems of the host, and where the run's
// group is delegated, or the caller is root, kill and freeze what is in it, us included. This limit
// holds in every namespace below, whatever is written there (namespaces(7), user/).
Sysctl NoCgroupNamespaces() {
  return {"/proc/sys/user/max_cgroup_namespaces", "0", /*is_required=*/true};
}

// TMPDIR often names a directory in the host's /tmp or in HOME (pam_tmpdir(8)): inside, that is not
// there or may not be written, and programs then fail where they would have taken /tmp.
void DropUselessTemporaryDirectory(const Policy& policy, Plan& plan) {
  const auto is_set_by_user = [](const EnvironmentChange& change) {
    return change.name == "TMPDIR";
  };
  if (std::any_of(policy.environment.begin(), policy.environment.end(), is_set_by_user)) return;
  const auto is_useful = [&](std::string_view path) {
    if (path == "/tmp" || path == "/var/tmp" || path == "/dev/shm") return true;
    if (IsSameOrBelow(path, plan.working_directory)) return true;
    // -e makes an empty directory: it is there, and nothing below it.
    const std::vector<std::string>& empty = policy.empty_directories;
    if (std::find(empty.begin(), empty.end(), path) != empty.end()) return true;
    if (std::any_of(policy.overlays.begin(), policy.overlays.end(),
                    [&](const std::string& overlay) { return IsSameOrBelow(path, overlay); })) {
      return true;
    }
    return std::any_of(policy.binds.begin(), policy.binds.end(), [&](const BindRequest& bind) {
      return bind.access == Access::kWritable && IsSameOrBelow(path, bind.target);
    });
  };
  std::erase_if(plan.environment, [&](const std::string& entry) {
    return entry.starts_with("TMPDIR=/") && !is_useful(NormalizePath(entry.substr(7)));
  });
}

// Of all invariants these are the ones that -N gives up: the user should know.
std::string HostNetworkNotice(const HostFacts& facts) {
  const std::string notice =
      "the host's network is shared: the command can reach whatever this machine can, services on "
      "its loopback included";
  return facts.scopes_abstract_sockets
             ? notice
             : StrCat(notice,
                      ", and abstract UNIX sockets of its programs (closing those needs "
                      "landlock of Linux 6.12)");
}

// The name that programs look up first (tempfile, mktemp(1), compilers).
void SetTemporaryDirectory(const std::string& directory, std::vector<std::string>& environment) {
  std::erase_if(environment, [](const std::string& entry) { return entry.starts_with("TMPDIR="); });
  environment.push_back(StrCat("TMPDIR=", directory));
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

bool UsesNameFiles(Network network) {
  return network == Network::kStack || network == Network::kHost;
}

std::vector<std::string> PathsToProbe(const Policy& policy, std::string_view home) {
  std::set<std::string> paths = {"/dev", "/proc"};
  std::vector<std::string_view> ours(PrivateDirectories().begin(), PrivateDirectories().end());
  if (UsesNameFiles(policy.network)) ours.insert(ours.end(), {kResolvConf, kHosts});
  for (const std::string_view path : ours) {
    HasEmptyRoot(policy) ? AddWayTo(path, paths) : void(paths.emplace(path));
  }
  if (HasEmptyRoot(policy) && IsAbsolutePath(home)) AddWayTo(NormalizePath(home), paths);
  if (policy.nesting == Nesting::kAllowed) paths.emplace(kTunDevice);
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
  MINI_RETURN_IF_ERROR(CheckPlantedLinks(policy, facts));
  Plan plan;
  plan.uid = {IdInside(policy.identity, facts.uid), facts.uid};
  plan.gid = {IdInside(policy.identity, facts.gid), facts.gid};
  if (policy.host_name == HostName::kLocalhost) plan.host_name = "localhost";
  plan.network = policy.network;
  if (policy.rules) plan.rules = policy.rules->shared_rules();
  plan.server_names = policy.server_names;
  plan.max_connections = policy.max_connections;
  plan.published = policy.published;
  plan.nesting = policy.nesting;
  if (policy.network == Network::kStack) plan.sysctls = NetworkSysctls(plan.gid.inside);
  if (policy.nesting == Nesting::kAllowed) plan.sysctls.push_back(NoCgroupNamespaces());
  if (policy.network == Network::kHost) plan.notices.push_back(HostNetworkNotice(facts));
  MINI_RETURN_IF_ERROR(facts.degraded ? PlanDegraded(policy, facts, plan)
                                      : PlanMounts(policy, facts, plan));
  plan.names = policy.names;
  plan.argv = argv;
  CommandEnvironment environment = MakeCommandEnvironment(policy, facts.environment);
  plan.environment = std::move(environment.variables);
  plan.removed_variables = std::move(environment.removed);
  if (!plan.removed_variables.empty()) {
    plan.notices.push_back(RemovedVariablesNotice(plan.removed_variables));
  }
  // PWD (POSIX, environ) is where the caller is; another place needs another value.
  if (!policy.whole_environment && plan.working_directory != facts.working_directory) {
    for (std::string& entry : plan.environment) {
      if (entry.starts_with("PWD=")) entry = StrCat("PWD=", plan.working_directory);
    }
  }
  if (!policy.whole_environment) DropUselessTemporaryDirectory(policy, plan);
  plan.candidates = Candidates(argv[0], plan.environment);
  if (facts.degraded) SetTemporaryDirectory(facts.degraded->scratch_directory, plan.environment);
  plan.terminal = policy.terminal;
  plan.time_limit = policy.time_limit;
  plan.interrupt_terminates = policy.interrupt_terminates;
  plan.kill_delay = policy.kill_delay;
  return plan;
}

}  // namespace mini
