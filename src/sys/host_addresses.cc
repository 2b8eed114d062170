#include "sys/host_addresses.h"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

namespace mini {

Result<std::vector<IpAddress>> ReadHostAddresses() {
  // glibc's getifaddrs(3) asks the kernel by netlink itself; no NSS module is involved, so that a
  // static binary can use it.
  ifaddrs* head = nullptr;
  if (getifaddrs(&head) != 0) {
    return SystemError(Stage::kProbe, errno, "list the addresses of this machine's interfaces");
  }
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> list(head, &freeifaddrs);
  std::vector<IpAddress> addresses;
  for (const ifaddrs* entry = head; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;  // an interface without an address
    sockaddr_storage storage{};
    if (entry->ifa_addr->sa_family == AF_INET) {
      std::memcpy(&storage, entry->ifa_addr, sizeof(sockaddr_in));
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      std::memcpy(&storage, entry->ifa_addr, sizeof(sockaddr_in6));
    } else {
      continue;  // AF_PACKET
    }
    if (const std::optional<Endpoint> endpoint = FromSockaddr(storage)) {
      addresses.push_back(endpoint->address);
    }
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

}  // namespace mini
