// The last stage before the command exists: nothing after this has any privilege.
#ifndef MINI_SANDBOX_CHILD_PRIVILEGES_H_
#define MINI_SANDBOX_CHILD_PRIVILEGES_H_

#include "child/landlock.h"
#include "child/step.h"
#include "child/streams.h"
#include "child/temporary_fd.h"
#include "plan/frozen_plan.h"

namespace mini::child {

// No capability, and no way to get one (capabilities(7)); no_new_privs; landlock and the seccomp
// filter. Init goes through this itself, so that the command cannot gain by attacking it.
//
// One exception: who shows as user 0 can map that id into a namespace below only if it has
// CAP_SETFCAP (user_namespaces(7), since Linux 5.12). With plan.may_map_root the command keeps this
// one capability, within the sandbox's user namespace; what it gives is to attach capabilities to
// the caller's own files, good for that namespace's root, who is the caller.
Step DropPrivileges(const FrozenPlan& plan, const StandardStreams& streams, Truncation truncation,
                    Closing closing);

// For init, once the command has been started.
Step DropLastCapability();

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_PRIVILEGES_H_
