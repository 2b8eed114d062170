#include "sandbox/trial.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "child/child.h"
#include "plan/freeze.h"
#include "plan/mount_ops.h"
#include "supervise/child_process.h"
#include "supervise/report_text.h"
#include "sys/clone.h"
#include "sys/seccomp_filter.h"
#include "sys/tap.h"

namespace mini {
namespace {

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

}  // namespace

bool WasSetUp(const Status& status) {
  return status.stage() == Stage::kExec && status.error_number() == ENOENT;
}

Status TryPlan(Plan plan, int& overlay_error) {
  plan.uid = geteuid();
  plan.gid = getegid();
  plan.working_directory = "/";
  plan.argv = {kNoCommand};
  plan.candidates = plan.argv;
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
