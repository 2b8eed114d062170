#include "supervise/raw_mode.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

namespace mini {
namespace {

bool IsSame(const termios& left, const termios& right) {
  return left.c_iflag == right.c_iflag && left.c_oflag == right.c_oflag &&
         left.c_cflag == right.c_cflag && left.c_lflag == right.c_lflag &&
         std::equal(std::begin(left.c_cc), std::end(left.c_cc), std::begin(right.c_cc));
}

}  // namespace

bool IsInForeground(int terminal) {
  const pid_t foreground = tcgetpgrp(terminal);
  return foreground == getpgrp() || (foreground < 0 && errno == ENOTTY);
}

void RawMode::Enter() {
  termios now;
  if (tcgetattr(terminal_, &now) != 0) return;  // hung up
  if (before_ && IsSame(now, raw_)) return;
  before_ = now;
  cfmakeraw(&now);
  // Not TCSADRAIN, which waits for output that a stopped terminal does not take.
  (void)tcsetattr(terminal_, TCSANOW, &now);
  // The driver may not take all of it: what it did take is what is compared.
  if (tcgetattr(terminal_, &raw_) != 0) raw_ = now;
}

void RawMode::Leave() {
  if (before_ && IsInForeground(terminal_)) (void)tcsetattr(terminal_, TCSANOW, &*before_);
}

}  // namespace mini
