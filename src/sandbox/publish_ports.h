// -p, on this side: the ports of the host that lead inside.
#ifndef MINI_SANDBOX_SANDBOX_PUBLISH_PORTS_H_
#define MINI_SANDBOX_SANDBOX_PUBLISH_PORTS_H_

#include <functional>
#include <span>
#include <string_view>

#include "base/status.h"
#include "netstack/published_port.h"
#include "policy/port_request.h"

namespace mini {

// In the stack's process, before it confines itself: a port that cannot be had ends the run.
// `on_port` is told which ports the kernel chose.
Result<netstack::InboundOptions> PublishPorts(std::span<const PortRequest> requests,
                                              const std::function<void(std::string_view)>& on_port);

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_PUBLISH_PORTS_H_
