// Takes from a process all that serving network packets does not need.
#ifndef MINI_SANDBOX_SYS_CONFINEMENT_H_
#define MINI_SANDBOX_SYS_CONFINEMENT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace mini {

struct ConfinementOptions {
  // Absolute paths that may still be opened for reading: what they are, what their symlinks lead
  // to, and what takes their place later. Where landlock is missing nothing can be opened.
  std::vector<std::string> readable_files;
  // A call that is forbidden writes a ForbiddenCall here before the process ends with
  // kForbiddenCallExit; -1: nothing is told.
  int report_descriptor = -1;
};

struct ForbiddenCall {
  int32_t number;  // of the system call, in this machine's convention
};
inline constexpr int kForbiddenCallExit = 124;

// What stands between the process and the file system.
struct Confinement {
  int landlock_abi = 0;  // 0: an empty root directory instead, in a mount namespace of its own
  std::string ToString() const;
};

// For a process of one thread, which never ends its own confinement. Afterwards:
//   - no file can be opened but `readable_files` (landlock(7); else user and mount namespaces with
//     an empty, read-only root), no TCP port bound (landlock since Linux 6.7);
//   - it has no capability, in no namespace, and no_new_privs;
//   - it can make neither a process nor a core dump, and nobody but a privileged user can trace it;
//   - any system call beyond StackFilter() ends it.
// Descriptors that are open stay open. An error: one of these could not be had, and the process is
// not to go on.
Result<Confinement> ConfineThisProcess(const ConfinementOptions& options);

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_CONFINEMENT_H_
