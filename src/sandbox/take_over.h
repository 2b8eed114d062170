// The supervisor that has taken the place of a program which went into a sandbox (enter.h).
#ifndef MINI_SANDBOX_SANDBOX_TAKE_OVER_H_
#define MINI_SANDBOX_SANDBOX_TAKE_OVER_H_

#include "sandbox/handover.h"

namespace mini {

// Gives the process inside its go, waits for its end and ends the same way: with its exit code, or
// by its signal. 125: the sandbox could not be kept up.
[[noreturn]] void TakeOver(const Handover& handover);

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_TAKE_OVER_H_
