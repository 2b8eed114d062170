// Asks the kernel where an address leads, as things are now.
#ifndef MINI_SANDBOX_SYS_ROUTE_PROBE_H_
#define MINI_SANDBOX_SYS_ROUTE_PROBE_H_

#include <cstdint>
#include <memory>

#include "base/ip_address.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace mini {

// For one thread at a time, since it owns one socket and one buffer. It speaks of the network
// namespace it was opened in.
class RouteProbe {
 public:
  static Result<std::unique_ptr<RouteProbe>> Open();
  ~RouteProbe();
  RouteProbe(const RouteProbe&) = delete;
  RouteProbe& operator=(const RouteProbe&) = delete;

  // Whether a packet to that address would end at this machine or be one for a group it may be in:
  // the kernel calls its route local, broadcast, anycast or multicast. False where no route leads
  // there, since nothing is reached then; true where the kernel can't be asked or understood.
  bool LeadsToThisHost(const IpAddress& address);

 private:
  struct Buffers;
  explicit RouteProbe(UniqueFd netlink);

  UniqueFd netlink_;
  uint32_t sequence_ = 0;
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_ROUTE_PROBE_H_
