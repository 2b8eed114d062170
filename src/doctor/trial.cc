#include "doctor/trial.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "doctor/bounded.h"
#include "sandbox/sandbox.h"
#include "sandbox/trial.h"

namespace mini {
namespace {

constexpr std::chrono::seconds kLimit{5};
// --- From the process that tries to the one that reports ---

std::string Encoded(const Trial& trial) {
  return StrCat(trial.set_up() ? 1 : 0, " ", static_cast<int>(trial.stage), " ", trial.error, " ",
                trial.overlay_error, " ", trial.message);
}

Trial Decoded(const std::optional<std::string>& text) {
  Trial trial;
  trial.end = Trial::End::kHung;
  trial.message = "it was still being set up after 5 seconds, or was killed";
  if (!text) return trial;
  uint64_t numbers[4];
  std::string_view rest = *text;
  for (uint64_t& number : numbers) {
    const size_t end = rest.find(' ');
    const std::optional<uint64_t> parsed = ParseDecimal(rest.substr(0, end), 0xffff);
    if (!parsed || end == std::string_view::npos) return trial;
    number = *parsed;
    rest.remove_prefix(end + 1);
  }
  trial.end = numbers[0] == 1 ? Trial::End::kSetUp : Trial::End::kFailed;
  trial.stage = static_cast<Stage>(numbers[1]);
  trial.error = static_cast<int>(numbers[2]);
  trial.overlay_error = static_cast<int>(numbers[3]);
  trial.message = rest;
  return trial;
}

// A command that is not found is the last thing that happens to a sandbox that works.
Trial TrialFrom(const Status& status) {
  Trial trial;
  trial.end = WasSetUp(status) ? Trial::End::kSetUp : Trial::End::kFailed;
  trial.stage = status.stage();
  trial.error = status.error_number();
  if (!trial.set_up()) trial.message = status.ToString();
  return trial;
}

Status RunDefaultMode(StackStarter start_stack) {
  PolicyBuilder builder;
  MINI_RETURN_IF_ERROR(builder.SetDefaultMode());
  MINI_RETURN_IF_ERROR(builder.SetNetwork(start_stack ? Network::kStack : Network::kLoopback));
  MINI_ASSIGN_OR_RETURN(Policy policy, builder.Build());
  // From a system directory: nothing is written through, whoever it belongs to.
  if (chdir("/") != 0) return SystemError(Stage::kProbe, errno, "change to /");
  return Run({.policy = std::move(policy),
              .argv = {kNoCommand},
              .on_notice = [](std::string_view) {},
              .start_stack = start_stack})
      .status();
}

}  // namespace

Trial TryPlanBounded(const Plan& plan) {
  return Decoded(RunBounded(kLimit, [&] {
    int overlay_error = 0;
    Trial trial = TrialFrom(TryPlan(plan, overlay_error));
    trial.overlay_error = overlay_error;
    return Encoded(trial);
  }));
}

Trial TryDefaultMode(StackStarter start_stack) {
  return Decoded(
      RunBounded(kLimit, [&] { return Encoded(TrialFrom(RunDefaultMode(start_stack))); }));
}

}  // namespace mini
