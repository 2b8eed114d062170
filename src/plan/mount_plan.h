// The file-system part of a plan.
#ifndef MINI_SANDBOX_PLAN_MOUNT_PLAN_H_
#define MINI_SANDBOX_PLAN_MOUNT_PLAN_H_

#include "base/status.h"
#include "plan/host_layout.h"
#include "plan/plan.h"

namespace mini {

// Fills mounts, slot_count, scratch_point, working_directory and notices of `plan`.
Status PlanMounts(const Policy& policy, const HostFacts& facts, Plan& plan);

}  // namespace mini

#endif  // MINI_SANDBOX_PLAN_MOUNT_PLAN_H_
