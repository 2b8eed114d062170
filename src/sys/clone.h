// One clone3(2) into all the namespaces of a sandbox.
#ifndef MINI_SANDBOX_SYS_CLONE_H_
#define MINI_SANDBOX_SYS_CLONE_H_

#include <sys/types.h>

#include "base/status.h"
#include "base/unique_fd.h"

namespace mini {

struct ClonedProcess {
  pid_t pid = -1;
  UniqueFd pidfd;
};

// kUnchanged: the host's, until the process makes one itself.
enum class NetworkNamespace { kNew, kUnchanged };

// Starts `entry(argument)`, which does not return, as process 1 of new user, mount, pid, ipc, uts,
// cgroup and perhaps network namespaces, on a copy of this process's memory (as fork(2), with the
// same rules for what may be called there). SIGCHLD is sent when it ends.
Result<ClonedProcess> CloneIntoNamespaces(NetworkNamespace network, void (*entry)(void*),
                                          void* argument);

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_CLONE_H_
