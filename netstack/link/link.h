// A link carries Ethernet frames between the sandbox's kernel and the stack. TapLink is the real
// one; in tests it is a socket pair that carries the same bytes.
#ifndef MINI_SANDBOX_NETSTACK_LINK_LINK_H_
#define MINI_SANDBOX_NETSTACK_LINK_LINK_H_

#include <array>
#include <cstdint>
#include <memory>

#include "base/status.h"
#include "base/unique_fd.h"

namespace mini::netstack {

using MacAddress = std::array<uint8_t, 6>;

// A frame on the descriptor is a struct virtio_net_hdr (10 bytes, little-endian as the host:
// <linux/virtio_net.h>) followed by an Ethernet frame: TAP opened with IFF_TAP | IFF_NO_PI |
// IFF_VNET_HDR and TUNSETOFFLOAD CSUM|TSO4|TSO6(|USO4|USO6). One read(2) or write(2) is one frame,
// so a SOCK_SEQPACKET or SOCK_DGRAM socketpair can stand in for the TAP. Non-blocking.
struct LinkOptions {
  UniqueFd fd;
  MacAddress sandbox_mac{};  // of the TAP device inside
  uint16_t mtu = 1500;
  // Whether a row of datagrams may be written as one frame (VIRTIO_NET_HDR_GSO_UDP_L4): the device
  // takes it where it also took TUN_F_USO4 and TUN_F_USO6.
  bool udp_segmentation = false;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_LINK_LINK_H_
