#include "supervise/signals.h"

#include <sys/signalfd.h>

#include <cerrno>

namespace mini {
namespace {

// Not SIGTSTP and SIGTTIN while the command is of our session: the terminal stops the whole
// foreground group, supervisor and command alike, which is what a shell's job control expects.
// SIGCONT continues this process whether it is blocked or not (signal(7)); taking it tells that it
// came.
sigset_t PassedOn(SupervisorSignals::CommandSession session) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT}) {
    sigaddset(&set, signal);
  }
  if (session == SupervisorSignals::CommandSession::kOwn) {
    sigaddset(&set, SIGTSTP);
    sigaddset(&set, SIGWINCH);
  }
  return set;
}

}  // namespace

SupervisorSignals::SupervisorSignals(CommandSession session) : session_(session) {
  sigset_t blocked = PassedOn(session_);
  sigaddset(&blocked, SIGPIPE);
  // The command may take the terminal's foreground; our messages must not stop us then (a writer
  // that blocks SIGTTOU is let through: tty_check_change() in drivers/tty/tty_jobctrl.c).
  sigaddset(&blocked, SIGTTOU);
  pthread_sigmask(SIG_BLOCK, &blocked, &original_);
}

SupervisorSignals::~SupervisorSignals() { pthread_sigmask(SIG_SETMASK, &original_, nullptr); }

Result<UniqueFd> SupervisorSignals::OpenDescriptor() const {
  const sigset_t set = PassedOn(session_);
  UniqueFd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return SystemError(Stage::kSupervise, errno, "open a signal descriptor");
  return fd;
}

}  // namespace mini
