// Theory of operation
//
// Init blocks every signal and takes them one by one with sigwaitinfo(2), so it needs no handler
// and cannot be ended by one (a terminal's SIGINT reaches the whole foreground group, init
// included). A signal is passed on to the command only when it came from outside this pid
// namespace, where the sender shows as 0: that is the supervisor. Signals the kernel makes for the
// terminal reach the command by themselves, unless it has a session of its own: then the supervisor
// passes those on as well, and they are for the command's process group.
//
// With a terminal of the command's own, init is the leader of its session and the command's group
// one that is not orphaned, so that the kernel stops it on Ctrl-Z (it would not stop a lone session
// leader). A shell does its own job control below that.
//
// When the command ends, the sandbox ends: whatever it left running is killed and reaped first, so
// that the supervisor, once it knows the status, also knows that nothing inside still writes.
#include "child/init.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child/terminal.h"

namespace mini::child {
namespace {

struct ExecArguments {
  const FrozenPlan* plan;
  mode_t file_mode_mask;
  Step step;  // written by the child, which shares our memory until it has executed
};

}  // namespace

int ExecuteFirstCandidate(const FrozenPlan& plan) {
  int error = ENOENT;
  for (size_t i = 0; i < plan.candidate_count; ++i) {
    execve(plan.candidates[i], plan.argv, plan.envp);
    if (errno == ENOEXEC) {
      plan.shell_argv[1] = plan.candidates[i];
      execve(plan.shell_argv[0], plan.shell_argv, plan.envp);
    }
    switch (errno) {
      case ENOENT:
      case ENOTDIR:
      case ESTALE:
      case ENODEV:
      case ETIMEDOUT:
        continue;  // not here; perhaps in the next directory
      case EACCES:
        // Remembered, as a later directory may have one that runs. Not when it is a directory of
        // PATH that may not be searched: that is "not found" to a shell.
        if (strchr(plan.argv[0], '/') || access(plan.candidates[i], F_OK) == 0) error = EACCES;
        continue;
      default:
        return errno;
    }
  }
  return error;
}

namespace {

// A Ctrl-Z that comes before the exec would stop this process while init sleeps until that very
// exec, and nobody could tell of it. It is lost instead: exec undoes handlers.
void OutliveCtrlZ() {
  struct sigaction action = {};
  if (sigaction(SIGTSTP, nullptr, &action) != 0 || action.sa_handler == SIG_IGN) return;
  action = {};
  action.sa_handler = [](int) {};
  (void)sigaction(SIGTSTP, &action, nullptr);
}

int CommandMain(void* opaque) {
  auto* arguments = static_cast<ExecArguments*>(opaque);
  umask(arguments->file_mode_mask);
  // A group of its own in the session that init leads: one whose parent is of another group of the
  // same session is not orphaned, so that SIGTSTP stops it (setpgid(2)).
  switch (arguments->plan->session) {
    case FrozenSession::kCallers:
      break;
    case FrozenSession::kOwn:
      (void)setpgid(0, 0);
      break;
    case FrozenSession::kOwnWithTerminal:
      OutliveCtrlZ();
      arguments->step = PutInForeground(getpid());
      break;
  }
  if (!arguments->step.ok()) _exit(127);
  sigprocmask(SIG_SETMASK, &arguments->plan->command_signal_mask, nullptr);
  arguments->step = {ChildStage::kExec, 0, ExecuteFirstCandidate(*arguments->plan)};
  _exit(127);
}

void PassOn(const FrozenPlan& plan, pid_t command, int signal) {
  const bool for_group =
      plan.session == FrozenSession::kOwn &&
      (signal == SIGTSTP || signal == SIGCONT || signal == SIGQUIT || signal == SIGWINCH);
  kill(for_group ? -command : command, signal);
}

// As the leader of its terminal's session this process stands in for a shell: it continues the
// whole job, in the foreground, and it alone hears of a hang-up.
void PassOnInSession(pid_t command, const siginfo_t& info, bool from_outside, bool is_stopped) {
  const auto signal_job = [command](int signal) {
    if (kill(-command, signal) != 0) kill(command, signal);  // it may have left its group
  };
  if (from_outside && info.si_signo == SIGCONT) {
    if (is_stopped) (void)PutInForeground(command);
    signal_job(SIGCONT);
  } else if (from_outside) {
    kill(command, info.si_signo);
  } else if (info.si_signo == SIGHUP && info.si_code == SI_KERNEL) {
    signal_job(SIGHUP);
    signal_job(SIGCONT);
  }
}

// ENOSPC when nothing more can be written where the scratch file system shows. Everybody who could
// still change that is dead.
int ScratchError(const char* path) {
  struct statfs status;
  if (*path == '\0' || statfs(path, &status) != 0) return 0;
  // One without a limit says 0 of 0.
  const bool is_full = (status.f_blocks != 0 && status.f_bavail == 0) ||
                       (status.f_files != 0 && status.f_ffree == 0);
  return is_full ? ENOSPC : 0;
}

}  // namespace

StartedCommand StartCommand(const FrozenPlan& plan, mode_t file_mode_mask) {
  // CLONE_VFORK: we sleep until the exec, so the child may use our memory, and no page is copied.
  alignas(16) static char stack[64 << 10];
  ExecArguments arguments = {&plan, file_mode_mask, {}};
  const pid_t pid =
      clone(CommandMain, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &arguments);
  if (pid < 0) return {FailedAt(ChildStage::kFork)};
  return {arguments.step, pid};
}

void RunInit(const FrozenPlan& plan, pid_t command, const Control& control) {
  sigset_t all;
  sigfillset(&all);
  bool is_stopped = false;
  bool supervisor_stops = false;  // it has passed on a SIGTSTP and not yet a SIGCONT
  for (;;) {
    siginfo_t info = {};
    const int signal = sigwaitinfo(&all, &info);
    if (signal < 0) continue;  // EINTR: stopped and continued
    if (signal != SIGCHLD) {
      const bool from_outside = info.si_code <= 0 && info.si_pid == 0;
      if (plan.session == FrozenSession::kOwnWithTerminal) {
        PassOnInSession(command, info, from_outside, is_stopped);
      } else if (from_outside) {
        PassOn(plan, command, signal);
        if (signal == SIGTSTP) supervisor_stops = true;
        if (signal == SIGCONT) supervisor_stops = false;
      }
      continue;
    }
    int wait_status = 0;
    pid_t reaped;
    while ((reaped = waitpid(-1, &wait_status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
      if (reaped != command) continue;
      is_stopped = WIFSTOPPED(wait_status);
      if (is_stopped && !supervisor_stops) control.ReportStop();
      if (is_stopped || WIFCONTINUED(wait_status)) continue;
      kill(-1, SIGKILL);
      while (waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
      }
      control.ReportExit(wait_status, ScratchError(plan.scratch_view));
      _exit(0);
    }
  }
}

}  // namespace mini::child
