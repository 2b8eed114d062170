// -p: a port of the sandbox that the host is to reach.
#ifndef MINI_SANDBOX_POLICY_PORT_REQUEST_H_
#define MINI_SANDBOX_POLICY_PORT_REQUEST_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ip_address.h"
#include "base/status.h"
#include "netstack/filter/rules.h"

namespace mini {

struct PortRequest {
  netstack::Protocol protocol = netstack::Protocol::kTcp;  // or kUdp
  // On the host. Port 0: any that is free.
  Endpoint host{IpAddress::V4(127, 0, 0, 1), 0};
  uint16_t port = 0;  // inside

  // "tcp 127.0.0.1:8080 to 80"
  std::string ToString() const;
  friend bool operator==(const PortRequest&, const PortRequest&) = default;
};

// "[ADDR:][HOSTPORT:]PORT[/tcp|/udp]": an IPv6 address in brackets; without HOSTPORT the same port
// on both sides.
Result<PortRequest> ParsePortRequest(std::string_view text);

}  // namespace mini

#endif  // MINI_SANDBOX_POLICY_PORT_REQUEST_H_
