#include "sandbox/trial.h"

#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "plan/freeze.h"
#include "plan/mount_ops.h"
#include "sandbox/start_child.h"
#include "supervise/report_text.h"
#include "sys/seccomp_filter.h"
#include "sys/tap.h"

namespace mini {

bool WasSetUp(const Status& status) {
  return status.stage() == Stage::kExec && status.error_number() == ENOENT;
}

Status TryPlan(Plan plan, int& overlay_error) {
  plan.uid = {geteuid(), geteuid()};
  plan.gid = {getegid(), getegid()};
  plan.working_directory = "/";
  plan.argv = {kNoCommand};
  plan.candidates = plan.argv;
  sigset_t mask;
  sigprocmask(SIG_BLOCK, nullptr, &mask);
  const FrozenPlanOwner frozen = Freeze(plan, CommandFilter(), mask);
  MINI_ASSIGN_OR_RETURN(ChildProcess child, StartChild(frozen.get()));
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

Status TryNamespaces() {
  Plan plan;
  plan.slot_count = 2;
  plan.mounts = {CloneTree("/", 0, kReadOnly),
                 NewFilesystem("proc", "", "", 1, kUntrusted | MOUNT_ATTR_NOEXEC)};
  int overlay_error = 0;
  Status status = TryPlan(std::move(plan), overlay_error);
  return WasSetUp(status) ? OkStatus() : status;
}

}  // namespace mini
