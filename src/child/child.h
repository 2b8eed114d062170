// Everything that runs between clone and exec, and init afterwards.
//
// The child runs on a copy of a process whose other threads do not exist here, so nothing in this
// room allocates, locks, throws or logs: system calls on frozen data, and a report when one fails.
#ifndef MINI_SANDBOX_CHILD_CHILD_H_
#define MINI_SANDBOX_CHILD_CHILD_H_

#include "plan/frozen_plan.h"

namespace mini::child {

struct ChildArguments {
  const FrozenPlan* plan;
  int control;         // the child's end of the control socket
  int parent_control;  // the supervisor's end, which the child has to close
};

// The first process of new user, mount, pid, ipc, uts and cgroup namespaces, and of a new network
// namespace unless the plan shares the host's.
[[noreturn]] void RunChild(const ChildArguments& arguments);

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_CHILD_H_
