// Everything that runs between clone and exec, and init afterwards.
//
// The child runs on a copy of a process whose other threads do not exist here, so nothing in this
// room allocates, locks, throws or logs: system calls on frozen data, and a report when one fails.
#ifndef MINI_SANDBOX_CHILD_CHILD_H_
#define MINI_SANDBOX_CHILD_CHILD_H_

#include "child/streams.h"
#include "plan/frozen_plan.h"

namespace mini::child {

// What runs in the sandbox.
enum class Payload : uint8_t {
  kCommand,  // the plan's, by exec
  kCaller,   // the program that has made this copy of itself (mini_sandbox_start())
};

struct ChildArguments {
  const FrozenPlan* plan;
  int control;         // the child's end of the control socket
  int parent_control;  // the supervisor's end, which the child has to close
  Payload payload = Payload::kCommand;
  // As they are now; null: they may have changed, and have to be looked at.
  const StandardStreams* streams = nullptr;
  int init_program = -1;       // for ExecuteInit() in init.h; -1: none
  bool reports_start = false;  // kReady once the command has been executed
};

// The first process of new user, mount, pid, ipc, uts and cgroup namespaces, and of a new network
// namespace unless the plan shares the host's. Returns in one case only: with Payload::kCaller, in
// the process that goes on as the caller. There all signals are still blocked, and every descriptor
// is what it was but for the two of `arguments`, which are closed.
void RunChild(const ChildArguments& arguments);

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_CHILD_H_
