// Open descriptors as part of a message on a Unix socket (SCM_RIGHTS, unix(7)).
//
// Neither function allocates or locks, so both may be called between fork and exec. Calls that a
// signal interrupts are made again.
#ifndef MINI_SANDBOX_BASE_DESCRIPTOR_PASSING_H_
#define MINI_SANDBOX_BASE_DESCRIPTOR_PASSING_H_

#include <sys/types.h>

#include <cstddef>

namespace mini {

inline constexpr size_t kMostPassedDescriptors = 2;

// Sends `size` bytes, at least one, with `count` descriptors, at most kMostPassedDescriptors; both
// ends hold them afterwards. False: errno says why, EPIPE when nobody reads any more.
[[nodiscard]] bool SendWithDescriptors(int socket, const void* data, size_t size,
                                       const int* descriptors, size_t count);

struct ReceivedMessage {
  ssize_t size;             // as of recvmsg(2): 0 at the end of the stream, -1 with errno
  size_t descriptor_count;  // so many were received; they are close-on-exec and now the caller's
};

// `descriptors` has room for kMostPassedDescriptors.
[[nodiscard]] ReceivedMessage ReceiveWithDescriptors(int socket, void* data, size_t size,
                                                     int* descriptors);

}  // namespace mini

#endif  // MINI_SANDBOX_BASE_DESCRIPTOR_PASSING_H_
