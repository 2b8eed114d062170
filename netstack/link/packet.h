// What a frame from the sandbox says. ParseFrame is a pure function over the frame's bytes.
//
// Everything that is later handed to lwIP is validated here: lengths, flags, every TCP option. lwIP
// up to 2.2.1 reads one byte past a truncated option and takes an MSS from any segment, so neither
// may reach it.
#ifndef MINI_SANDBOX_NETSTACK_LINK_PACKET_H_
#define MINI_SANDBOX_NETSTACK_LINK_PACKET_H_

#include <cstdint>
#include <span>

#include "base/ip_address.h"
#include "netstack/link/link.h"

namespace mini::netstack {

inline constexpr size_t kVnetHeaderSize = 10;  // struct virtio_net_hdr
inline constexpr size_t kEthernetHeaderSize = 14;
inline constexpr size_t kLinkHeaderSize = kVnetHeaderSize + kEthernetHeaderSize;
inline constexpr size_t kIpv4HeaderSize = 20;
inline constexpr size_t kIpv6HeaderSize = 40;
inline constexpr size_t kIpv6FragmentHeaderSize = 8;
inline constexpr size_t kTcpHeaderSize = 20;
inline constexpr size_t kUdpHeaderSize = 8;
inline constexpr size_t kIcmpHeaderSize = 8;
// The longest frame there is: an IPv6 packet without jumbo payload, or an IPv4 packet.
inline constexpr size_t kMaxFrameSize = kLinkHeaderSize + kIpv6HeaderSize + 65535;

inline constexpr uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr uint16_t kEtherTypeArp = 0x0806;
inline constexpr uint16_t kEtherTypeIpv6 = 0x86dd;

inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolUdp = 17;
inline constexpr uint8_t kProtocolIpv6Fragment = 44;
inline constexpr uint8_t kProtocolIcmpv6 = 58;

inline constexpr uint8_t kTcpFin = 0x01;
inline constexpr uint8_t kTcpSyn = 0x02;
inline constexpr uint8_t kTcpRst = 0x04;
inline constexpr uint8_t kTcpAck = 0x10;
inline constexpr uint8_t kTcpUrg = 0x20;

enum class PacketKind : uint8_t {
  kMalformed,  // breaks its protocol: dropped without an answer
  kTcp,
  kUdp,
  kEchoRequest,            // ICMP or ICMPv6
  kArpRequest,             // source and destination: sender's and target's protocol address
  kNeighbourSolicitation,  // destination: the target
  kOtherProtocol,          // a protocol this stack does not carry: answered with unreachable
  kExtensionHeader,        // an IPv6 packet that does not start with its transport header
  kFragment,               // for reassembly.h; the payload is the fragment's part
  kIgnored,                // multicast, DHCP, unknown Ethernet types: dropped without an answer
};

// Offsets count from the frame's first byte (the vnet header).
struct Packet {
  PacketKind kind = PacketKind::kMalformed;
  IpAddress source;
  IpAddress destination;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  size_t ip_offset = 0;
  size_t ip_length = 0;  // as the IP header has it: without padding of the link
  size_t transport_offset = 0;
  size_t payload_offset = 0;  // behind the TCP, UDP or ICMP header
  size_t payload_length = 0;
  uint16_t datagram_size = 0;  // kUdp: not 0 when the payload is a row of datagrams of this size
  // The sender wants to hear of a path on which this is too long: IPv4's DF; over IPv6, where only
  // senders make fragments, every packet that is in one piece.
  bool dont_fragment = false;
  uint8_t hop_limit = 0;  // IPv6

  uint8_t tcp_flags = 0;
  uint32_t tcp_sequence = 0;
  uint32_t tcp_acknowledgment = 0;
  uint16_t tcp_urgent = 0;  // how far behind the sequence number urgent data ends; 0: there is none

  uint16_t echo_identifier = 0;
  uint16_t echo_sequence = 0;
  MacAddress sender_mac{};  // kArpRequest

  // kFragment
  uint32_t fragment_identification = 0;
  uint32_t fragment_offset = 0;  // of the payload, in bytes
  bool more_fragments = false;
  uint8_t fragment_protocol = 0;
};

Packet ParseFrame(std::span<const uint8_t> frame);

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_LINK_PACKET_H_
