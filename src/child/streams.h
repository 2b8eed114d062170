// The standard streams, which stay open from the host's side into the sandbox.
#ifndef MINI_SANDBOX_CHILD_STREAMS_H_
#define MINI_SANDBOX_CHILD_STREAMS_H_

#include <sys/stat.h>

#include <array>

#include "child/step.h"

namespace mini::child {

// What each of them is.
struct StandardStream {
  int flags = -1;  // of open(2); -1: it is closed
  struct stat status = {};
  // Decided where both numbers are of the same user namespace: inside, this user may have another.
  bool is_own = false;
  // It is a read-only mount's of ours by now, not the host's.
  bool is_reopened = false;
};
using StandardStreams = std::array<StandardStream, 3>;
StandardStreams LookAtStandardStreams();

// Opens anew, through a read-only mount, each stream that is a terminal, or a file that is open for
// reading only: through the descriptor it inherited, the command could otherwise change the mode,
// times and attributes of the host's file, and open it again for writing. The new one stands at the
// same offset. Streams that cannot be changed by this user anyway, deleted files, pipes, sockets
// and what is open for writing are left as they are. Needs the host's paths: comes before the
// mounts.
Step ProtectStreams(StandardStreams& streams);

// Whether one of them is a file that is open for reading only, and on its mount of the host's
// still.
bool LeaveInputOnItsMount(const StandardStreams& streams);

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_STREAMS_H_
