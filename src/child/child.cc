#include "child/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "child/control.h"
#include "child/end_process.h"
#include "child/init.h"
#include "child/mounts.h"
#include "child/network.h"
#include "child/privileges.h"
#include "child/program_file.h"
#include "child/streams.h"
#include "child/temporary_fd.h"
#include "child/terminal.h"

namespace mini::child {
namespace {

// Closes at once: no mount becomes read-only while something on it is open for writing.
bool WriteFile(const char* path, const char* text, size_t size) {
  const UniqueFd file(open(path, O_WRONLY | O_CLOEXEC));
  return file.valid() && write(file.get(), text, size) == static_cast<ssize_t>(size);
}

// One id each, so no privilege is needed (user_namespaces(7)); setgroups has to be denied first.
Step WriteIdMaps(const FrozenPlan& plan) {
  const bool written = WriteFile("/proc/self/setgroups", "deny", 4) &&
                       WriteFile("/proc/self/uid_map", plan.uid_map, plan.uid_map_size) &&
                       WriteFile("/proc/self/gid_map", plan.gid_map, plan.gid_map_size);
  return written ? Done() : FailedAt(ChildStage::kIdMaps);
}

// Nothing of the caller stays open but stdin, stdout and stderr, the control socket as 3 and, if
// there is one, `program` as 4; -1 when it cannot be kept.
Step CloseDescriptors(Control& control, int& program) {
  constexpr int kProgram = kInitsControl + 1;
  const int kept = program < 0 ? -1 : fcntl(program, F_DUPFD_CLOEXEC, kProgram + 1);
  if (control.fd() != kInitsControl) {
    if (dup3(control.fd(), kInitsControl, O_CLOEXEC) < 0) return FailedAt(ChildStage::kStart);
    control.MoveTo(kInitsControl);
  }
  program = kept < 0 ? -1 : dup3(kept, kProgram, O_CLOEXEC);
  const unsigned first = program < 0 ? kProgram : kProgram + 1;
  if (close_range(first, ~0u, 0) != 0) return FailedAt(ChildStage::kStart);
  return Done();
}

Step CloseDescriptors(Control& control) {
  int none = -1;
  return CloseDescriptors(control, none);
}

// The caller keeps its own descriptors, so that of ours nothing may stay.
void CloseSlots(const FrozenPlan& plan) {
  for (size_t i = 0; i < plan.slot_count; ++i) {
    if (plan.slots[i] >= 0) close(plan.slots[i]);
  }
}

// Every slot is a descriptor, and a plan may have more binds than the usual soft limit allows. The
// command gets the limit back that the caller had.
class DescriptorLimit {
 public:
  DescriptorLimit() {
    if (getrlimit(RLIMIT_NOFILE, &original_) != 0) return;
    if (original_.rlim_cur == original_.rlim_max) return;
    const rlimit raised = {original_.rlim_max, original_.rlim_max};
    restore_ = setrlimit(RLIMIT_NOFILE, &raised) == 0;
  }
  // Beside the slots there is room for all that is left open for a while, and more.
  bool IsAmpleFor(size_t slots) const {
    return slots + 2 * TemporaryFd::kMostLeftOpen <= original_.rlim_max;
  }
  void Restore() const {
    if (restore_) setrlimit(RLIMIT_NOFILE, &original_);
  }

