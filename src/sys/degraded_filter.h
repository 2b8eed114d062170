// The seccomp filter that comes on top of the command's own where there are no namespaces.
#ifndef MINI_SANDBOX_SYS_DEGRADED_FILTER_H_
#define MINI_SANDBOX_SYS_DEGRADED_FILTER_H_

#include <linux/filter.h>

#include <vector>

namespace mini {

enum class Signals {
  kScoped,   // landlock keeps them inside
  kRefused,  // nothing does, so there are none
};

// Refuses what namespaces keep apart otherwise: sockets, System V IPC and message queues, other
// processes' limits and priorities, and changes of owner and extended attributes, which landlock
// does not know of. Changes of mode and times are put to the supervisor (SECCOMP_RET_USER_NOTIF):
// chmod, fchmod, fchmodat, fchmodat2 and utimensat. Programs of another calling convention are
// killed.
std::vector<sock_filter> DegradedFilter(Signals signals);

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_DEGRADED_FILTER_H_
