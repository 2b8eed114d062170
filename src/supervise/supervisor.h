// Waits for the command: signals, the time limit, the sandbox's end.
#ifndef MINI_SANDBOX_SUPERVISE_SUPERVISOR_H_
#define MINI_SANDBOX_SUPERVISE_SUPERVISOR_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "plan/plan.h"
#include "supervise/child_process.h"
#include "supervise/debug_log.h"
#include "supervise/notice_queue.h"
#include "supervise/outcome.h"
#include "supervise/signals.h"
#include "supervise/terminal.h"

namespace mini {

class Supervisor {
 public:
  using Tell = std::function<void(std::string_view)>;

  // `on_notice` is for sentences that the user should see, `on_problem` for those about what failed
  // without ending the run (unset: the same); called on the calling thread.
  Supervisor(const Plan& plan, ChildProcess& child, Tell on_notice, Tell on_problem = {});

  // What is reported and signalled is written there as well; null: nowhere.
  void WriteTo(const DebugLog* log) { log_ = log; }

  // Called when the command has been executed, by a child that reports it; without this such a
  // report is an error.
  void OnStart(std::function<void()> on_start) { on_start_ = std::move(on_start); }

  // The TAP and the netlink socket that the child opened; an error when it failed before that.
  Result<ReceivedReport> WaitForDescriptors();
  // Until the copy of the caller waits for its go (child::Payload::kCaller).
  Status WaitUntilReady();

  // When the network stack's process ends, Run() ends. It is continued when this process is: it may
  // have been stopped as a part of the same job. `read` is called when there is something to read
  // from `channel`; what it adds to the queue is told as soon as it is taken.
  struct WatchedStack {
    int pidfd = -1;
    int channel = -1;
    std::function<void()> read = {};
    NoticeQueue* notices = nullptr;
    // Called when nothing inside writes any more. From then on the stack may end, and what it says
    // is the caller's to read: it ends while init does.
    std::function<void()> begin_end = {};
  };
  void WatchStack(WatchedStack stack) { stack_ = std::move(stack); }
  bool stack_failed() const { return stack_failed_; }

  // Returns when no process of the sandbox is left. An error: the command never ran, or cannot go
  // on, and the caller drops the ChildProcess, which ends it.
  Result<Outcome> Run(const SupervisorSignals& signals);

 private:
  // The child's next message, which the debug log is told.
  Result<std::optional<ReceivedReport>> NextReport();
  Result<ReceivedReport> WaitFor(child::ReportKind kind);
  Status ReadReport();
  Status ActOn(ReceivedReport& received);
  void ReportDegraded(const child::Report& report);
  // Sends a signal to init, which passes it on.
  void Signal(int signal);
  void StopWithCommand();
  // With a terminal of the command's own. True: the signal is not for the command.
  bool TakeTerminalSignal(int signal, bool from_kernel);
  void ActOnTerminal(std::span<const pollfd, Relay::kPolled> polled);
  void ActOnStack(short channel_events, short reader_events);
  void LetStackEnd();
  // Everything the command wrote has gone where it can.
  bool IsDelivered() const;
  Result<Outcome> RunUntilEnd(int signal_descriptor);
  void PassSignalsOn(int signal_descriptor);
  // -i: SIGTERM, and SIGKILL after the delay; a second one kills at once.
  void Interrupt();
  // Sends SIGTERM, and SIGKILL when the delay is over.
  void EndCommand();
  // Sends what is due and returns the poll(2) timeout until the next deadline.
  int EnforceDeadline();
  void EndAtTimeLimit();

  const Plan& plan_;
  ChildProcess& child_;
  Tell on_notice_;
  Tell on_problem_;
  std::function<void()> on_start_;
  const DebugLog* log_ = nullptr;
  WatchedStack stack_;
  bool stack_failed_ = false;
  // What happens at the deadline: the command is told to end, it is killed, its output is given up.
  enum class Due { kTimeLimit, kKill, kGiveUp } due_ = Due::kTimeLimit;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  std::optional<std::chrono::steady_clock::time_point> interrupted_at_;
  bool control_open_ = true;
  bool command_stopped_ = false;
  // plan_.terminal, once the child has made it. Not in place: its buffers are pages that no other
  // run should touch.
  std::unique_ptr<Terminal> terminal_;
  bool ended_ = false;  // no process of the sandbox is left, but init perhaps, which ends
  bool delivery_given_up_ = false;
  // Notices for when the user's terminal is in order again, and need not be waited for.
  struct Said {
    const Tell& tell;
    std::string sentence;
  };
  std::vector<Said> said_later_;
  std::optional<int> command_status_;
  std::string degraded_directory_;  // in which the last one of kDegraded lies
  bool timed_out_ = false;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SUPERVISE_SUPERVISOR_H_
