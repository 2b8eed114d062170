// One clone3(2) into the namespaces of a sandbox.
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

// kUnchanged: the host's, until the process enters another (child/network.h).
enum class NetworkNamespace { kNew, kUnchanged };

// Starts `entry(argument)`, which does not return, as process 1 of new user, mount, pid, ipc, uts,
// cgroup and perhaps network namespaces, on a copy of this process's memory (as fork(2), with the
// same rules for what may be called there). SIGCHLD is sent when it ends.
Result<ClonedProcess> CloneIntoNamespaces(NetworkNamespace network, void (*entry)(void*),
                                          void* argument);

// kSibling: a child of this process's parent, which gets the signal that it gets when this one ends
// (CLONE_PARENT).
enum class ClonedAs { kChild, kSibling };

// The same for who may not allocate: returns twice, as fork(2) does, with pid 0 in the new process.
struct RawClone {
  pid_t pid;  // -1: `error` says why
  int pidfd;  // close-on-exec, now the caller's
  int error;
};
RawClone CloneRaw(NetworkNamespace network, ClonedAs cloned_as);
// What such an error means.
Status CloneError(int error_number);

// Whether a sandbox of ours is around this process.
bool IsInSandboxOfOurs();

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_CLONE_H_
