// The network stage: a network namespace of the sandbox's own, set up as the plan has it.
#ifndef MINI_SANDBOX_CHILD_NETWORK_H_
#define MINI_SANDBOX_CHILD_NETWORK_H_

#include <sys/types.h>

#include "child/control.h"
#include "child/step.h"
#include "child/temporary_fd.h"
#include "plan/frozen_plan.h"

namespace mini::child {

class NetworkStage {
 public:
  // kTap: this process was cloned into the namespace; the supervisor is sent a TAP device and a
  // netlink socket of it, to configure the link from outside meanwhile. It waits for these, so this
  // comes first.
  static Step SendLink(const FrozenPlan& plan, const Control& control);

  // Needs the host's /dev and /proc: comes before the mounts. Writes the plan's sysctls.
  // kUnconfigured, kLoopback: starts another process, which makes the namespace.
  Step Start(const FrozenPlan& plan, const Control& control);

  // Enters the namespace that the other process made, if it was started. Does not return when that
  // process has failed and told the supervisor why.
  Step Finish(Closing closing);

 private:
  Step StartMaker(const Control& control);
  int AwaitMaker() const;  // its wait status

  bool needs_loopback_ = false;
  pid_t maker_ = -1;   // the other process
  int receiver_ = -1;  // what it sends the namespace to
};

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_NETWORK_H_
