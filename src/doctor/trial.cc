#include "doctor/trial.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "child/child.h"
#include "doctor/bounded.h"
#include "plan/freeze.h"
#include "sandbox/sandbox.h"
#include "supervise/child_process.h"
#include "supervise/report_text.h"
#include "sys/clone.h"
#include "sys/seccomp_filter.h"
#include "sys/tap.h"

namespace mini {
namespace {

constexpr std::chrono::seconds kLimit{5};
// No file can be made there.
constexpr const char* kNoCommand = "/proc/self/no-such-command";

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
  trial.end = status.stage() == Stage::kExec && status.error_number() == ENOENT
                  ? Trial::End::kSetUp
                  : Trial::End::kFailed;
  trial.stage = status.stage();
  trial.error = status.error_number();
  if (!trial.set_up()) trial.message = status.ToString();
  return trial;
}

// --- One plan ---

Result<ChildProcess> Start(const FrozenPlan& frozen) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return SystemError(Stage::kClone, errno, "make the control socket");
  }
  UniqueFd supervisor(ends[0]);
  const UniqueFd child(ends[1]);
  child::ChildArguments arguments = {&frozen, child.get(), supervisor.get()};
  MINI_ASSIGN_OR_RETURN(
      ClonedProcess cloned,
      CloneIntoNamespaces(
          [](void* opaque) { child::RunChild(*static_cast<child::ChildArguments*>(opaque)); },
          &arguments));
  return ChildProcess(std::move(cloned.pidfd), std::move(supervisor));
}

// The error that ended it; of a sandbox that works, that the command was not found.
Status CarryOut(const Plan& plan, int& overlay_error) {
  sigset_t mask;
  sigprocmask(SIG_BLOCK, nullptr, &mask);
  const FrozenPlanOwner frozen = Freeze(plan, CommandFilter(), mask);
  MINI_ASSIGN_OR_RETURN(ChildProcess child, Start(frozen.get()));
  for (;;) {
    MINI_ASSIGN_OR_RETURN(auto received, child.ReceiveReport());
    if (!received) break;
    const child::Report& report = received->report;
    if (report.kind == child::ReportKind::kFailed) return StatusFor(report, plan);
    if (report.kind == child::ReportKind::kDegraded) overlay_error = report.error;
    if (report.kind == child::ReportKind::kDescriptors) {
      MINI_ASSIGN_OR_RETURN(const Tap tap,
                            ConfigureTap(std::move(received->descriptors[0]),
                                         std::move(received->descriptors[1]), TapOptions()));
      MINI_RETURN_IF_ERROR(child.SendGo());
    }
  }
  return Status(StatusCode::kSystem, Stage::kSupervise, "the sandbox ended without a report");
}

Status RunDefaultMode(Network network) {
  PolicyBuilder builder;
  MINI_RETURN_IF_ERROR(builder.SetDefaultMode());
  MINI_RETURN_IF_ERROR(builder.SetNetwork(network));
  // A system directory, which is not written through to whoever it belongs to.
  MINI_RETURN_IF_ERROR(builder.SetWorkingDirectory("/"));
  MINI_ASSIGN_OR_RETURN(Policy policy, builder.Build());
  return Run({.policy = std::move(policy),
              .argv = {kNoCommand},
              .on_notice = [](std::string_view) {}})
      .status();
}

}  // namespace

Trial TryPlan(Plan plan) {
  plan.uid = geteuid();
  plan.gid = getegid();
  plan.working_directory = "/";
  plan.argv = {kNoCommand};
  plan.candidates = plan.argv;
  return Decoded(RunBounded(kLimit, [&] {
    int overlay_error = 0;
    Trial trial = TrialFrom(CarryOut(plan, overlay_error));
    trial.overlay_error = overlay_error;
    return Encoded(trial);
  }));
}

Trial TryDefaultMode(Network network) {
  return Decoded(RunBounded(kLimit, [&] { return Encoded(TrialFrom(RunDefaultMode(network))); }));
}

}  // namespace mini
