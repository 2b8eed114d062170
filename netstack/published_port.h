// Ports of the sandbox that the host can reach, through the stack.
#ifndef MINI_SANDBOX_NETSTACK_PUBLISHED_PORT_H_
#define MINI_SANDBOX_NETSTACK_PUBLISHED_PORT_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "netstack/filter/flow_record.h"
#include "netstack/filter/rules.h"

namespace mini::netstack {

struct PublishedPort {
  Protocol protocol = Protocol::kTcp;  // or kUdp
  // Bound, non-blocking; listening where it is TCP's. For UDP with IP_PKTINFO (IPV6_RECVPKTINFO)
  // set, so that an answer leaves from the address that was asked.
  UniqueFd socket;
  Endpoint host;      // where it is bound
  uint16_t port = 0;  // inside

  // As -p names it, without the protocol: "127.0.0.1:8080:8000".
  std::string ToString() const { return StrCat(host.ToString(), ":", port); }
};

// The record of a flow from `client`, who has come to that port.
using AcceptInbound = std::function<FlowRecord(const PublishedPort& port, const Endpoint& client)>;
using RefuseInbound = std::function<void(const PublishedPort& port, const Endpoint& client)>;

struct InboundOptions {
  std::vector<PublishedPort> ports;
  // Where servers inside are reached, and who it is that reaches them as they see it: the next hop
  // of the sandbox's default routes, which nobody else is.
  IpAddress sandbox_v4, sandbox_v6;
  IpAddress gateway_v4, gateway_v6;
  // One sentence; called in the stack's process.
  std::function<void(std::string_view)> on_notice = [](std::string_view) {};
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_PUBLISHED_PORT_H_
