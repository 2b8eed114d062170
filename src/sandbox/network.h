// The network of a run whose stack is a process of its own: the supervisor's part.
#ifndef MINI_SANDBOX_SANDBOX_NETWORK_H_
#define MINI_SANDBOX_SANDBOX_NETWORK_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "sandbox/stack_process.h"
#include "supervise/child_process.h"
#include "supervise/debug_log.h"
#include "supervise/outcome.h"
#include "supervise/signals.h"
#include "supervise/supervisor.h"

namespace mini {

// Whom the stack's sentences are for. Outlives the run.
struct StackListener {
  const std::function<void(std::string_view)>& on_notice;
  const std::function<void(std::string_view)>& on_problem;
  // At the end, what the stack refused and what nobody has taken; unset: only the log is told.
  std::function<void(const std::vector<std::string>&)> on_summary = {};
  // Where the first two write to; a sentence waits until poll(2) says that it is taken. -1: never.
  int reader = -1;
};

// The network stage on this side: while the child mounts, its link is configured and handed to the
// stack. Then the command may run. `log` may be null, here and below.
Status ConnectStack(StackProcess& stack, Supervisor& supervisor, const DebugLog* log);

// From the go to the end of everything inside, and of the stack, which has been connected.
Result<Outcome> SuperviseWithStack(StackProcess& stack, const StackListener& listener,
                                   const SupervisorSignals& signals, ChildProcess& child,
                                   Supervisor& supervisor, const DebugLog* log);

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_NETWORK_H_
