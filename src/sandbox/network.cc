#include "sandbox/network.h"

#include <utility>

#include "base/strings.h"
#include "supervise/notice_queue.h"
#include "sys/tap.h"

namespace mini {
namespace {

// What the stack has said, to whoever tells the user.
void HandOn(StackProcess& stack, const StackListener& listener, NoticeQueue& notices) {
  for (StackNotice& notice : stack.TakeNotices()) {
    notices.Add(notice.is_problem ? listener.on_problem : listener.on_notice,
                std::move(notice.sentence));
  }
}

// At the end: what its reader has not taken comes before what was refused.
void TellSummary(const StackProcess& stack, const StackListener& listener, NoticeQueue& notices,
                 const DebugLog* log) {
  notices.CountLost(stack.lost_notices());
  std::vector<std::string> lines = notices.TakeRest();
  if (log) {
    for (const std::string& line : lines) log->Write("notice", line);
  }
  if (!listener.on_summary) return;
  lines.insert(lines.end(), stack.summary().begin(), stack.summary().end());
  listener.on_summary(lines);
}

}  // namespace

Status ConnectStack(StackProcess& stack, Supervisor& supervisor, const DebugLog* log) {
  MINI_ASSIGN_OR_RETURN(ReceivedReport received, supervisor.WaitForDescriptors());
  MINI_ASSIGN_OR_RETURN(Tap tap, ConfigureTap(std::move(received.descriptors[0]),
                                              std::move(received.descriptors[1]), TapOptions()));
  MINI_ASSIGN_OR_RETURN(const ServingStack serving, stack.Serve(std::move(tap)));
  if (log) {
    log->Write("stack", StrCat("process ", serving.pid, ", ", serving.confinement.ToString()));
  }
  return OkStatus();
}

Result<Outcome> SuperviseWithStack(StackProcess& stack, const StackListener& listener,
                                   const SupervisorSignals& signals, ChildProcess& child,
                                   Supervisor& supervisor, const DebugLog* log) {
  NoticeQueue notices(listener.reader);
  const auto hand_on = [&] { HandOn(stack, listener, notices); };
  const auto read = [&] {
    (void)stack.ReadMessages();
    hand_on();
  };
  hand_on();  // the ports that were published, before the command runs
  MINI_RETURN_IF_ERROR(child.SendGo());
  supervisor.WatchStack(
      {stack.pidfd(), stack.channel(), read, &notices, [&stack] { stack.BeginEnd(); }});
  Result<Outcome> outcome = supervisor.Run(signals);
  const Status ended = supervisor.stack_failed() ? stack.TakeFailure() : stack.Finish();
  hand_on();
  TellSummary(stack, listener, notices, log);
  // A log that lacks its end is no log.
  if (!ended.ok() && (outcome.ok() || supervisor.stack_failed())) return ended;
  return outcome;
}

}  // namespace mini
