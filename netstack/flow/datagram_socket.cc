#include "netstack/flow/datagram_socket.h"

#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/udp.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>

namespace mini::netstack {

namespace {

void SetOption(int fd, int level, int name, int value) {
  // Each is a refinement: without it datagrams still flow.
  (void)setsockopt(fd, level, name, &value, sizeof value);
}

// Of an ICMP error that the host's kernel received for this socket. What is not here does not speak
// of a destination, or of anything that the sandbox could do.
std::optional<IcmpError> Passed(const sock_extended_err& error) {
  if (error.ee_origin == SO_EE_ORIGIN_ICMP) {
    if (error.ee_type == ICMP_DEST_UNREACH && error.ee_code == ICMP_FRAG_NEEDED) {
      return PacketTooBig(error.ee_info, IpFamily::kV4);
    }
    if (error.ee_type == ICMP_DEST_UNREACH || error.ee_type == ICMP_TIME_EXCEEDED) {
      return IcmpError{error.ee_type, error.ee_code, 0};
    }
  } else if (error.ee_origin == SO_EE_ORIGIN_ICMP6) {
    if (error.ee_type == ICMPV6_PKT_TOOBIG) return PacketTooBig(error.ee_info, IpFamily::kV6);
    if (error.ee_type == ICMPV6_DEST_UNREACH || error.ee_type == ICMPV6_TIME_EXCEED) {
      return IcmpError{error.ee_type, error.ee_code, 0};
    }
  }
  return std::nullopt;
}

}  // namespace

int DatagramSocket::Open(IpFamily family, int protocol) {
  family_ = family;
  const bool v4 = family == IpFamily::kV4;
  fd_ = UniqueFd(
      ::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
  if (!fd_) return errno;
  if (v4) {
    SetOption(fd(), IPPROTO_IP, IP_RECVERR, 1);
  } else {
    SetOption(fd(), IPPROTO_IPV6, IPV6_RECVERR, 1);
  }
  if (protocol == IPPROTO_UDP) SetOption(fd(), IPPROTO_UDP, UDP_GRO, 1);
  return 0;
}

int DatagramSocket::Connect(const Endpoint& remote) {
  sockaddr_storage address;
  const socklen_t length = ToSockaddr(remote, address);
  return ::connect(fd(), reinterpret_cast<sockaddr*>(&address), length) == 0 ? 0 : errno;
}

void DatagramSocket::SetFragmentation(Fragmentation fragmentation) {
  if (fragmentation == fragmentation_) return;
  fragmentation_ = fragmentation;
  const bool allowed = fragmentation == Fragmentation::kAllowed;
  if (family_ == IpFamily::kV4) {
    SetOption(fd(), IPPROTO_IP, IP_MTU_DISCOVER, allowed ? IP_PMTUDISC_DONT : IP_PMTUDISC_DO);
  } else {
    // WANT: an IPv6 host cuts by what it knows of the path, and still learns.
    SetOption(fd(), IPPROTO_IPV6, IPV6_MTU_DISCOVER,
              allowed ? IPV6_PMTUDISC_WANT : IPV6_PMTUDISC_DO);
  }
}

uint32_t DatagramSocket::PathMtu() const {
  int mtu = 0;
  socklen_t length = sizeof mtu;
  const bool v4 = family_ == IpFamily::kV4;
  if (getsockopt(fd(), v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu, &length) !=
      0) {
    return 0;
  }
  return mtu > 0 ? static_cast<uint32_t>(mtu) : 0;
}

int DatagramSocket::Send(std::span<const iovec> pieces, uint16_t datagram_size) const {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());  // sendmsg(2) only reads them
  message.msg_iovlen = pieces.size();
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof datagram_size)> control{};
  if (datagram_size != 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof datagram_size);
    std::memcpy(CMSG_DATA(header), &datagram_size, sizeof datagram_size);
  }
  while (sendmsg(fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

std::optional<DatagramSocket::Error> DatagramSocket::TakeError() const {
  if (auto queued = TakeQueuedError()) return queued;
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd(), SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error == 0) {
    return std::nullopt;
  }
  return Error{IcmpErrorForErrno(error, family_)};
}

std::optional<DatagramSocket::Error> DatagramSocket::TakeQueuedError() const {
  alignas(cmsghdr) std::array<char, 512> control{};
  msghdr message{};  // of the datagram that the error is about nothing is wanted
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  if (recvmsg(fd(), &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return std::nullopt;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    const bool is_error = (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_RECVERR) ||
                          (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_RECVERR);
    sock_extended_err error;
    if (!is_error || header->cmsg_len < CMSG_LEN(sizeof error)) continue;
    std::memcpy(&error, CMSG_DATA(header), sizeof error);
    return Error{Passed(error)};
  }
  return Error{};
}

std::optional<IcmpError> IcmpErrorForErrno(int error, IpFamily family) {
  switch (error) {
    case ECONNREFUSED:
      return IcmpErrorFor(Unreachable::kPort, family);
    case EHOSTUNREACH:
    case EHOSTDOWN:
      return IcmpErrorFor(Unreachable::kHost, family);
    case ENETUNREACH:
    case ENETDOWN:
    case EAFNOSUPPORT:
    case EADDRNOTAVAIL:
      return IcmpErrorFor(Unreachable::kNetwork, family);
    case EPERM:
    case EACCES:
      return IcmpErrorFor(Unreachable::kProhibited, family);
    default:
      return std::nullopt;
  }
}

DatagramBatch::DatagramBatch()
    : bytes_(std::make_unique_for_overwrite<uint8_t[]>(kMessages * kCapacity)) {}

int DatagramBatch::Receive(int fd) {
  for (size_t i = 0; i < kMessages; ++i) {
    pieces_[i] = {bytes_.get() + i * kCapacity, kCapacity};
    headers_[i] = {};
    msghdr& message = headers_[i].msg_hdr;
    message.msg_iov = &pieces_[i];
    message.msg_iovlen = 1;
    message.msg_control = control_[i].data();
    message.msg_controllen = control_[i].size();
  }
  const int count = recvmmsg(fd, headers_.data(), kMessages, MSG_DONTWAIT, nullptr);
  return count < 0 ? -errno : count;
}

DatagramBatch::Message DatagramBatch::At(size_t index) const {
  const std::span<const uint8_t> buffer(bytes_.get() + index * kCapacity, kCapacity);
  Message message;
  message.bytes = buffer.first(headers_[index].msg_len);
  message.datagram_size = message.bytes.size();
  msghdr header = headers_[index].msg_hdr;
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr;
       control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level != IPPROTO_UDP || control->cmsg_type != UDP_GRO) continue;
    int size = 0;
    std::memcpy(&size, CMSG_DATA(control), sizeof size);
    if (size > 0 && static_cast<size_t>(size) < message.bytes.size()) {
      message.datagram_size = static_cast<size_t>(size);
    }
  }
  return message;
}

}  // namespace mini::netstack
