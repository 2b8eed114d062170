// The first process of a sandbox, and the socket between it and its supervisor.
#ifndef MINI_SANDBOX_SANDBOX_START_CHILD_H_
#define MINI_SANDBOX_SANDBOX_START_CHILD_H_

#include "base/status.h"
#include "base/unique_fd.h"
#include "child/streams.h"
#include "plan/frozen_plan.h"
#include "supervise/child_process.h"
#include "sys/clone.h"

namespace mini {

struct ControlSockets {
  UniqueFd supervisor;
  UniqueFd child;
};

Result<ControlSockets> MakeControlSockets();

// What the first process is cloned into. One without a link it makes while it mounts
// (child/network.h).
NetworkNamespace NetworkNamespaceFor(const FrozenPlan& frozen);

// Whether the supervisor is told that the command has been executed (Supervisor::OnStart()).
enum class StartReport { kNone, kSent };

// Clones it into its namespaces, where it begins to carry out the plan. `frozen` has to live until
// then: the child runs on a copy of this process's memory, which should have one thread. `streams`
// as in ChildArguments.
Result<ChildProcess> StartChild(const FrozenPlan& frozen,
                                const child::StandardStreams* streams = nullptr,
                                StartReport report = StartReport::kNone);

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_START_CHILD_H_
