// What the child tells the supervisor over the control socket (AF_UNIX, SOCK_SEQPACKET): one fixed
// message each. The supervisor answers with one byte, "go", where the plan asks for it.
#ifndef MINI_SANDBOX_CHILD_REPORT_H_
#define MINI_SANDBOX_CHILD_REPORT_H_

#include <cstdint>

namespace mini::child {

enum class ReportKind : uint32_t {
  kFailed,       // a stage failed with `error`; the child is gone
  kDegraded,     // step `index` of the sysctl or the mounts stage took its second choice, which is
                 // no weaker, after `error`
  kDescriptors,  // carries the TAP's and a netlink socket's descriptor (SCM_RIGHTS)
  kTerminal,     // carries the main side of the command's terminal
  kReady,        // the caller's copy waits for its go (Payload::kCaller), or the command has been
                 // executed (ChildArguments::reports_start)
  kStopped,      // the command was stopped (SIGTSTP, SIGSTOP, terminal access in the background)
  kExited,       // the command ended with `wait_status`; every other process inside is dead;
                 // `error` is ENOSPC when the scratch file system is full
};

// In the order in which the child goes through them.
enum class ChildStage : uint32_t {
  kStart,
  kIdMaps,
  kHostName,
  kNetworkNamespace,
  kLoopback,
  kTapDevice,
  kNetlink,
  kSysctl,   // index: which
  kStreams,  // index: which
  kProgram,
  kMounts,  // index: which
  kWorkingDirectory,
  kTerminal,
  kPrivileges,
  kLandlock,
  kSeccomp,
  kFork,
  kExec,
};

struct Report {
  ReportKind kind;
  ChildStage stage;
  uint32_t index;
  int32_t error;  // errno
  int32_t wait_status;
};

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_REPORT_H_
