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
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child/end_process.h"
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

// Kills and reaps whatever the command has left. Who has no child is alone: every process of the
// pid namespace comes to init when its parent ends.
void EndTheRest() {
  if (waitpid(-1, nullptr, WNOHANG | __WALL) < 0 && errno == ECHILD) return;
  kill(-1, SIGKILL);
  while (waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
  }
}

}  // namespace

StartedProcess StartCommand(const FrozenPlan& plan, mode_t file_mode_mask) {
  // CLONE_VFORK: we sleep until the exec, so the child may use our memory, and no page is copied.
  alignas(16) static char stack[64 << 10];
  ExecArguments arguments = {&plan, file_mode_mask, {}};
  const pid_t pid =
      clone(CommandMain, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &arguments);
  if (pid < 0) return {FailedAt(ChildStage::kFork)};
  return {arguments.step, pid};
}

namespace {

constexpr const char* kInitName = "mini-sandbox";  // sys/clone.cc looks for it
constexpr const char* kInitWord = "--init";

}  // namespace

StartedProcess StartCaller(const Control& control, const CallerAttributes& attributes) {
  // Not fork(3): its handlers have run once, for the copy that this process is of the caller. Not
  // the bare system call either, as the C library has to learn the new process's id.
  const pid_t pid = _Fork();
  if (pid < 0) return {FailedAt(ChildStage::kFork)};
  if (pid > 0) {
    (void)prctl(PR_SET_NAME, kInitName, 0, 0, 0);
    struct sigaction action = {};
    action.sa_handler = SIG_DFL;
    (void)sigaction(SIGCHLD, &action, nullptr);
    return {{}, pid};
  }
  umask(attributes.file_mode_mask);
  // DropPrivileges() has made it 0: this process's own /proc/self would be closed to it.
  if (attributes.is_dumpable) (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  // Nothing of the caller's may run here while some of it still runs outside.
  if (!control.WaitForGo()) EndProcess(1);
  close(control.fd());
  return {{}, 0};
}

void ExecuteInit(int program, pid_t caller, const FrozenPlan& plan) {
  if (program < 0 || fcntl(kInitsControl, F_SETFD, 0) != 0) return;
  char digits[12];
  char* first = digits + sizeof digits - 1;
  *first = '\0';
  for (pid_t left = caller; left > 0; left /= 10) *--first = static_cast<char>('0' + left % 10);
  const char* argv[] = {kInitName, kInitWord, first, plan.scratch_view, nullptr};
  const char* no_environment[] = {nullptr};
  syscall(SYS_execveat, program, "", argv, no_environment, AT_EMPTY_PATH);
  close(program);
  (void)fcntl(kInitsControl, F_SETFD, FD_CLOEXEC);
}

bool IsInitProgram(int argc, const char* const* argv) {
  return argc == 4 && strcmp(argv[1], kInitWord) == 0;
}

void RunInitProgram(const char* const* argv) {
  pid_t caller = 0;
  for (const char* digit = argv[2]; *digit >= '0' && *digit <= '9'; ++digit) {
    caller = caller * 10 + (*digit - '0');
  }
  // The caller's copy, which has this process's user id, does not run before the report.
  if (getpid() != 1 || caller <= 1 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) _exit(1);
  (void)prctl(PR_SET_NAME, kInitName, 0, 0, 0);
  (void)fcntl(kInitsControl, F_SETFD, FD_CLOEXEC);
  const Control control(kInitsControl);
  // This exec has cleared it where the caller's real and effective ids differ (prctl(2)).
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || control.SupervisorIsGone()) _exit(1);
  control.ReportReady();
  close_range(0, 2, 0);
  FrozenPlan plan = {};
  plan.scratch_view = argv[3];
  RunInit(plan, caller, control);
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
      EndTheRest();
      control.ReportExit(wait_status, ScratchError(plan.scratch_view));
      EndProcess(0);
    }
  }
}

}  // namespace mini::child
