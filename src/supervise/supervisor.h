// Waits for the command: signals, the time limit, the sandbox's end.
#ifndef MINI_SANDBOX_SUPERVISE_SUPERVISOR_H_
#define MINI_SANDBOX_SUPERVISE_SUPERVISOR_H_

#include <functional>
#include <string_view>

#include "base/status.h"
#include "plan/plan.h"
#include "supervise/child_process.h"
#include "supervise/outcome.h"
#include "supervise/signals.h"

namespace mini {

struct SupervisorOptions {
  // Readable when the network stack has failed: the sandbox is then ended at once. -1: none.
  int stack_failure = -1;
  // For sentences that the user should see; called on the calling thread.
  std::function<void(std::string_view)> on_notice;
};

class Supervisor {
 public:
  Supervisor(const Plan& plan, ChildProcess& child, SupervisorOptions options);

  // The TAP and the netlink socket that the child opened; an error when it failed before that.
  Result<ReceivedReport> WaitForDescriptors();

  // Returns when no process of the sandbox is left. An error: the command never ran, or the stack
  // failed (StatusCode::kSystem, Stage::kNetwork).
  Result<Outcome> Run(const SupervisorSignals& signals);

 private:
  Status ReadReports();
  void PassSignalsOn(int signal_descriptor);
  // Sends what is due and returns the poll(2) timeout until the next deadline.
  int EnforceTimeLimit();

  const Plan& plan_;
  ChildProcess& child_;
  SupervisorOptions options_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  bool control_open_ = true;
  std::optional<int> command_status_;
  bool timed_out_ = false;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SUPERVISE_SUPERVISOR_H_
