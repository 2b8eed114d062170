#include "child/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace mini::child {
namespace {

// Who types finds the keys as they are outside. A terminal that takes keys one by one now is in use
// by a line editor, of a shell that has started us in the background: its modes are none to begin
// with, and the kernel's defaults stand.
bool CopyModes(int stream, int terminal) {
  termios outside;
  termios inside;
  if (tcgetattr(stream, &outside) != 0 || tcgetattr(terminal, &inside) != 0) return false;
  if ((outside.c_lflag & ICANON) != 0) {
    inside = outside;
  } else {
    inside.c_iflag |= outside.c_iflag & IUTF8;
  }
  // Input from a pipe or a file has been seen where it came from.
  if (stream != STDIN_FILENO) inside.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  return tcsetattr(terminal, TCSANOW, &inside) == 0;
}

// Without any terminal outside the size is 0 by 0: unknown.
bool CopySettings(int terminal) {
  for (int stream = 0; stream <= 2; ++stream) {
    winsize size;
    if (!isatty(stream)) continue;
    if (ioctl(stream, TIOCGWINSZ, &size) == 0) (void)ioctl(terminal, TIOCSWINSZ, &size);
    return CopyModes(stream, terminal);
  }
  termios inside;
  if (tcgetattr(terminal, &inside) != 0) return false;
  inside.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  return tcsetattr(terminal, TCSANOW, &inside) == 0;
}

// No O_CLOEXEC: this becomes the command's streams.
int OpenPeer(int main_side) {
  int unlocked = 0;
  if (ioctl(main_side, TIOCSPTLCK, &unlocked) != 0) return -1;
  // By the descriptor (ioctl_tty(2)), so whatever path leads there does not matter.
  return ioctl(main_side, TIOCGPTPEER, O_RDWR | O_NOCTTY);
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
  if (terminal < 0 || !CopySettings(terminal) || ioctl(terminal, TIOCSCTTY, 0) != 0) {
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
