#include "base/descriptor_passing.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

namespace mini {
namespace {

constexpr size_t kRoom = CMSG_SPACE(kMostPassedDescriptors * sizeof(int));

}  // namespace

bool SendWithDescriptors(int socket, const void* data, size_t size, const int* descriptors,
                         size_t count) {
  if (count > kMostPassedDescriptors) {
    errno = EINVAL;
    return false;
  }
  iovec content = {const_cast<void*>(data), size};  // sendmsg(2) only reads
  alignas(cmsghdr) char room[kRoom] = {};
  msghdr message = {};
  message.msg_iov = &content;
  message.msg_iovlen = 1;
  message.msg_control = room;
  message.msg_controllen = CMSG_SPACE(count * sizeof(int));
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(count * sizeof(int));
  std::memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
  while (sendmsg(socket, &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return false;
  }
  return true;
}

ReceivedMessage ReceiveWithDescriptors(int socket, void* data, size_t size, int* descriptors) {
  iovec content = {data, size};
  alignas(cmsghdr) char room[kRoom];
  msghdr message = {};
  message.msg_iov = &content;
  message.msg_iovlen = 1;
  message.msg_control = room;
  message.msg_controllen = sizeof room;
  ReceivedMessage received = {};
  while ((received.size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
  }
  if (received.size < 0) return received;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    // The kernel passes no more than there is room for.
    received.descriptor_count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::memcpy(descriptors, CMSG_DATA(header), received.descriptor_count * sizeof(int));
  }
  return received;
}

}  // namespace mini
