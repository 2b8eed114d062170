// The user's terminal while the command has one of its own: every key goes inside.
#ifndef MINI_SANDBOX_SUPERVISE_RAW_MODE_H_
#define MINI_SANDBOX_SUPERVISE_RAW_MODE_H_

#include <termios.h>

#include <optional>

namespace mini {

// Whether this process may use `terminal`: it is in the foreground there, or the terminal is not
// that of its session, where nobody has a foreground.
bool IsInForeground(int terminal);

class RawMode {
 public:
  explicit RawMode(int terminal) : terminal_(terminal) {}
  ~RawMode() { Leave(); }
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;

  // Also when it was entered before and something else has changed the mode since: a shell, while
  // this process was stopped. What to go back to is then what that has set. In the foreground only.
  void Enter();
  // Goes back. In the background it leaves the terminal to who has it now.
  void Leave();

 private:
  int terminal_;
  std::optional<termios> before_;
  termios raw_ = {};
};

}  // namespace mini

#endif  // MINI_SANDBOX_SUPERVISE_RAW_MODE_H_
