#include "child/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace mini::child {
namespace {

// Who types finds the keys as they are outside; who only reads finds lines as wide. Without any
// terminal the kernel's defaults stand, with a size of 0 by 0: unknown.
bool CopySettings(int terminal) {
  for (int stream = 0; stream <= 2; ++stream) {
    termios settings;
    winsize size;
    if (tcgetattr(stream, &settings) != 0) continue;
    if (tcsetattr(terminal, TCSANOW, &settings) != 0) return false;
    if (ioctl(stream, TIOCGWINSZ, &size) == 0) (void)ioctl(terminal, TIOCSWINSZ, &size);
    break;
  }
  if (isatty(STDIN_FILENO)) return true;
  // Input from a pipe or a file has been seen where it came from.
  termios settings;
  if (tcgetattr(terminal, &settings) != 0) return false;
  settings.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  return tcsetattr(terminal, TCSANOW, &settings) == 0;
}

// No O_CLOEXEC: this becomes the command's streams.
int OpenPeer(int main_side) {
  int unlocked = 0;
  if (ioctl(main_side, TIOCSPTLCK, &unlocked) != 0) return -1;
  // By the descriptor (ioctl_tty(2)), so whatever path leads there does not matter.
  return ioctl(main_side, TIOCGPTPEER, O_RDWR | O_NOCTTY);
}

bool BecomeTerminalOfSession(int terminal) {
  return setsid() >= 0 && ioctl(terminal, TIOCSCTTY, 0) == 0;
}

bool ReplaceStreams(int terminal) {
  for (int stream = 0; stream <= 2; ++stream) {
    if (dup2(terminal, stream) < 0) return false;
  }
  return true;
}

}  // namespace

Step SetUpTerminal(const Control& control) {
  const int main_side = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (main_side < 0) return FailedAt(ChildStage::kTerminal);
  const int terminal = OpenPeer(main_side);
  if (terminal < 0 || !CopySettings(terminal) || !BecomeTerminalOfSession(terminal)) {
    return FailedAt(ChildStage::kTerminal);
  }
  // Before the streams: one of them may have been closed, and be `main_side` now.
  const Step sent = control.SendTerminal(main_side);
  if (!sent.ok()) return sent;
  if (main_side > 2) close(main_side);
  if (!ReplaceStreams(terminal)) return FailedAt(ChildStage::kTerminal);
  if (terminal > 2) close(terminal);
  return Done();
}

Step PutInForeground(pid_t process) {
  const bool done =
      (setpgid(process, process) == 0 || errno == EACCES) && tcsetpgrp(STDIN_FILENO, process) == 0;
  return done ? Done() : FailedAt(ChildStage::kTerminal);
}

}  // namespace mini::child