 private:
  rlimit original_ = {};
  bool restore_ = false;
};

#define MINI_STEP(expression)              \
  do {                                     \
    const Step mini_step = (expression);   \
    if (!mini_step.ok()) return mini_step; \
  } while (false)

// The stages from clone to a running command, in docs/architecture.md's order.
Step SetUp(const ChildArguments& arguments, Control& control, StartedProcess& started) {
  const FrozenPlan& plan = *arguments.plan;
  const Payload payload = arguments.payload;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return FailedAt(ChildStage::kStart);
  // It may have died before the line above; its end of the socket tells.
  if (control.SupervisorIsGone()) EndProcess(1);
  MINI_STEP(NetworkStage::SendLink(plan, control));
  const mode_t file_mode_mask = umask(0);
  const bool is_dumpable = payload == Payload::kCaller && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1;
  // Not only for the command: a terminal's signal that is pending here would swallow the same one
  // from the supervisor (signal(7): standard signals do not queue).
  const bool has_terminal = plan.session == FrozenSession::kOwnWithTerminal;
  if (plan.session != FrozenSession::kCallers && setsid() < 0) return FailedAt(ChildStage::kStart);
  MINI_STEP(WriteIdMaps(plan));
  if (plan.host_name && sethostname(plan.host_name, plan.host_name_size) != 0) {
    return FailedAt(ChildStage::kHostName);
  }
  NetworkStage network;
  MINI_STEP(network.Start(plan, control));
  StandardStreams streams = arguments.streams ? *arguments.streams : LookAtStandardStreams();
  if (!has_terminal) MINI_STEP(ProtectStreams(streams));
  const DescriptorLimit limit;
  const bool leaves_open = payload == Payload::kCommand && limit.IsAmpleFor(plan.slot_count);
  const Closing closing = leaves_open ? Closing::kTogether : Closing::kSingly;
  ProgramFile program;
  if (payload == Payload::kCaller) MINI_STEP(program.Open());
  MINI_STEP(ApplyMounts(plan, control, closing));
  if (chdir(plan.working_directory) != 0) return FailedAt(ChildStage::kWorkingDirectory);
  if (has_terminal) {
    MINI_STEP(SetUpTerminal(control));
    streams = LookAtStandardStreams();
  }
  MINI_STEP(network.Finish(closing));
  // A caller keeps its descriptors, whatever they lead to.
  const bool guarded = payload == Payload::kCaller || LeaveInputOnItsMount(streams);
  const Truncation truncation = guarded ? Truncation::kGuarded : Truncation::kLeftToMounts;
  // The limit stays raised while files are opened and the slots are still there.
  if (payload == Payload::kCaller) {
    MINI_STEP(program.Replace());
    MINI_STEP(DropPrivileges(plan, streams, truncation, closing));
    CloseSlots(plan);
    limit.Restore();
    started = StartCaller(control, {file_mode_mask, is_dumpable});
    return started.step;
  }
  MINI_STEP(DropPrivileges(plan, streams, truncation, closing));
  MINI_STEP(CloseDescriptors(control));
  limit.Restore();
  // Not before: the stack's process and this one prepare themselves at the same time.
  if (plan.network == FrozenNetwork::kTap && !control.WaitForGo()) EndProcess(1);
  started = StartCommand(plan, file_mode_mask);
  if (started.step.ok() && plan.may_map_root) return DropLastCapability();
  return started.step;
}

#undef MINI_STEP

}  // namespace

void RunChild(const ChildArguments& arguments) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  close(arguments.parent_control);
  Control control(arguments.control);
  StartedProcess started;
  const Step step = SetUp(arguments, control, started);
  if (!step.ok()) {
    control.ReportFailure(step);
    EndProcess(1);
  }
  if (arguments.payload == Payload::kCaller) {
    if (started.pid == 0) return;
    int program = arguments.init_program;
    const Step closed = CloseDescriptors(control, program);
    if (!closed.ok()) {
      control.ReportFailure(closed);
      EndProcess(1);
    }
    ExecuteInit(program, started.pid, *arguments.plan);
    control.ReportReady();
  } else if (arguments.reports_start) {
    control.ReportReady();
  }
  // The command owns the standard streams now; init would keep a pipe's reader waiting. The
  // command's own terminal stays open until the end, so that it is not hung up before.
  close_range(arguments.plan->session == FrozenSession::kOwnWithTerminal ? 1 : 0, 2, 0);
  RunInit(*arguments.plan, started.pid, control);
}

}  // namespace mini::child
