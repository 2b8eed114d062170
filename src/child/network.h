// The network stage, inside the new network namespace.
#ifndef MINI_SANDBOX_CHILD_NETWORK_H_
#define MINI_SANDBOX_CHILD_NETWORK_H_

#include "child/control.h"
#include "child/step.h"
#include "plan/frozen_plan.h"

namespace mini::child {

// kUntouched: nothing. kLoopback: brings lo up. kTap: opens a TAP device and a netlink socket that
// belong to this network namespace and sends both to the supervisor, who configures the link from
// outside while this process goes on with the mounts. Needs the host's /dev and /proc: comes before
// the mounts.
Step SetUpNetwork(const FrozenPlan& plan, const Control& control);

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_NETWORK_H_
