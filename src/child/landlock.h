// A second wall behind the mounts (landlock(7)), where the kernel has it.
#ifndef MINI_SANDBOX_CHILD_LANDLOCK_H_
#define MINI_SANDBOX_CHILD_LANDLOCK_H_

#include <cstdint>

#include "child/step.h"
#include "child/streams.h"
#include "child/temporary_fd.h"
#include "plan/frozen_plan.h"

namespace mini::child {

// Whether a file that is open for reading may be cut short.
enum class Truncation : uint8_t {
  kGuarded,       // a descriptor leads to a file of the host's that is open for reading only
  kLeftToMounts,  // none does, and all other ways are read-only mounts
};

// Two things that the mounts and the pid namespace leave open:
//   - A file of the host that the command got as a stream can be opened again through
//     /proc/self/fd, past our read-only copy of the tree (child/streams.h closes the usual case
//     already). Writing is therefore allowed below the plan's writable roots only, and to streams
//     that are open for writing already.
//   - kill(2) with pid 0 reaches the whole process group, also its members outside. From Linux 6.12
//     on, signals are kept inside, and so are connections to abstract UNIX-domain sockets.
// A file that is open for reading only could be cut short there as well. That is looked for only
// where a descriptor leads to one (Truncation): the kernel asks at each open, also for reading,
// whether the file might be truncated later, and walks the path to its root for the answer.
//
// A command that may make sandboxes gets the second part alone: the first would deny it every
// mount. A kernel that does not know landlock, or only an earlier version of it, is not an error:
// no invariant rests on it alone there but what SECURITY.md says. Needs no_new_privs.
Step RestrictWithLandlock(const FrozenPlan& plan, const StandardStreams& streams,
                          Truncation truncation, Closing closing);

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_LANDLOCK_H_
