// Theory of operation
//
// This program stands where the caller stood: the same process id, the same parent, who sees one
// process that begins and ends. Of the caller it inherits descriptors, which it closes at once, so
// that a pipe ends when the process inside closes it; signal actions, which it resets; pending
// signals and the working directory. Every signal that comes from outside is passed on.
#include "sandbox/take_over.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "plan/plan.h"
#include "sandbox/network.h"
#include "sandbox/stack_process.h"
#include "supervise/child_process.h"
#include "supervise/debug_log.h"
#include "supervise/outcome.h"
#include "supervise/signals.h"
#include "supervise/supervisor.h"
#include "sys/close_descriptors.h"
#include "sys/scratch_directory.h"

namespace mini {
namespace {

void LeaveCaller(Handover handover) {
  (void)prctl(PR_SET_NAME, "mini-supervisor", 0, 0, 0);
  std::vector<int> kept;
  for (const int* descriptor : handover.Descriptors()) {
    (void)fcntl(*descriptor, F_SETFD, FD_CLOEXEC);
    kept.push_back(*descriptor);
  }
  // Where there is no /dev/null the streams are closed: nothing is opened here afterwards.
  if (!KeepOnlyDescriptors({STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}, kept)) {
    (void)KeepOnlyDescriptors({}, std::move(kept));
  }
  // exec(2) leaves ignored what was ignored: such a signal would not come here to be passed on, and
  // of ended children nobody would learn.
  for (int signal = 1; signal <= SIGRTMAX; ++signal) (void)::signal(signal, SIG_DFL);
  // The caller's may be on a file system that somebody wants to unmount.
  [[maybe_unused]] const int changed = chdir("/");
}

std::optional<ScratchDirectory> ScratchOf(const Handover& handover) {
  if (!handover.scratch) return std::nullopt;
  const ScratchHandover& scratch = *handover.scratch;
  return ScratchDirectory::Adopt(scratch.path, scratch.name,
                                 {scratch.parent, scratch.directory, scratch.cleaner_socket},
                                 scratch.cleaner);
}

std::unique_ptr<StackProcess> StackOf(const Handover& handover) {
  if (!handover.stack) return nullptr;
  const StackHandover& stack = *handover.stack;
  return StackProcess::Adopt(stack.pid, UniqueFd(stack.pidfd), UniqueFd(stack.channel));
}

Result<Outcome> RunSandbox(StackProcess* stack, const std::function<void(std::string_view)>& tell,
                           const SupervisorSignals& signals, ChildProcess& child,
                           Supervisor& supervisor, const DebugLog* log) {
  if (stack != nullptr) {
    const StackListener listener = {
        .on_notice = tell, .on_problem = tell, .reader = log ? log->descriptor() : -1};
    return SuperviseWithStack(*stack, listener, signals, child, supervisor, log);
  }
  MINI_RETURN_IF_ERROR(child.SendGo());
  return supervisor.Run(signals);
}

Result<Outcome> Supervise(const Handover& handover, const DebugLog* log) {
  const SupervisorSignals signals(JobControl::kShared, Forwarded::kAll);
  std::optional<ScratchDirectory> scratch = ScratchOf(handover);
  ChildProcess child((UniqueFd(handover.pidfd)), UniqueFd(handover.control));
  const std::function<void(std::string_view)> tell = [log](std::string_view sentence) {
    if (log) log->Write("notice", sentence);
  };
  const std::unique_ptr<StackProcess> stack = StackOf(handover);
  // Of a plan the supervisor needs what lies ahead: here no time limit, no terminal.
  Plan plan;
  if (scratch) plan.scratch_directory = handover.scratch->path;
  Supervisor supervisor(plan, child, tell);
  supervisor.WriteTo(log);
  Result<Outcome> outcome = RunSandbox(stack.get(), tell, signals, child, supervisor, log);
  if (scratch && outcome.ok()) {
    if (const Status removed = scratch->Remove(); !removed.ok()) tell(removed.ToString());
  }
  return outcome;
}

}  // namespace

void TakeOver(const Handover& handover) {
  LeaveCaller(handover);
  std::optional<DebugLog> log;
  if (handover.log >= 0) {
    log.emplace(DebugLog::Resume(UniqueFd(handover.log), handover.log_begun));
  }
  const Result<Outcome> outcome = Supervise(handover, log ? &*log : nullptr);
  if (log) {
    log->Write("outcome", outcome.ok() ? StrCat("exit code ", ExitCodeFor(*outcome))
                                       : outcome.status().ToString());
  }
  if (!outcome.ok()) _exit(ExitCodeFor(outcome.status()));
  EndAs(outcome->wait_status);
}

}  // namespace mini
