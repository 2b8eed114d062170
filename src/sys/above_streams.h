// Descriptors that are not among the standard streams, which a caller may have closed.
#ifndef MINI_SANDBOX_SYS_ABOVE_STREAMS_H_
#define MINI_SANDBOX_SYS_ABOVE_STREAMS_H_

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "base/unique_fd.h"

namespace mini {

// A copy of it there, close-on-exec; invalid with errno.
inline UniqueFd CopyAboveStreams(int descriptor) {
  return UniqueFd(fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

// Itself if it is there, else a copy in its place; invalid with errno.
inline UniqueFd AboveStreams(UniqueFd descriptor) {
  if (descriptor.get() > STDERR_FILENO) return descriptor;
  return CopyAboveStreams(descriptor.get());
}

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_ABOVE_STREAMS_H_
