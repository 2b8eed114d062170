#include "netstack/dns/resolver_sockets.h"

#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/strings.h"

namespace mini::netstack {
namespace {

// c-ares passes addresses as sockaddr; a copy is aligned for every family.
std::optional<Endpoint> ReadEndpoint(const sockaddr* address, ares_socklen_t length) {
  sockaddr_storage storage{};
  std::memcpy(&storage, address, std::min<size_t>(length, sizeof storage));
  return FromSockaddr(storage);
}

}  // namespace

ResolverSockets::ResolverSockets(
    std::function<unsigned(const std::string& interface)> interface_index)
    : interface_index_(std::move(interface_index)) {
  if (interface_index_) return;
  interface_index_ = [](const std::string& interface) { return if_nametoindex(interface.c_str()); };
}

Status ResolverSockets::Install(ares_channel_t* channel) {
  ares_socket_functions_ex functions{};
  functions.version = 1;
  functions.flags = ARES_SOCKFUNC_FLAG_NONBLOCKING;
  functions.asocket = Open;
  functions.aclose = Close;
  functions.asetsockopt = SetOption;
  functions.aconnect = Connect;
  functions.arecvfrom = Receive;
  functions.asendto = Send;
  functions.agetsockname = OwnName;
  if (ares_set_socket_functions_ex(channel, &functions, this) == ARES_SUCCESS) return OkStatus();
  return Status(StatusCode::kSystem, Stage::kNetwork, "set up the sockets of the resolver");
}

unsigned ResolverSockets::IndexOf(const std::string& zone) const {
  constexpr uint64_t kMaxIndex = INT32_MAX;
  if (const auto number = ParseDecimal(zone, kMaxIndex)) return static_cast<unsigned>(*number);
  return interface_index_(zone);
}

std::string ResolverSockets::ServerList(const std::vector<NameServer>& servers) {
  link_locals_.clear();
  if (servers.empty()) return "127.0.0.1:53";
  std::string list;
  for (const NameServer& server : servers) {
    Endpoint known = server.endpoint;
    if (!server.zone.empty()) {
      const unsigned index = IndexOf(server.zone);
      if (index == 0) continue;
      known.address = *IpAddress::Parse(StrCat("100::", link_locals_.size() + 1));
      link_locals_.push_back({known.address, server.endpoint, index});
    }
    list += StrCat(list.empty() ? "" : ",", known.ToString());
  }
  return list;
}

ares_socket_t ResolverSockets::Open(int domain, int type, int protocol, void* /*self*/) {
  const int fd = socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (fd < 0) return ARES_SOCKET_BAD;
  const int on = 1;
  // Only a matter of speed: a query is one small segment.
  if (type == SOCK_STREAM) (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

int ResolverSockets::Close(ares_socket_t fd, void* self) {
  static_cast<ResolverSockets*>(self)->replaced_.erase(fd);
  return close(fd);
}

// Buffer sizes, a device and TCP Fast Open: not wanted, which ENOSYS says.
int ResolverSockets::SetOption(ares_socket_t /*fd*/, ares_socket_opt_t /*option*/,
                               const void* /*value*/, ares_socklen_t /*size*/, void* /*self*/) {
  errno = ENOSYS;
  return -1;
}

int ResolverSockets::Connect(ares_socket_t fd, const sockaddr* address, ares_socklen_t length,
                             unsigned /*flags*/, void* self) {
  auto& sockets = *static_cast<ResolverSockets*>(self);
  const auto to = ReadEndpoint(address, length);
  const auto& all = sockets.link_locals_;
  const auto link_local = std::find_if(all.begin(), all.end(), [&](const LinkLocal& candidate) {
    return to && candidate.stand_in == to->address;
  });
  if (link_local == all.end()) return connect(fd, address, length);
  sockaddr_in6 real{};
  const auto bytes = link_local->real.address.bytes();
  real.sin6_family = AF_INET6;
  real.sin6_port = htons(to->port);
  std::copy(bytes.begin(), bytes.end(), real.sin6_addr.s6_addr);
  real.sin6_scope_id = link_local->index;
  sockets.replaced_[fd] = *to;
  return connect(fd, reinterpret_cast<const sockaddr*>(&real), sizeof real);
}

ares_ssize_t ResolverSockets::Receive(ares_socket_t fd, void* buffer, size_t size, int flags,
                                      sockaddr* from, ares_socklen_t* length, void* self) {
  const ares_ssize_t received = recvfrom(fd, buffer, size, flags, from, length);
  if (received < 0 || from == nullptr || length == nullptr) return received;
  const auto& replaced = static_cast<ResolverSockets*>(self)->replaced_;
  const auto found = replaced.find(fd);
  if (found == replaced.end()) return received;
  // The socket is connected: whatever it receives is from there.
  sockaddr_storage storage;
  *length = ToSockaddr(found->second, storage);
  std::memcpy(from, &storage, *length);  // c-ares' buffers are sockaddr_storage
  return received;
}

ares_ssize_t ResolverSockets::Send(ares_socket_t fd, const void* buffer, size_t size, int flags,
                                   const sockaddr* to, ares_socklen_t length, void* /*self*/) {
  return sendto(fd, buffer, size, flags | MSG_NOSIGNAL, to, length);
}

int ResolverSockets::OwnName(ares_socket_t fd, sockaddr* address, ares_socklen_t* length,
                             void* /*self*/) {
  return getsockname(fd, address, length);
}

}  // namespace mini::netstack
