// What the doctor looked at and tried, as values: what checks.h judges.
#ifndef MINI_SANDBOX_DOCTOR_MACHINE_H_
#define MINI_SANDBOX_DOCTOR_MACHINE_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "doctor/trial.h"
#include "sandbox/stack_request.h"

namespace mini {

enum class CgroupAccess { kNoVersion2, kReadOnly, kWritable };

struct Machine {
  std::string kernel;      // uname(2): "Linux 6.18.44 x86_64"
  std::string executable;  // the path of this program
  uid_t uid = 0;

  // Where we are. All of it is only for words.
  std::string container;        // "docker"; empty when nothing says that we are in one
  bool in_own_sandbox = false;  // process 1 is the init of a sandbox of ours
  bool in_user_namespace = false;
  bool under_seccomp_filter = false;

  // Settings of sysctl(8); nothing where this kernel does not know the name or hides it.
  std::optional<std::string> userns_clone;          // kernel.unprivileged_userns_clone
  std::optional<std::string> apparmor_restriction;  // kernel.apparmor_restrict_...userns
  std::vector<std::string> forbidden_namespaces;    // user.max_*_namespaces that are 0
  std::string apparmor_profile;                     // that confines this process, or empty

  // System calls that answer ENOSYS. Nothing when a filter killed the process that tried.
  std::optional<std::vector<std::string>> missing_calls;
  bool seccomp_filters = false;
  int landlock_abi = 0;  // 0: none
  CgroupAccess cgroup = CgroupAccess::kNoVersion2;
  std::optional<std::string> resolv_conf;  // nothing: it cannot be read

  Trial namespaces;      // every namespace, id maps, loopback, capabilities, filters
  Trial mounts;          // a read-only copy of "/"
  Trial proc;            // a fresh /proc
  Trial overlay;         // overlayfs at all
  Trial memory_overlay;  // with its upper directory on a tmpfs
  Trial tap;             // only for a program with a network stack
  Trial default_mode;
};

// Looks and tries. Nothing on the host is changed; takes at most some seconds a trial.
// `start_stack` is null in a program without a network stack.
Machine ExamineMachine(StackStarter start_stack);

}  // namespace mini

#endif  // MINI_SANDBOX_DOCTOR_MACHINE_H_
