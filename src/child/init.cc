// Theory of operation
//
// Init blocks every signal and takes them one by one with sigwaitinfo(2), so it needs no handler
// and cannot be ended by one (a terminal's SIGINT reaches the whole foreground group, init
// included). A signal is passed on to the command only when it came from outside this pid
// namespace, where the sender shows as 0: that is the supervisor. Signals the kernel makes for the
// terminal reach the command by themselves, unless it has a session of its own: then the supervisor
// passes those on as well, and they are for the command's process group.
//
// When the command ends, the sandbox ends: whatever it left running is killed and reaped first, so
// that the supervisor, once it knows the status, also knows that nothing inside still writes.
#include "child/init.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace mini::child {
namespace {

struct ExecArguments {
  const FrozenPlan* plan;
  mode_t file_mode_mask;
  int error;  // written by the child, which shares our memory until it has executed
};

// execvp(3) over candidates that were listed beforehand. Returns only on failure.
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

int CommandMain(void* opaque) {
  auto* arguments = static_cast<ExecArguments*>(opaque);
  umask(arguments->file_mode_mask);
  // Within the session that init leads: a group whose parent is of another group of the same
  // session is not orphaned, so that SIGTSTP stops it (setpgid(2)).
  if (arguments->plan->own_session) (void)setpgid(0, 0);
  sigprocmask(SIG_SETMASK, &arguments->plan->command_signal_mask, nullptr);
  arguments->error = ExecuteFirstCandidate(*arguments->plan);
  _exit(127);
}

void PassOn(const FrozenPlan& plan, pid_t command, int signal) {
  const bool for_group = plan.own_session && (signal == SIGTSTP || signal == SIGCONT ||
                                              signal == SIGQUIT || signal == SIGWINCH);
  kill(for_group ? -command : command, signal);
}

}  // namespace

StartedCommand StartCommand(const FrozenPlan& plan, mode_t file_mode_mask) {
  // CLONE_VFORK: we sleep until the exec, so the child may use our memory, and no page is copied.
  alignas(16) static char stack[64 << 10];
  ExecArguments arguments = {&plan, file_mode_mask, 0};
  const pid_t pid =
      clone(CommandMain, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &arguments);
  if (pid < 0) return {FailedAt(ChildStage::kFork)};
  if (arguments.error != 0) return {{ChildStage::kExec, 0, arguments.error}};
  return {Done(), pid};
}

void RunInit(const FrozenPlan& plan, pid_t command, const Control& control) {
  sigset_t all;
  sigfillset(&all);
  bool supervisor_stops = false;  // it has passed on a SIGTSTP and not yet a SIGCONT
  for (;;) {
    siginfo_t info = {};
    const int signal = sigwaitinfo(&all, &info);
    if (signal < 0) continue;  // EINTR: stopped and continued
    if (signal != SIGCHLD) {
      if (info.si_code > 0 || info.si_pid != 0) continue;
      PassOn(plan, command, signal);
      if (signal == SIGTSTP) supervisor_stops = true;
      if (signal == SIGCONT) supervisor_stops = false;
      continue;
    }
    int wait_status = 0;
    pid_t reaped;
    while ((reaped = waitpid(-1, &wait_status, WNOHANG | WUNTRACED)) > 0) {
      if (reaped != command) continue;
      if (WIFSTOPPED(wait_status)) {
        if (!supervisor_stops) control.ReportStop();
        continue;
      }
      kill(-1, SIGKILL);
      while (waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
      }
      control.ReportExit(wait_status);
      _exit(0);
    }
  }
}

}  // namespace mini::child
