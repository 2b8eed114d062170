// Asks the kernel about this machine's network, as it is now.
#ifndef MINI_SANDBOX_SYS_HOST_NETWORK_H_
#define MINI_SANDBOX_SYS_HOST_NETWORK_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "base/status.h"
#include "base/unique_fd.h"

struct nlmsghdr;

namespace mini {

// For one thread at a time, since it owns its sockets and one buffer. It speaks of the network
// namespace it was opened in.
class HostNetwork {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;
  static Result<std::unique_ptr<HostNetwork>> Open(Clock clock = std::chrono::steady_clock::now);
  ~HostNetwork();
  HostNetwork(const HostNetwork&) = delete;
  HostNetwork& operator=(const HostNetwork&) = delete;

  // Of both families and every interface, up or down, loopback included; sorted, each once.
  Result<std::vector<IpAddress>> ReadAddresses();

  // Whether a packet to that address would end at this machine or be one for a group it may be in:
  // the kernel calls its route local, broadcast, anycast or multicast. False where no route leads
  // there, since nothing is reached then; true where the kernel can't be asked or understood.
  bool LeadsToThisHost(const IpAddress& address);

  // The number of the interface of that name; 0: there is none, or it can't be asked for.
  unsigned IndexOfInterface(std::string_view name);

 private:
  struct Buffers;
  HostNetwork(UniqueFd netlink, UniqueFd changes, Clock clock);
  // A request with its header of `size` bytes, zero but for what the caller fills in.
  nlmsghdr* Begin(uint16_t type, uint16_t flags, size_t header_size);
  bool Send(const nlmsghdr* request);
  // Calls `take` with each message that answers the last request until it says that it was the last
  // one; false: there is none any more.
  bool Receive(const std::function<bool(const nlmsghdr& message)>& take);

  // Whether the kernel has told of a change since the last call.
  bool HasChanged();
  std::optional<bool> AskWhetherItEndsHere(const IpAddress& address);

  UniqueFd netlink_;
  UniqueFd changes_;
  const Clock clock_;
  std::map<IpAddress, bool> ends_here_;                // what was answered since the last change
  std::chrono::steady_clock::time_point known_since_;  // no answer is older
  uint32_t sequence_ = 0;
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_HOST_NETWORK_H_
