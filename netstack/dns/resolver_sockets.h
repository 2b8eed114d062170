// The sockets by which c-ares reaches the host's resolvers. Internal to dns/.
#ifndef MINI_SANDBOX_NETSTACK_DNS_RESOLVER_SOCKETS_H_
#define MINI_SANDBOX_NETSTACK_DNS_RESOLVER_SOCKETS_H_

#include <ares.h>
#include <sys/socket.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/status.h"
#include "netstack/dns/dns_server.h"

namespace mini::netstack {

// Theory of operation. A link-local resolver (fe80::1%eth0) needs the number of its interface at
// connect(2). c-ares has a callback to look it up, but as of 1.34.5 drops it when it is set
// (ares_set_socket_functions_ex), and then passes over such servers. So c-ares gets a stand-in for
// them, an address of the discard prefix (RFC 6666) that nobody has, and here, where c-ares
// connects, the stand-in is replaced; and put back where c-ares compares who has answered.
class ResolverSockets {
 public:
  // `interface_index` as ResolverConfig has it.
  explicit ResolverSockets(std::function<unsigned(const std::string& interface)> interface_index);
  ResolverSockets(const ResolverSockets&) = delete;
  ResolverSockets& operator=(const ResolverSockets&) = delete;

  // From then on this object has to outlive the channel.
  Status Install(ares_channel_t* channel);
  // As ares_set_servers_ports_csv(3) wants them; for that call, which ends what was before. A
  // server whose zone is no interface's name or number is left out.
  std::string ServerList(const std::vector<NameServer>& servers);

 private:
  struct LinkLocal {
    IpAddress stand_in;
    Endpoint real;
    unsigned index;
  };
  unsigned IndexOf(const std::string& zone) const;  // 0: none

  static ares_socket_t Open(int domain, int type, int protocol, void* self);
  static int Close(ares_socket_t fd, void* self);
  static int SetOption(ares_socket_t fd, ares_socket_opt_t option, const void* value,
                       ares_socklen_t size, void* self);
  static int Connect(ares_socket_t fd, const sockaddr* address, ares_socklen_t length,
                     unsigned flags, void* self);
  static ares_ssize_t Receive(ares_socket_t fd, void* buffer, size_t size, int flags,
                              sockaddr* from, ares_socklen_t* length, void* self);
  static ares_ssize_t Send(ares_socket_t fd, const void* buffer, size_t size, int flags,
                           const sockaddr* to, ares_socklen_t length, void* self);
  static int OwnName(ares_socket_t fd, sockaddr* address, ares_socklen_t* length, void* self);

  std::function<unsigned(const std::string& interface)> interface_index_;
  std::vector<LinkLocal> link_locals_;
  std::map<ares_socket_t, Endpoint> replaced_;  // connected to a link-local: what c-ares knows
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_DNS_RESOLVER_SOCKETS_H_
