#include "sandbox/publish_ports.h"

#include <utility>

#include "base/strings.h"
#include "sys/published_ports.h"
#include "sys/tap.h"

namespace mini {

Result<netstack::InboundOptions> PublishPorts(
    std::span<const PortRequest> requests, const std::function<void(std::string_view)>& on_port) {
  const TapOptions tap;
  netstack::InboundOptions inbound;
  inbound.sandbox_v4 = tap.address_v4;
  inbound.sandbox_v6 = tap.address_v6;
  inbound.gateway_v4 = tap.gateway_v4;
  inbound.gateway_v6 = tap.gateway_v6;
  for (const PortRequest& request : requests) {
    const bool tcp = request.protocol == netstack::Protocol::kTcp;
    MINI_ASSIGN_OR_RETURN(
        BoundPort bound,
        BindPublishedPort(tcp ? PortProtocol::kTcp : PortProtocol::kUdp, request.host));
    if (request.host.port == 0) {
      on_port(StrCat("published ", netstack::ProtocolName(request.protocol), " ",
                     bound.host.ToString(), " to ", request.port));
    }
    inbound.ports.push_back({request.protocol, std::move(bound.socket), bound.host, request.port});
  }
  return inbound;
}

}  // namespace mini
