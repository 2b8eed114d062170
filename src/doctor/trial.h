// How the trials of a sandbox ended.
#ifndef MINI_SANDBOX_DOCTOR_TRIAL_H_
#define MINI_SANDBOX_DOCTOR_TRIAL_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "plan/plan.h"
#include "sandbox/stack_request.h"

namespace mini {

struct Trial {
  enum class End {
    kSetUp,     // everything was set up; only the command, which does not exist, did not run
    kFailed,    // at `stage`, with `error`, for the reason that `message` tells
    kHung,      // it did not end in time, or was killed
    kNotTried,  // because another trial failed
  } end = End::kNotTried;
  Stage stage = Stage::kClone;
  int error = 0;          // errno, or 0
  int overlay_error = 0;  // of an overlay that the child did without
  std::string message;

  bool set_up() const { return end == End::kSetUp; }
};

// sandbox/trial.h's TryPlan() in a process of its own, bounded in time.
Trial TryPlanBounded(const Plan& plan);

// A whole run of the default mode, with a network stack if there is one.
Trial TryDefaultMode(StackStarter start_stack);

}  // namespace mini

#endif  // MINI_SANDBOX_DOCTOR_TRIAL_H_
