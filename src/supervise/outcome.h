// How a run ended, and the exit code that says so.
#ifndef MINI_SANDBOX_SUPERVISE_OUTCOME_H_
#define MINI_SANDBOX_SUPERVISE_OUTCOME_H_

#include "base/status.h"

namespace mini {

struct Outcome {
  int wait_status = 0;     // of the command, as wait(2) has it
  bool timed_out = false;  // the time limit ended it
};

// The command's own exit code; 128+n when signal n ended it.
int ExitCodeFor(const Outcome& outcome);

// 2: the command line is wrong; 127: the command was not found; 126: it could not be executed;
// 125: the sandbox could not be set up.
int ExitCodeFor(const Status& error);

// Ends this process as another one ended, for whoever waits for it: with its exit code, or by its
// signal, which has its default action here.
[[noreturn]] void EndAs(int wait_status);

}  // namespace mini

#endif  // MINI_SANDBOX_SUPERVISE_OUTCOME_H_
