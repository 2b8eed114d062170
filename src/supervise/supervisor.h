// Waits for the command: signals, the time limit, the sandbox's end.
#ifndef MINI_SANDBOX_SUPERVISE_SUPERVISOR_H_
#define MINI_SANDBOX_SUPERVISE_SUPERVISOR_H_

#include <functional>
#include <string_view>

#include "base/status.h"
#include "plan/plan.h"
#include "supervise/child_process.h"
#include "supervise/debug_log.h"
#include "supervise/outcome.h"
#include "supervise/signals.h"

namespace mini {

class Supervisor {
 public:
  // `on_notice` is for sentences that the user should see; called on the calling thread.
  Supervisor(const Plan& plan, ChildProcess& child,
             std::function<void(std::string_view)> on_notice);

  // What is reported and signalled is written there as well; null: nowhere.
  void WriteTo(const DebugLog* log) { log_ = log; }

  // The TAP and the netlink socket that the child opened; an error when it failed before that.
  Result<ReceivedReport> WaitForDescriptors();

  // `failure_descriptor` becomes readable when the network stack fails: Run() then ends.
  void WatchStack(int failure_descriptor) { stack_failure_ = failure_descriptor; }
  bool stack_failed() const { return stack_failed_; }

  // Returns when no process of the sandbox is left. An error: the command never ran, or cannot go
  // on, and the caller drops the ChildProcess, which ends it.
  Result<Outcome> Run(const SupervisorSignals& signals);

 private:
  // The child's next message, which the debug log is told.
  Result<std::optional<ReceivedReport>> NextReport();
  Status ReadReport();
  // Sends a signal to init, which passes it on.
  void Signal(int signal);
  void StopWithCommand();
  void PassSignalsOn(int signal_descriptor);
  // -i: SIGTERM, and SIGKILL after the delay; a second one kills at once.
  void Interrupt();
  // Sends SIGTERM, and SIGKILL when the delay is over.
  void EndCommand();
  // Sends what is due and returns the poll(2) timeout until the next deadline.
  int EnforceDeadlines();

  const Plan& plan_;
  ChildProcess& child_;
  std::function<void(std::string_view)> on_notice_;
  const DebugLog* log_ = nullptr;
  int stack_failure_ = -1;
  bool stack_failed_ = false;
  std::optional<std::chrono::steady_clock::time_point> time_limit_at_;
  std::optional<std::chrono::steady_clock::time_point> kill_at_;
  std::optional<std::chrono::steady_clock::time_point> interrupted_at_;
  bool control_open_ = true;
  bool command_stopped_ = false;
  std::optional<int> command_status_;
  bool timed_out_ = false;
  bool killed_ = false;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SUPERVISE_SUPERVISOR_H_
