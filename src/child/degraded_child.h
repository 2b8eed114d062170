// Everything between fork and exec of a run without namespaces, and the reaper afterwards.
#ifndef MINI_SANDBOX_CHILD_DEGRADED_CHILD_H_
#define MINI_SANDBOX_CHILD_DEGRADED_CHILD_H_

#include <linux/filter.h>

#include <cstddef>

#include "plan/frozen_plan.h"

namespace mini::child {

struct DegradedArguments {
  const FrozenPlan* plan;
  // Comes on top of the plan's filter; its notifications (seccomp_unotify(2)) go to the supervisor.
  const sock_filter* extra_filter;
  size_t extra_filter_size;
  // Removes the plan's scratch directory with all that is in it; nothing when it is gone already.
  void (*remove_scratch)(const char* path);
  int control;         // the child's end of the control socket
  int parent_control;  // the supervisor's end, which the child has to close
};

// The supervisor's child, forked with the calling thread's memory: the reaper.
[[noreturn]] void RunDegradedChild(const DegradedArguments& arguments);

// Kills and reaps every child of the calling thread, and their children as they come to it: it has
// to be a subreaper (PR_SET_CHILD_SUBREAPER), and without other children.
void KillDescendants();

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_DEGRADED_CHILD_H_
