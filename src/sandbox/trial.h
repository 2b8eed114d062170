// Sandboxes made to see whether they can be made.
#ifndef MINI_SANDBOX_SANDBOX_TRIAL_H_
#define MINI_SANDBOX_SANDBOX_TRIAL_H_

#include "base/status.h"
#include "plan/plan.h"

namespace mini {

// No file of that name can be made.
inline constexpr const char* kNoCommand = "/proc/self/no-such-command";

// The sandbox's own child carries out the plan, up to a command that exists nowhere, so that what
// is tried is what a run does. The plan's ids, command and working directory are filled in here.
// The error that ended it: of a sandbox that works, that the command was not found (WasSetUp).
// `overlay_error` is set where the child did without an overlay.
Status TryPlan(Plan plan, int& overlay_error);

bool WasSetUp(const Status& status);

// Whether this kernel lets this user make the namespaces that every sandbox has, and in them a copy
// of "/" and a fresh /proc. OK, or what is refused.
Status TryNamespaces();

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_TRIAL_H_
