#include "sys/published_ports.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/strings.h"

namespace mini {
namespace {

Status BindError(int error, PortProtocol protocol, const Endpoint& host) {
  Status status = SystemError(Stage::kNetwork, error,
                              StrCat("publish ", protocol == PortProtocol::kTcp ? "tcp " : "udp ",
                                     host.ToString(), " on the host"));
  switch (error) {
    case EADDRINUSE:
      return std::move(status).WithHint(
          "another program, or another sandbox, has that port; host port 0 takes a free one");
    case EACCES:
      return std::move(status).WithHint(
          "ports below that of /proc/sys/net/ipv4/ip_unprivileged_port_start, which is mostly "
          "1024, are for root: take a higher host port, the port inside stays");
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      return std::move(status).WithHint("this machine has no such address");
    default:
      return status;
  }
}

bool SetOption(int socket, int level, int option) {
  const int on = 1;
  return setsockopt(socket, level, option, &on, sizeof on) == 0;
}

bool SetOptions(int socket, PortProtocol protocol, const Endpoint& host) {
  // ipv6(7): without it a socket at :: takes IPv4's port as well, which is published by itself.
  if (host.address.is_v6() && !SetOption(socket, IPPROTO_IPV6, IPV6_V6ONLY)) return false;
  if (protocol == PortProtocol::kUdp) {
    return host.address.is_v4() ? SetOption(socket, IPPROTO_IP, IP_PKTINFO)
                                : SetOption(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO);
  }
  // socket(7): connections of an earlier run in TIME-WAIT are no hindrance; a socket that listens
  // is. Not for a port that the kernel is to choose: two sockets might be given the same.
  return host.port == 0 || SetOption(socket, SOL_SOCKET, SO_REUSEADDR);
}

}  // namespace

Result<BoundPort> BindPublishedPort(PortProtocol protocol, const Endpoint& host) {
  const int type = protocol == PortProtocol::kTcp ? SOCK_STREAM : SOCK_DGRAM;
  sockaddr_storage address;
  socklen_t length = ToSockaddr(host, address);
  BoundPort bound;
  bound.socket = UniqueFd(socket(address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int fd = bound.socket.get();
  if (!bound.socket || !SetOptions(fd, protocol, host) ||
      bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      (protocol == PortProtocol::kTcp && listen(fd, SOMAXCONN) != 0)) {
    return BindError(errno, protocol, host);
  }
  length = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return BindError(errno, protocol, host);
  }
  bound.host = FromSockaddr(address).value_or(host);
  return bound;
}

}  // namespace mini
