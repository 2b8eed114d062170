// The host's side of published ports: sockets that are bound before the command runs.
#ifndef MINI_SANDBOX_SYS_PUBLISHED_PORTS_H_
#define MINI_SANDBOX_SYS_PUBLISHED_PORTS_H_

#include "base/ip_address.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace mini {

enum class PortProtocol { kTcp, kUdp };

struct BoundPort {
  UniqueFd socket;  // non-blocking
  Endpoint host;    // with the port that the kernel chose where 0 was asked for
};

// A listening TCP socket, or a UDP socket that tells to which address each datagram came.
Result<BoundPort> BindPublishedPort(PortProtocol protocol, const Endpoint& host);

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_PUBLISHED_PORTS_H_
