#include "supervise/report_text.h"

#include <sys/prctl.h>

#include <cerrno>

#include "base/strings.h"
#include "supervise/outcome.h"

namespace mini {
namespace {

using child::ChildStage;

constexpr const char* kNestedOnce =
    "the sandbox around this one has a read-only /proc; what the host's root starts can be nested "
    "once";
constexpr const char* kRestricted =
    "unprivileged user namespaces are restricted here: on Ubuntu an AppArmor profile must allow "
    "them (sysctl kernel.apparmor_restrict_unprivileged_userns); in a container its seccomp or "
    "AppArmor profile must; run mini-sandbox doctor or mini-tapbox doctor";

std::string HintForNetworkNamespace(int error_number) {
  switch (error_number) {
    case EPERM:
    case EACCES:
      return kRestricted;
    case ENOSPC:
    case EUSERS:
      return "the limit on network namespaces is reached (sysctl user.max_net_namespaces)";
    case ESRCH:
      return "the process that makes it was killed: was there too little memory?";
    case EINVAL:
      return "this kernel has no network namespaces (CONFIG_NET_NS)";
    default:
      return "";
  }
}

std::string HintForTap(int error_number) {
  switch (error_number) {
    case EACCES:
    case EPERM:
      return "/dev/net/tun must be open to you; as root: chmod 0666 /dev/net/tun";
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return "the tun driver is missing; as root: modprobe tun";
    default:
      return "";
  }
}

std::string HintForMount(const MountOp& op, const Plan& plan, int error_number) {
  if (op.kind == MountOpKind::kTestOverlay) {
    return StrCat(
        "overlays cannot keep their changes on the file system of this directory: choose one on "
        "ext4, xfs or btrfs, or leave out ",
        plan.names.scratch_directory);
  }
  if (error_number == EPERM || error_number == EACCES) {
    if (op.kind == MountOpKind::kNewFilesystem && op.data == "proc") {
      // The kernel's mount_too_revealing(); a copy of the host's /proc would show its processes.
      return "parts of /proc are covered here, as in a container, and then the kernel refuses a "
             "new one: start the container with docker's --security-opt systempaths=unconfined or "
             "podman's --security-opt unmask=ALL; run mini-sandbox doctor or mini-tapbox doctor";
    }
    return kRestricted;
  }
  if (error_number == ENOENT && op.kind == MountOpKind::kAttach) {
    return "a mount point must exist on the host or lie in a directory that is private inside";
  }
  if (error_number == ELOOP) return "a symlink appeared where there was none a moment ago";
  if (error_number == ENOSYS) return "the sandbox needs Linux 5.12 or newer";
  return "";
}

// /proc/PID belongs to root where PID is not dumpable (proc(5)), and the child is a copy of this
// process.
std::string HintForIdMaps(int error) {
  if (error == EACCES && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 1) {
    return "this process is not dumpable, as after a change of its user id; as a program of the "
           "library, call prctl(PR_SET_DUMPABLE, 1) before mini_sandbox_start()";
  }
  return error == EPERM || error == EACCES ? kRestricted : "";
}

std::string HintForProgram(int error) {
  if (error == EACCES) return "the sandbox could change it, since it is yours: make it readable";
  if (error == ESTALE || error == ENOENT) {
    return "it has been replaced or renamed since the program was started; start it again";
  }
  return "the sandbox could change it, since it is yours: run one that belongs to another user "
         "(the kernel lets it be protected where it has CONFIG_CHECKPOINT_RESTORE)";
}

std::string NotFoundHint(const Plan& plan) {
  const SettingNames& names = plan.names;
  return StrCat(plan.argv.at(0).find('/') == std::string::npos
                    ? "the command was not found in PATH inside the sandbox"
                    : "the command, or the interpreter it names, is not there inside the sandbox",
                "; what does not show (HOME with ", names.default_mode,
                ", all that is not named with ", names.hermetic_mode, " and ", names.custom_mode,
                ") is shown by ", names.read_only, " DIRECTORY");
}

}  // namespace

Status StatusFor(const child::Report& report, const Plan& plan) {
  const int error = report.error;
  switch (report.stage) {
    case ChildStage::kStart:
      return SystemError(Stage::kClone, error, "prepare the sandbox's first process");
    case ChildStage::kIdMaps:
      if (error == EROFS) {
        return SystemError(Stage::kIdMaps, error, "map your user and group id into the sandbox")
            .WithHint(kNestedOnce);
      }
      return SystemError(Stage::kIdMaps, error, "map your user and group id into the sandbox")
          .WithHint(HintForIdMaps(error));
    case ChildStage::kHostName:
      return SystemError(Stage::kClone, error, "set the host name inside");
    case ChildStage::kNetworkNamespace:
      return SystemError(Stage::kNetwork, error, "make a network namespace")
          .WithHint(HintForNetworkNamespace(error));
    case ChildStage::kLoopback:
      return SystemError(Stage::kNetwork, error, "bring the loopback interface up");
    case ChildStage::kTapDevice:
      return SystemError(Stage::kNetwork, error, "open /dev/net/tun").WithHint(HintForTap(error));
    case ChildStage::kNetlink:
      return SystemError(Stage::kNetwork, error, "open a netlink socket");
    case ChildStage::kSysctl:
      return SystemError(Stage::kNetwork, error,
                         StrCat("write ", plan.sysctls.at(report.index).path))
          .WithHint(plan.sysctls[report.index].is_required ? kNestedOnce : "");
    case ChildStage::kStreams:
      return SystemError(Stage::kMounts, error,
                         StrCat("protect the file behind descriptor ", report.index))
          .WithHint("the command could change it: use a pipe instead, cat FILE | ...");
    case ChildStage::kProgram:
      return SystemError(Stage::kMounts, error, "keep the file of this program from being changed")
          .WithHint(HintForProgram(error));
    case ChildStage::kMounts: {
      const MountOp& op = plan.mounts.at(report.index);
      const std::string step =
          op.kind == MountOpKind::kAttach ? StrCat("mount on ", op.target) : op.ToString();
      return SystemError(Stage::kMounts, error, EscapeForTerminal(step))
          .WithHint(HintForMount(op, plan, error));
    }
    case ChildStage::kWorkingDirectory:
      return SystemError(Stage::kMounts, error,
                         StrCat("enter the working directory ", plan.working_directory))
          .WithHint(StrCat(error == EACCES ? "you may not enter it, inside or outside"
                                           : "it does not exist inside",
                           "; choose another with ", plan.names.working_directory));
    case ChildStage::kTerminal:
      return SystemError(Stage::kMounts, error, "make a terminal for the command")
          .WithHint(error == ENOSPC ? "too many terminals are open (sysctl kernel.pty.max)" : "");
    case ChildStage::kPrivileges:
      return SystemError(Stage::kPrivileges, error, "give up all capabilities");
    case ChildStage::kLandlock:
      return SystemError(Stage::kPrivileges, error, "restrict writing with landlock");
    case ChildStage::kSeccomp:
      return SystemError(Stage::kPrivileges, error, "install the seccomp filter")
          .WithHint(error == EINVAL ? "this kernel has no seccomp filters" : "");
    case ChildStage::kFork:
      return SystemError(Stage::kExec, error, "start a process for the command");
    case ChildStage::kExec:
      if (error == ENOENT || error == ENOTDIR) {
        return SystemError(Stage::kExec, error, EscapeForTerminal(plan.argv.at(0)))
            .WithHint(NotFoundHint(plan));
      }
      return SystemError(Stage::kExec, error,
                         StrCat("execute ", EscapeForTerminal(plan.argv.at(0))));
  }
  return Status(StatusCode::kSystem, Stage::kSupervise, "the child sent an unknown report");
}

std::string NoticeFor(const child::Report& report, const Plan& plan) {
  if (report.stage == ChildStage::kSysctl) {
    return StrCat(plan.sysctls.at(report.index).path,
                  " stays as it is, because the sandbox around "
                  "this one has a read-only /proc");
  }
  const MountOp& op = plan.mounts.at(report.index);
  if (op.kind == MountOpKind::kNewFilesystem) {
    return StrCat("/", op.data,
                  " is read-only, because the sandbox around this one allows no other");
  }
  return StrCat(op.target, " is read-only, because it cannot be overlaid here (",
                ErrnoName(report.error),
                plan.scratch_directory.empty()
                    ? StrCat("; in memory that needs Linux 6.6: ", plan.names.scratch_directory,
                             " DIR keeps changes on disk)")
                    : std::string(")"));
}

std::string ScratchFullNotice(const Plan& plan) {
  constexpr uint64_t kMegabyte = uint64_t{1} << 20;
  const uint64_t bytes = plan.scratch_size.value_or(0);
  const std::string size = bytes == 0               ? "half of the memory"
                           : bytes % kMegabyte == 0 ? StrCat(bytes / kMegabyte, " MB")
                                                    : StrCat(bytes, " bytes");
  return StrCat("the scratch space (", size,
                ") was full at the end, so what was written to private directories",
                plan.scratch_directory.empty() ? " and overlays" : "",
                " may be incomplete; --scratch-size SIZE gives more");
}

std::string ReportText(const child::Report& report, const Plan& plan) {
  switch (report.kind) {
    case child::ReportKind::kFailed:
      return StrCat("failed: ", StatusFor(report, plan).ToString());
    case child::ReportKind::kDegraded:
      return StrCat("step ", report.index, " took its second choice: ", NoticeFor(report, plan));
    case child::ReportKind::kDescriptors:
      return "sent its descriptors";
    case child::ReportKind::kTerminal:
      return "sent its terminal";
    case child::ReportKind::kReady:
      return "is set up";
    case child::ReportKind::kStopped:
      return "the command was stopped";
    case child::ReportKind::kExited:
      return StrCat("the command ended, exit code ", ExitCodeFor(Outcome{report.wait_status}));
  }
  return StrCat("report ", static_cast<uint32_t>(report.kind));
}

}  // namespace mini
