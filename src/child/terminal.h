// The command's own terminal: a pair of the sandbox's own devpts.
#ifndef MINI_SANDBOX_CHILD_TERMINAL_H_
#define MINI_SANDBOX_CHILD_TERMINAL_H_

#include <sys/types.h>

#include "child/control.h"
#include "child/step.h"

namespace mini::child {

// Makes a pair, with the settings and size of the user's terminal, and sends its main side to the
// supervisor. The other side becomes the terminal of the session that this process leads, and takes
// the place of the three streams: nothing of the user's terminal stays open inside. Needs the
// sandbox's /dev/pts: comes after the mounts.
Step SetUpTerminal(const Control& control);

// Makes the group of `process` the terminal's foreground. All signals are blocked, as a process of
// the background would be stopped for it.
Step PutInForeground(pid_t process);

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_TERMINAL_H_
