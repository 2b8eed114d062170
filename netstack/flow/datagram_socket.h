// The host's side of a flow of datagrams: what UDP and echo flows have in common.
//
// Theory of operation. The socket is connected, so the host's kernel picks the route once, keeps
// the path's MTU, and takes answers of that peer alone. IP_RECVERR (ip(7)) queues the ICMP errors
// that come back, with type and code, and they are passed on as what they are. The exceptions: the
// sandbox is not told who sent them (the way through the host's network is not its affair), so they
// come from the address that was asked; and an MTU is only told when it is below the link's.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_DATAGRAM_SOCKET_H_
#define MINI_SANDBOX_NETSTACK_FLOW_DATAGRAM_SOCKET_H_

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "netstack/link/frame_builder.h"

namespace mini::netstack {

// Whether the host's kernel may cut what is too long for the path. It follows the sandbox's
// packets.
enum class Fragmentation : uint8_t { kUnset, kAllowed, kForbidden };
inline Fragmentation FragmentationOf(const Packet& packet) {
  return packet.dont_fragment ? Fragmentation::kForbidden : Fragmentation::kAllowed;
}

class DatagramSocket {
 public:
  DatagramSocket() = default;

  // `protocol`: IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6. 0, or the errno of the call that failed.
  int Open(IpFamily family, int protocol);
  int Connect(const Endpoint& remote);
  int fd() const { return fd_.get(); }

  void SetFragmentation(Fragmentation fragmentation);
  Fragmentation fragmentation() const { return fragmentation_; }
  // Of the path to the peer, as far as the host knows it; 0 when it does not.
  uint32_t PathMtu() const;

  // 0, or errno. With `datagram_size` the pieces are a row of datagrams of that size.
  int Send(std::span<const iovec> pieces, uint16_t datagram_size = 0) const;

  struct Error {
    std::optional<IcmpError> icmp;  // what the sandbox is to be told, if it is
  };
  // The oldest error that waits; nothing when none does.
  std::optional<Error> TakeError() const;

 private:
  std::optional<Error> TakeQueuedError() const;

  UniqueFd fd_;
  IpFamily family_ = IpFamily::kV4;
  Fragmentation fragmentation_ = Fragmentation::kUnset;
};

// What the sandbox is told for an errno of the host's that no ICMP error explains.
std::optional<IcmpError> IcmpErrorForErrno(int error, IpFamily family);

// Several messages in one system call. The buffers are address space until they are written to.
class DatagramBatch {
 public:
  static constexpr size_t kMessages = 32;
  static constexpr size_t kCapacity = 65536;

  DatagramBatch();

  struct Message {
    std::span<const uint8_t> bytes;
    size_t datagram_size = 0;  // less than the size of `bytes` when it is a row (UDP_GRO, udp(7))
  };
  // How many came; or the negative errno.
  int Receive(int fd);
  Message At(size_t index) const;

 private:
  static constexpr size_t kControl = CMSG_SPACE(sizeof(int)) * 2;
  std::unique_ptr<uint8_t[]> bytes_;
  std::array<iovec, kMessages> pieces_;
  std::array<mmsghdr, kMessages> headers_;
  alignas(cmsghdr) std::array<std::array<char, kControl>, kMessages> control_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_DATAGRAM_SOCKET_H_
