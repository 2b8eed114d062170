// The supervisor's side of the network stage: a TAP device in the sandbox's network namespace.
#ifndef MINI_SANDBOX_SYS_TAP_H_
#define MINI_SANDBOX_SYS_TAP_H_

#include <array>
#include <cstdint>
#include <string>

#include "base/ip_address.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace mini {

struct TapOptions {
  std::string name = "tap0";  // at most 15 bytes (IFNAMSIZ)
  // 1500 as everywhere: with segmentation offload a larger one gains nothing, and programs that
  // send datagrams see what they see on the host.
  uint16_t mtu = 1500;
  // Frames; ip-link(8)'s txqueuelen. What finds no room is lost, so it has to hold what two
  // thousand connections send before the stack has its turn on a busy machine.
  uint32_t transmit_queue_length = 4096;
  IpAddress address_v4 = IpAddress::V4(198, 18, 0, 1);
  IpAddress address_v6 = *IpAddress::Parse("fd6d:696e:6900::1");
  // The next hop of the default routes. Nothing answers there, and nothing needs to: the link has
  // neither ARP nor neighbour discovery. It only has to be an address.
  IpAddress gateway_v4 = IpAddress::V4(198, 18, 0, 2);
  IpAddress gateway_v6 = *IpAddress::Parse("fd6d:696e:6900::2");
};

struct Tap {
  UniqueFd fd;  // non-blocking; each frame has a 10-byte virtio_net_hdr before it
  std::array<uint8_t, 6> mac{};
  uint16_t mtu = 0;
  bool ipv6 = true;  // false: this kernel runs without IPv6
  bool udp_segmentation =
      true;  // false: the kernel is older than USO (6.2), frames have no UDP GSO
};

// Makes the device, brings it and the loopback up, and routes every address of both families into
// it. `tun` is a fresh /dev/net/tun and `netlink` a fresh NETLINK_ROUTE socket, both opened inside
// the sandbox's network namespace: they act there, whoever uses them. The kernel asks for
// CAP_NET_ADMIN over that namespace from the caller too, which the creator of its user namespace
// has from outside (user_namespaces(7)). The netlink socket is closed at the end.
Result<Tap> ConfigureTap(UniqueFd tun, UniqueFd netlink, const TapOptions& options);

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_TAP_H_
