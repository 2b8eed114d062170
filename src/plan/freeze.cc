#include "plan/freeze.h"

#include <cstring>
#include <map>
#include <memory_resource>
#include <string_view>

#include "base/strings.h"

namespace mini {

struct FrozenPlanOwner::Arena {
  std::pmr::monotonic_buffer_resource memory{16 << 10};
  FrozenPlan plan{};

  template <typename T>
  T* Array(size_t count) {
    T* array = static_cast<T*>(memory.allocate(sizeof(T) * count, alignof(T)));
    std::uninitialized_value_construct_n(array, count);
    return array;
  }

  char* String(std::string_view text) {
    char* copy = Array<char>(text.size() + 1);
    std::memcpy(copy, text.data(), text.size());
    return copy;
  }

  // A NULL-terminated vector as execve(2) takes it.
  char** Vector(const std::vector<std::string>& strings) {
    char** vector = Array<char*>(strings.size() + 1);
    for (size_t i = 0; i < strings.size(); ++i) vector[i] = String(strings[i]);
    return vector;
  }

  FrozenMountOp Op(const MountOp& op) {
    return {.kind = op.kind,
            .source = String(op.source),
            .target = String(op.target),
            .data = String(op.data),
            .data_size = op.data.size(),
            .slot = op.slot,
            .lower_slot = op.lower_slot,
            .attributes = op.attributes,
            .mode = op.mode,
            .base_slot = op.base_slot,
            .below_base = String(op.below_base)};
  }
};

namespace {

FrozenNetwork FrozenNetworkOf(Network network) {
  switch (network) {
    case Network::kLoopback:
      return FrozenNetwork::kLoopback;
    case Network::kStack:
      return FrozenNetwork::kTap;
    case Network::kHost:
      return FrozenNetwork::kHost;
    case Network::kUnconfigured:
      break;
  }
  return FrozenNetwork::kUnconfigured;
}

// By path, the uppermost slot that the plan puts there; -1 where something without one lies above.
std::map<std::string_view, int> SlotsByPath(const Plan& plan) {
  std::map<std::string_view, int> slots;
  for (const MountOp& op : plan.mounts) {
    if (op.kind == MountOpKind::kAttach) slots[op.target] = op.slot;
    if (op.kind == MountOpKind::kMask || op.kind == MountOpKind::kShowFile) slots[op.target] = -1;
  }
  return slots;
}

}  // namespace

FrozenPlanOwner::FrozenPlanOwner(std::unique_ptr<Arena> arena) : arena_(std::move(arena)) {}
FrozenPlanOwner::FrozenPlanOwner(FrozenPlanOwner&&) noexcept = default;
FrozenPlanOwner& FrozenPlanOwner::operator=(FrozenPlanOwner&&) noexcept = default;
FrozenPlanOwner::~FrozenPlanOwner() = default;
const FrozenPlan& FrozenPlanOwner::get() const { return arena_->plan; }

FrozenPlanOwner Freeze(const Plan& plan, std::span<const sock_filter> filter,
                       const sigset_t& command_signal_mask) {
  auto arena = std::make_unique<FrozenPlanOwner::Arena>();
  FrozenPlan& frozen = arena->plan;

  const std::string uid_map = StrCat(plan.uid.inside, " ", plan.uid.outside, " 1");
  const std::string gid_map = StrCat(plan.gid.inside, " ", plan.gid.outside, " 1");
  frozen.uid_map = arena->String(uid_map);
  frozen.uid_map_size = uid_map.size();
  frozen.gid_map = arena->String(gid_map);
  frozen.gid_map_size = gid_map.size();

  if (plan.host_name) {
    frozen.host_name = arena->String(*plan.host_name);
    frozen.host_name_size = plan.host_name->size();
  }
  frozen.network = FrozenNetworkOf(plan.network);
  auto* sysctls = arena->Array<FrozenSysctl>(plan.sysctls.size());
  for (size_t i = 0; i < plan.sysctls.size(); ++i) {
    const Sysctl& sysctl = plan.sysctls[i];
    sysctls[i] = {sysctl.is_required, arena->String(sysctl.path), arena->String(sysctl.value),
                  sysctl.value.size()};
  }
  frozen.sysctls = sysctls;
  frozen.sysctl_count = plan.sysctls.size();

  auto* mounts = arena->Array<FrozenMountOp>(plan.mounts.size());
  for (size_t i = 0; i < plan.mounts.size(); ++i) mounts[i] = arena->Op(plan.mounts[i]);
  frozen.mounts = mounts;
  frozen.mount_count = plan.mounts.size();
  frozen.slot_count = static_cast<size_t>(plan.slot_count);
  frozen.slots = arena->Array<int>(frozen.slot_count);
  std::fill_n(frozen.slots, frozen.slot_count, -1);
  frozen.scratch_point = arena->String(plan.scratch_point);
  frozen.scratch_view = arena->String(plan.scratch_view);

  const std::map<std::string_view, int> slots = SlotsByPath(plan);
  auto* roots = arena->Array<FrozenRoot>(plan.writable_roots.size());
  for (size_t i = 0; i < plan.writable_roots.size(); ++i) {
    const auto slot = slots.find(plan.writable_roots[i]);
    roots[i] = {arena->String(plan.writable_roots[i]), slot == slots.end() ? -1 : slot->second};
  }
  frozen.writable_roots = roots;
  frozen.writable_root_count = plan.writable_roots.size();

  frozen.nesting = plan.nesting == Nesting::kAllowed;
  frozen.may_map_root = frozen.nesting && plan.uid.inside == 0;
  if (plan.degraded) {
    auto* rules = arena->Array<FrozenPathRule>(plan.degraded->rules.size());
    for (size_t i = 0; i < plan.degraded->rules.size(); ++i) {
      const PathRule& rule = plan.degraded->rules[i];
      rules[i] = {arena->String(rule.path), rule.rights};
    }
    frozen.path_rules = rules;
    frozen.path_rule_count = plan.degraded->rules.size();
    frozen.landlock_abi = plan.degraded->landlock_abi;
    frozen.scratch_directory = arena->String(plan.degraded->scratch_directory);
  }

  frozen.filter = filter.data();
  frozen.filter_size = filter.size();

  frozen.working_directory = arena->String(plan.working_directory);
  frozen.candidates = arena->Vector(plan.candidates);
  frozen.candidate_count = plan.candidates.size();
  frozen.argv = arena->Vector(plan.argv);
  frozen.envp = arena->Vector(plan.environment);
  // "/bin/sh", the script (the child fills in which candidate it was), then argv[1..].
  std::vector<std::string> shell_argv = {"/bin/sh", ""};
  shell_argv.insert(shell_argv.end(), plan.argv.begin() + 1, plan.argv.end());
  frozen.shell_argv = arena->Vector(shell_argv);

  frozen.command_signal_mask = command_signal_mask;
  frozen.session = plan.terminal               ? FrozenSession::kOwnWithTerminal
                   : plan.interrupt_terminates ? FrozenSession::kOwn
                                               : FrozenSession::kCallers;
  return FrozenPlanOwner(std::move(arena));
}

}  // namespace mini
