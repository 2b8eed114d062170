// The last stage before the command exists: nothing after this has any privilege.
#ifndef MINI_SANDBOX_CHILD_PRIVILEGES_H_
#define MINI_SANDBOX_CHILD_PRIVILEGES_H_

#include "child/step.h"
#include "plan/frozen_plan.h"

namespace mini::child {

// No capability, and no way to get one (capabilities(7)); no_new_privs; landlock and the seccomp
// filter. Init
// goes through this itself, so that the command cannot gain by attacking it.
Step DropPrivileges(const FrozenPlan& plan);

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_PRIVILEGES_H_
