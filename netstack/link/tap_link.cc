#include "netstack/link/tap_link.h"

#include <sys/socket.h>

#include <cerrno>

namespace mini::netstack {

TapLink::TapLink(LinkOptions options) : options_(std::move(options)) {}

Result<size_t> TapLink::Read(std::span<uint8_t> frame) {
  while (true) {
    const ssize_t length = ::read(fd(), frame.data(), frame.size());
    if (length > 0) return static_cast<size_t>(length);
    if (length == 0) {  // a socketpair whose other end is closed; a TAP never reads empty
      return SystemError(Stage::kNetwork, EPIPE, "read a frame: the link's other end is closed");
    }
    if (errno == EINTR) continue;
    // EIO: the device inside is down; it may come up again (tun_chr_read_iter in
    // drivers/net/tun.c).
    if (errno == EAGAIN || errno == EIO) return size_t{0};
    return SystemError(Stage::kNetwork, errno, "read a frame from the TAP");
  }
}

TapLink::Written TapLink::Write(std::span<const iovec> pieces) {
  while (true) {
    const ssize_t length = ::writev(fd(), pieces.data(), static_cast<int>(pieces.size()));
    if (length >= 0) return Written::kSent;
    switch (errno) {
      case EINTR:
        continue;
      case EAGAIN:
        return Written::kBlocked;
      case EIO:       // the device inside is down
      case EINVAL:    // the kernel inside did not like this frame
      case ENOBUFS:   // no memory for this frame
      case ENOMEM:    //
      case EMSGSIZE:  //
        return Written::kDropped;
      default:
        if (status_.ok()) status_ = SystemError(Stage::kNetwork, errno, "write a frame to the TAP");
        return Written::kDropped;
    }
  }
}

TapLink::Written TapLink::Write(std::span<const uint8_t> frame) {
  // writev(2) does not change what iov_base points to.
  const iovec piece{const_cast<uint8_t*>(frame.data()), frame.size()};
  return Write(std::span(&piece, 1));
}

}  // namespace mini::netstack
