#include "sandbox/start_child.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "child/child.h"

namespace mini {

Result<ControlSockets> MakeControlSockets() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return SystemError(Stage::kClone, errno, "make the control socket");
  }
  // The lower number for the child, which wants it as 3 in the end (child/init.h).
  return ControlSockets{UniqueFd(ends[1]), UniqueFd(ends[0])};
}

NetworkNamespace NetworkNamespaceFor(const FrozenPlan& frozen) {
  return frozen.network == FrozenNetwork::kTap ? NetworkNamespace::kNew
                                               : NetworkNamespace::kUnchanged;
}

Result<ChildProcess> StartChild(const FrozenPlan& frozen, const child::StandardStreams* streams,
                                StartReport report) {
  MINI_ASSIGN_OR_RETURN(ControlSockets control, MakeControlSockets());
  child::ChildArguments arguments = {.plan = &frozen,
                                     .control = control.child.get(),
                                     .parent_control = control.supervisor.get(),
                                     .streams = streams,
                                     .reports_start = report == StartReport::kSent};
  MINI_ASSIGN_OR_RETURN(
      ClonedProcess cloned,
      CloneIntoNamespaces(
          NetworkNamespaceFor(frozen),
          [](void* opaque) { child::RunChild(*static_cast<child::ChildArguments*>(opaque)); },
          &arguments));
  return ChildProcess(std::move(cloned.pidfd), std::move(control.supervisor));
}

}  // namespace mini
