// struct virtio_net_hdr, by which kernel and stack leave each other checksums and segmentation.
// <linux/virtio_net.h> has a field named `class` and cannot be included here; the values are those
// of the virtio specification, 5.1.6.
#ifndef MINI_SANDBOX_NETSTACK_LINK_VNET_H_
#define MINI_SANDBOX_NETSTACK_LINK_VNET_H_

#include <cstdint>

namespace mini::netstack {

inline constexpr uint8_t kVnetNeedsChecksum = 1;
inline constexpr uint8_t kVnetDataValid = 2;

inline constexpr uint8_t kVnetGsoNone = 0;
inline constexpr uint8_t kVnetGsoTcpV4 = 1;
inline constexpr uint8_t kVnetGsoTcpV6 = 4;
inline constexpr uint8_t kVnetGsoUdp = 5;  // UDP_L4: Linux 6.2
inline constexpr uint8_t kVnetGsoEcn = 0x80;

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_LINK_VNET_H_
