// The mounts stage.
#ifndef MINI_SANDBOX_CHILD_MOUNTS_H_
#define MINI_SANDBOX_CHILD_MOUNTS_H_

#include "child/control.h"
#include "child/step.h"
#include "child/temporary_fd.h"
#include "plan/frozen_plan.h"

namespace mini::child {

// Carries out every step in order; stops at the first that fails.
Step ApplyMounts(const FrozenPlan& plan, const Control& control, Closing closing);

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_MOUNTS_H_
