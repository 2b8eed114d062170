// Policy + HostFacts -> Plan: every decision of a run, made before anything is done.
//
// MakePlan is pure, so most behaviour is tested by comparing the text of plans, without privileges.
#ifndef MINI_SANDBOX_PLAN_PLAN_H_
#define MINI_SANDBOX_PLAN_PLAN_H_

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "plan/frozen_plan.h"
#include "plan/host_facts.h"
#include "policy/policy.h"

namespace mini {

struct MountOp {
  MountOpKind kind = MountOpKind::kAttach;
  std::string source = {};
  std::string target = {};
  std::string data = {};
  int slot = -1;
  int lower_slot = -1;
  uint64_t attributes = 0;
  mode_t mode = 0;
  // The mount that `target` lies in, where an earlier step has put it and it still shows: it spares
  // the way there. -1: looked up from "/".
  int base_slot = -1;
  std::string below_base = {};

  // "attach #3 on /home/u": the line of --print-plan, and the object of an error.
  std::string ToString() const;
};

struct Sysctl {
  std::string path;
  std::string value;
  bool is_required = false;  // the run ends where it cannot be set; else the user is told
};

// What is mapped to the caller's only id: the number inside, and outside.
struct IdMap {
  uint32_t inside = 0;
  uint32_t outside = 0;
};

// A run without namespaces: see degraded_plan.h.
struct PathRule {
  std::string path;
  PathRights rights;
  friend bool operator==(const PathRule&, const PathRule&) = default;
};

struct DegradedPlan {
  int landlock_abi = 0;
  std::string scratch_directory;
  std::vector<PathRule> rules;  // all else cannot be opened
};

struct Plan {
  SettingNames names = kOptionNames;  // in messages about it
  IdMap uid;
  IdMap gid;
  std::optional<std::string> host_name;  // unset: the host's
  Network network = Network::kLoopback;
  // Network::kStack only. The rules decide nothing here: they are shown. Null: open mode.
  std::shared_ptr<const std::vector<netstack::Rule>> rules;
  ServerNames server_names = ServerNames::kAsTheyCome;
  std::optional<uint32_t> max_connections;
  std::vector<PortRequest> published;  // -p
  std::vector<Sysctl> sysctls;
  Nesting nesting = Nesting::kRefused;
  std::vector<MountOp> mounts;
  int slot_count = 0;
  std::string scratch_point;
  std::string scratch_view;              // where the scratch file system shows inside; or empty
  std::optional<uint64_t> scratch_size;  // its limit in bytes, where it is not the kernel's
  std::string scratch_directory;  // on disk, to be made before and removed after; empty: none
  std::vector<std::string> writable_roots;  // inside; none below another
  std::string working_directory;
  std::vector<std::string> candidates;
  std::vector<std::string> argv;
  std::vector<std::string> environment;
  std::vector<std::string> removed_variables;  // names: what the caller has and the command has not
  bool terminal = false;  // the command gets a pseudo-terminal of the sandbox's own
  std::optional<std::chrono::milliseconds> time_limit;
  // SIGINT ends the command as the time limit does. It then has a session of its own, since a
  // terminal's Ctrl-C would reach it directly otherwise.
  bool interrupt_terminates = false;
  std::chrono::milliseconds kill_delay{0};
  std::optional<DegradedPlan> degraded;  // then there are no namespaces and no mounts
  // What the user should know: one sentence each, for stderr.
  std::vector<std::string> notices;

  std::string ToString() const;
};

// The addresses of the sandbox's side of the TAP link and the resolver it is told to ask. From
// 198.18.0.0/15 (RFC 2544), which no real network uses, and a unique local prefix (RFC 4193).
inline constexpr const char* kSandboxAddressV4 = "198.18.0.1";
inline constexpr const char* kSandboxAddressV6 = "fd6d:696e:6900::1";
inline constexpr const char* kSandboxResolver = "198.18.0.53";

// Whether the sandbox starts from an empty root: custom and hermetic mode.
bool HasEmptyRoot(const Policy& policy);

// Whether /etc/resolv.conf and /etc/hosts of the host have a part in the plan.
bool UsesNameFiles(Network network);

// The paths whose PathFact MakePlan will look up. `home` is $HOME, as it is written.
std::vector<std::string> PathsToProbe(const Policy& policy, std::string_view home);

// The directories above the working directory that are overlaid if the caller may write there, the
// topmost first. For facts that are complete but for `writable_parent` and `listings`.
std::vector<std::string> ParentsToProbe(const Policy& policy, const HostFacts& facts);

// The directories whose entries MakePlan will look up. For facts that are complete but for
// `listings`. None lies where looking at it might hang.
std::vector<std::string> DirectoriesToList(const Policy& policy, const HostFacts& facts);

// A directory with more entries is not split for a mount point in it (docs/architecture.md).
inline constexpr size_t kMaxSplitEntries = 256;

Result<Plan> MakePlan(const Policy& policy, const HostFacts& facts,
                      const std::vector<std::string>& argv);

}  // namespace mini

#endif  // MINI_SANDBOX_PLAN_PLAN_H_
