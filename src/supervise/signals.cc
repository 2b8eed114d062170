#include "supervise/signals.h"

#include <sys/signalfd.h>

#include <cerrno>
#include <cstring>

#include "base/strings.h"

namespace mini {
namespace {

// Where job control is shared, not SIGTSTP and SIGTTIN: the terminal stops the whole foreground
// group, supervisor and command alike, which is what a shell's job control expects. SIGCONT
// continues this process whether it is blocked or not (signal(7)); taking it tells that it came.
sigset_t Taken(JobControl job_control, Forwarded forwarded) {
  sigset_t set;
  if (forwarded == Forwarded::kAll) {
    sigfillset(&set);
    for (const int signal : {SIGCHLD, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU}) sigdelset(&set, signal);
    return set;
  }
  sigemptyset(&set);
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT}) {
    sigaddset(&set, signal);
  }
  if (job_control == JobControl::kRelayed) {
    sigaddset(&set, SIGTSTP);
    sigaddset(&set, SIGWINCH);
  }
  return set;
}

}  // namespace

std::string SignalName(int signal) {
  const char* name = sigabbrev_np(signal);  // null: a real-time signal
  return name ? StrCat("SIG", name) : StrCat("signal ", signal);
}

SupervisorSignals::SupervisorSignals(JobControl job_control, Forwarded forwarded)
    : taken_(Taken(job_control, forwarded)) {
  sigset_t blocked = taken_;
  sigaddset(&blocked, SIGPIPE);
  // The command may take the terminal's foreground; our messages must not stop us then (a writer
  // that blocks SIGTTOU is let through: tty_check_change() in drivers/tty/tty_jobctrl.c).
  sigaddset(&blocked, SIGTTOU);
  // Sent by ourselves, when the terminal can be left (StopJob() in terminal.cc).
  if (job_control == JobControl::kRelayed) sigaddset(&blocked, SIGTTIN);
  pthread_sigmask(SIG_BLOCK, &blocked, &original_);
}

SupervisorSignals::~SupervisorSignals() {
  // From a write that nobody reads any more. It is dealt with, and the exit code is to be told.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  const timespec none = {};
  (void)sigtimedwait(&pipe, nullptr, &none);
  pthread_sigmask(SIG_SETMASK, &original_, nullptr);
}

Result<UniqueFd> SupervisorSignals::OpenDescriptor() const {
  UniqueFd fd(signalfd(-1, &taken_, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return SystemError(Stage::kSupervise, errno, "open a signal descriptor");
  return fd;
}

}  // namespace mini
