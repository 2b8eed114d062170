// Frames towards the sandbox that do not come from lwIP: resets, datagrams, ICMP, ARP and neighbour
// advertisements. Pure functions that write into a buffer and return the number of bytes written.
#ifndef MINI_SANDBOX_NETSTACK_LINK_FRAME_BUILDER_H_
#define MINI_SANDBOX_NETSTACK_LINK_FRAME_BUILDER_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "netstack/link/packet.h"

namespace mini::netstack {

// The source of all our frames: locally administered, and nobody else's.
inline constexpr MacAddress kStackMac = {0x02, 0x00, 0x00, 0x00, 0x00, 0x01};

// Room for every frame built here but for datagrams, whose payload is not copied.
using SmallFrame = std::array<uint8_t, kLinkHeaderSize + 1280>;

// What the kernel inside is to do with the frame (virtio_net_hdr).
struct Offload {
  bool partial_checksum = false;
  size_t transport_offset = 0;  // from the frame's first byte
  uint16_t checksum_offset = 0;
  uint8_t gso_type = 0;  // kVnetGso...
  uint16_t gso_size = 0;
  uint16_t header_length = 0;  // from the Ethernet header's first byte; with GSO
};

// The vnet header and the Ethernet header.
void WriteLinkHeader(ByteWriter& out, const MacAddress& sandbox_mac, uint16_t ether_type,
                     const Offload& offload);

// The answer to a segment that belongs to no connection (RFC 9293, 3.5.2); nothing for a reset.
std::optional<size_t> BuildTcpReset(std::span<uint8_t> out, const MacAddress& sandbox_mac,
                                    const Packet& segment);

// Everything before a UDP payload of `payload_length` bytes. The checksum is left partial. With
// `datagram_size`, the payload is a row of datagrams of that size.
size_t BuildUdpHeaders(std::span<uint8_t> out, const MacAddress& sandbox_mac,
                       const Endpoint& source, const Endpoint& destination, size_t payload_length,
                       uint16_t datagram_size = 0);

enum class Unreachable : uint8_t {
  kNetwork,     // connect(2) inside reports ENETUNREACH
  kHost,        // EHOSTUNREACH
  kProtocol,    // ENOPROTOOPT over IPv4, EPROTO over IPv6
  kPort,        // ECONNREFUSED
  kProhibited,  // EHOSTUNREACH over IPv4 (code 13), EACCES over IPv6
};

// What an ICMP error says besides what it quotes.
struct IcmpError {
  uint8_t type = 0;
  uint8_t code = 0;
  uint32_t rest = 0;  // the four bytes before the quote: an MTU, a pointer, or nothing
  friend bool operator==(const IcmpError&, const IcmpError&) = default;
};
IcmpError IcmpErrorFor(Unreachable why, IpFamily family);
IcmpError PacketTooBig(uint32_t mtu, IpFamily family);

// `ip_packet` is what is answered, and what is quoted of.
size_t BuildIcmpError(std::span<uint8_t> out, const MacAddress& sandbox_mac, const IcmpError& error,
                      const IpAddress& source, const IpAddress& destination,
                      std::span<const uint8_t> ip_packet);
size_t BuildUnreachable(std::span<uint8_t> out, const MacAddress& sandbox_mac, Unreachable why,
                        const IpAddress& source, const IpAddress& destination,
                        std::span<const uint8_t> ip_packet);

// Transport headers with their checksum complete.
std::array<uint8_t, kUdpHeaderSize> MakeUdpHeader(const Endpoint& source,
                                                  const Endpoint& destination,
                                                  std::span<const uint8_t> payload);
enum class EchoType : uint8_t { kRequest, kReply };
std::array<uint8_t, kIcmpHeaderSize> MakeEchoHeader(EchoType type, const IpAddress& source,
                                                    const IpAddress& destination,
                                                    uint16_t identifier, uint16_t sequence,
                                                    std::span<const uint8_t> payload);

// Everything before a transport header; nothing is left to the kernel inside.
size_t BuildIpHeaders(std::span<uint8_t> out, const MacAddress& sandbox_mac,
                      const IpAddress& source, const IpAddress& destination, uint8_t protocol,
                      size_t transport_length);

struct Fragment {
  uint32_t identification = 0;  // IPv4 has room for half of it
  size_t offset = 0;            // in bytes, a multiple of eight
  size_t length = 0;
  bool more = false;
};
// Everything before a fragment's part of the transport's bytes.
size_t BuildFragmentHeaders(std::span<uint8_t> out, const MacAddress& sandbox_mac,
                            const IpAddress& source, const IpAddress& destination, uint8_t protocol,
                            const Fragment& fragment);

size_t BuildArpReply(std::span<uint8_t> out, const MacAddress& sandbox_mac, const Packet& request);
size_t BuildNeighbourAdvertisement(std::span<uint8_t> out, const MacAddress& sandbox_mac,
                                   const Packet& solicitation);

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_LINK_FRAME_BUILDER_H_
