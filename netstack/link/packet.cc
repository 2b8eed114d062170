#include "netstack/link/packet.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "netstack/link/checksum.h"
#include "netstack/link/vnet.h"

namespace mini::netstack {

namespace {

// The fields are in the host's byte order on a TAP (tun(4), TUNSETVNETLE).
struct VnetHeader {
  uint8_t flags = 0;
  uint8_t gso_type = 0;
  uint16_t gso_size = 0;
  uint16_t checksum_start = 0;
  uint16_t checksum_offset = 0;

  bool partial_checksum() const { return (flags & kVnetNeedsChecksum) != 0; }
  bool checksum_verified() const { return (flags & kVnetDataValid) != 0; }
};

uint16_t HostOrder16(std::span<const uint8_t> bytes) {
  uint16_t value = 0;
  if (bytes.size() == sizeof value) std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

VnetHeader ReadVnetHeader(ByteReader& reader) {
  VnetHeader header;
  header.flags = reader.U8();
  header.gso_type = reader.U8() & static_cast<uint8_t>(~kVnetGsoEcn);
  reader.Skip(2);  // hdr_len: a hint
  header.gso_size = HostOrder16(reader.Take(2));
  header.checksum_start = HostOrder16(reader.Take(2));
  header.checksum_offset = HostOrder16(reader.Take(2));
  return header;
}

bool IsMulticastOrBroadcast(const IpAddress& address) {
  const auto bytes = address.bytes();
  if (address.is_v6()) return bytes[0] == 0xff;
  return (bytes[0] & 0xf0) == 0xe0 ||
         std::ranges::all_of(bytes, [](uint8_t b) { return b == 255; });
}

bool IsUnspecified(const IpAddress& address) {
  return std::ranges::all_of(address.bytes(), [](uint8_t b) { return b == 0; });
}

// Whether the transport checksum is right, or the sandbox's kernel vouches for it, or left it to be
// finished by us (which nobody does: the bytes never touch a wire).
bool ChecksumHolds(const VnetHeader& vnet, const Packet& packet, std::span<const uint8_t> segment,
                   uint8_t protocol, size_t checksum_offset) {
  if (vnet.partial_checksum()) {
    return vnet.checksum_start + kVnetHeaderSize == packet.transport_offset &&
           vnet.checksum_offset == checksum_offset;
  }
  if (vnet.checksum_verified()) return true;
  const uint64_t pseudo = PseudoHeaderSum(packet.source, packet.destination, protocol,
                                          static_cast<uint32_t>(segment.size()));
  return ChecksumFold(ChecksumAdd(pseudo, segment)) == 0xffff;
}

// A row of segments in one frame needs a partial checksum: each segment's is its own.
bool OffloadFits(const VnetHeader& vnet, const Packet& packet, uint8_t protocol) {
  if (vnet.gso_type == kVnetGsoNone) return true;
  if (!vnet.partial_checksum() || vnet.gso_size == 0) return false;
  switch (vnet.gso_type) {
    case kVnetGsoTcpV4:
      return protocol == kProtocolTcp && packet.source.is_v4();
    case kVnetGsoTcpV6:
      return protocol == kProtocolTcp && packet.source.is_v6();
    case kVnetGsoUdp:
      return protocol == kProtocolUdp;
    default:
      return false;
  }
}

// RFC 9293, 3.2 and RFC 7323, RFC 2018. MSS and window scale belong to a SYN.
bool TcpOptionsAreSound(std::span<const uint8_t> options, bool syn) {
  for (size_t at = 0; at < options.size();) {
    const uint8_t kind = options[at];
    if (kind == 0) return true;
    if (kind == 1) {
      ++at;
      continue;
    }
    if (at + 1 >= options.size()) return false;
    const uint8_t length = options[at + 1];
    if (length < 2 || length > options.size() - at) return false;
    switch (kind) {
      case 2:
        if (!syn || length != 4) return false;
        break;
      case 3:
        if (!syn || length != 3) return false;
        break;
      case 4:
        if (!syn || length != 2) return false;
        break;
      case 5:
        if (length < 10 || length % 8 != 2) return false;
        break;
      case 8:
        if (length != 10) return false;
        break;
      default:
        break;
    }
    at += length;
  }
  return true;
}

// The combinations that a sound sender uses. SYN with ACK answers a SYN of ours, to a published
// port; whether there was one, the flow table knows.
bool TcpFlagsAreSound(uint8_t flags) {
  const bool syn = (flags & kTcpSyn) != 0;
  const bool ack = (flags & kTcpAck) != 0;
  const bool rst = (flags & kTcpRst) != 0;
  const bool fin = (flags & kTcpFin) != 0;
  if (syn) return !rst && !fin;
  if (rst) return !fin;
  return ack;
}

PacketKind ParseTcp(const VnetHeader& vnet, std::span<const uint8_t> segment, Packet& packet) {
  ByteReader reader(segment);
  packet.source_port = reader.U16();
  packet.destination_port = reader.U16();
  packet.tcp_sequence = reader.U32();
  packet.tcp_acknowledgment = reader.U32();
  const size_t header_length = size_t{reader.U8()} >> 4 << 2;
  packet.tcp_flags = reader.U8();
  reader.Skip(4);  // window, checksum
  const uint16_t urgent = reader.U16();
  if ((packet.tcp_flags & kTcpUrg) != 0) packet.tcp_urgent = urgent;
  if (reader.failed() || header_length < kTcpHeaderSize || header_length > segment.size()) {
    return PacketKind::kMalformed;
  }
  const auto options = segment.subspan(kTcpHeaderSize, header_length - kTcpHeaderSize);
  if (packet.source_port == 0 || packet.destination_port == 0 ||
      !TcpFlagsAreSound(packet.tcp_flags) ||
      !TcpOptionsAreSound(options, (packet.tcp_flags & kTcpSyn) != 0) ||
      !OffloadFits(vnet, packet, kProtocolTcp) ||
      !ChecksumHolds(vnet, packet, segment, kProtocolTcp, 16)) {
    return PacketKind::kMalformed;
  }
  packet.payload_offset = packet.transport_offset + header_length;
  packet.payload_length = segment.size() - header_length;
  return PacketKind::kTcp;
}

PacketKind ParseUdp(const VnetHeader& vnet, std::span<const uint8_t> segment, Packet& packet) {
  ByteReader reader(segment);
  packet.source_port = reader.U16();
  packet.destination_port = reader.U16();
  const size_t length = reader.U16();
  const uint16_t checksum = reader.U16();
  if (reader.failed() || length < kUdpHeaderSize || length > segment.size() ||
      packet.destination_port == 0) {
    return PacketKind::kMalformed;
  }
  const auto datagram = segment.first(length);
  // Without a checksum over IPv4 (RFC 768); not allowed over IPv6 (RFC 8200, 8.1).
  const bool unchecked = checksum == 0 && packet.source.is_v4() && !vnet.partial_checksum();
  if (!OffloadFits(vnet, packet, kProtocolUdp) ||
      (!unchecked && checksum == 0 && !vnet.partial_checksum()) ||
      (!unchecked && !ChecksumHolds(vnet, packet, datagram, kProtocolUdp, 6))) {
    return PacketKind::kMalformed;
  }
  packet.payload_offset = packet.transport_offset + kUdpHeaderSize;
  packet.payload_length = length - kUdpHeaderSize;
  // No kernel makes longer rows (UDP_MAX_SEGMENTS): one frame is not to become 65,000 datagrams.
  constexpr size_t kMaxRow = 128;
  if (vnet.gso_type == kVnetGsoUdp && packet.payload_length > kMaxRow * vnet.gso_size) {
    return PacketKind::kMalformed;
  }
  if (vnet.gso_type == kVnetGsoUdp && packet.payload_length > vnet.gso_size) {
    packet.datagram_size = vnet.gso_size;
  }
  return PacketKind::kUdp;
}

// Echo requests are answered from the host's side; other ICMP from the sandbox has no addressee.
PacketKind ParseIcmp(std::span<const uint8_t> message, Packet& packet) {
  ByteReader reader(message);
  const uint8_t type = reader.U8();
  reader.Skip(3);
  packet.echo_identifier = reader.U16();
  packet.echo_sequence = reader.U16();
  if (reader.failed() || ChecksumFold(ChecksumAdd(0, message)) != 0xffff) {
    return PacketKind::kMalformed;
  }
  if (type != 8) return PacketKind::kIgnored;
  packet.payload_offset = packet.transport_offset + kIcmpHeaderSize;
  packet.payload_length = message.size() - kIcmpHeaderSize;
  return PacketKind::kEchoRequest;
}

// The kernel sends ICMPv6 with NEEDS_CSUM as well when it may.
PacketKind ParseIcmpv6(const VnetHeader& vnet, std::span<const uint8_t> message, Packet& packet) {
  ByteReader reader(message);
  const uint8_t type = reader.U8();
  reader.Skip(3);
  packet.echo_identifier = reader.U16();
  packet.echo_sequence = reader.U16();
  if (reader.failed() || !ChecksumHolds(vnet, packet, message, kProtocolIcmpv6, 2)) {
    return PacketKind::kMalformed;
  }
  constexpr uint8_t kEcho = 128;
  constexpr uint8_t kNeighbourSolicitation = 135;
  if (type == kNeighbourSolicitation) {
    const auto target = IpAddress::FromBytes(reader.Take(16));
    // RFC 4861, 7.1.1. A packet in one piece: no datagram of fragments comes here (RFC 6980).
    if (!target || packet.hop_limit != 255 || IsMulticastOrBroadcast(*target)) {
      return PacketKind::kMalformed;
    }
    packet.destination = *target;
    // The unspecified source is duplicate address detection (RFC 4862, 5.4): silence is consent.
    return IsUnspecified(packet.source) ? PacketKind::kIgnored : PacketKind::kNeighbourSolicitation;
  }
  if (type != kEcho || IsMulticastOrBroadcast(packet.destination)) return PacketKind::kIgnored;
  packet.payload_offset = packet.transport_offset + kIcmpHeaderSize;
  packet.payload_length = message.size() - kIcmpHeaderSize;
  return PacketKind::kEchoRequest;
}

PacketKind ParseTransport(const VnetHeader& vnet, uint8_t protocol,
                          std::span<const uint8_t> transport, Packet& packet) {
  if (protocol == kProtocolIcmpv6 && packet.source.is_v6()) {
    return ParseIcmpv6(vnet, transport, packet);
  }
  if (IsMulticastOrBroadcast(packet.destination) || IsUnspecified(packet.source)) {
    return PacketKind::kIgnored;  // DHCP, mDNS, group membership: nobody is there
  }
  if (IsMulticastOrBroadcast(packet.source) || packet.source.is_loopback()) {
    return PacketKind::kMalformed;
  }
  switch (protocol) {
    case kProtocolTcp:
      return ParseTcp(vnet, transport, packet);
    case kProtocolUdp:
      return ParseUdp(vnet, transport, packet);
    case kProtocolIcmp:
      if (packet.source.is_v4()) return ParseIcmp(transport, packet);
      break;
    default:
      break;
  }
  return PacketKind::kOtherProtocol;
}

// `fragmentable` is the part of a packet that was cut, and the fields of `packet` are read: of an
// IPv4 packet the rest behind its header, of an IPv6 packet the rest behind the fragment header.
// `unfragmentable` is what counts towards the datagram's length besides.
PacketKind CheckFragment(const VnetHeader& vnet, std::span<const uint8_t> fragmentable,
                         size_t unfragmentable, Packet& packet) {
  constexpr size_t kMaxDatagram = 65535;
  if (IsMulticastOrBroadcast(packet.destination) || IsUnspecified(packet.source)) {
    return PacketKind::kIgnored;
  }
  packet.payload_length = fragmentable.size();
  const size_t end = unfragmentable + packet.fragment_offset + fragmentable.size();
  // Neither checksums nor segments are left to do on a packet that was cut already.
  if (IsMulticastOrBroadcast(packet.source) || packet.source.is_loopback() ||
      vnet.partial_checksum() || vnet.gso_type != kVnetGsoNone || fragmentable.empty() ||
      (packet.more_fragments && fragmentable.size() % 8 != 0) || end > kMaxDatagram) {
    return PacketKind::kMalformed;
  }
  return PacketKind::kFragment;
}

// RFC 791. `ip` is the rest of the frame, which may be longer than the packet.
PacketKind ParseIpv4(const VnetHeader& vnet, std::span<const uint8_t> ip, Packet& packet) {
  ByteReader reader(ip);
  const uint8_t version_and_length = reader.U8();
  reader.Skip(1);
  const size_t total_length = reader.U16();
  packet.fragment_identification = reader.U16();
  const uint16_t fragment = reader.U16();
  reader.Skip(1);
  const uint8_t protocol = reader.U8();
  reader.Skip(2);
  const auto source = IpAddress::FromBytes(reader.Take(4));
  const auto destination = IpAddress::FromBytes(reader.Take(4));
  const size_t header_length = size_t{version_and_length & 0x0fu} * 4;
  if (reader.failed() || !source || !destination || version_and_length >> 4 != 4 ||
      header_length < kIpv4HeaderSize || header_length > total_length || total_length > ip.size() ||
      Checksum(ip.first(header_length)) != 0) {
    return PacketKind::kMalformed;
  }
  packet.source = *source;
  packet.destination = *destination;
  packet.ip_length = total_length;
  packet.transport_offset = packet.ip_offset + header_length;
  packet.dont_fragment = (fragment & 0x4000) != 0;
  packet.more_fragments = (fragment & 0x2000) != 0;
  packet.fragment_offset = (fragment & 0x1fffu) * 8u;
  packet.fragment_protocol = protocol;
  const auto rest = ip.subspan(header_length, total_length - header_length);
  if (packet.more_fragments || packet.fragment_offset != 0) {
    packet.payload_offset = packet.transport_offset;
    return CheckFragment(vnet, rest, header_length, packet);
  }
  return ParseTransport(vnet, protocol, rest, packet);
}

// RFC 8200, 4.5. `rest` begins with the fragment header.
PacketKind ParseIpv6Fragment(const VnetHeader& vnet, std::span<const uint8_t> rest,
                             Packet& packet) {
  ByteReader reader(rest);
  packet.fragment_protocol = reader.U8();
  reader.Skip(1);
  const uint16_t offset_and_flags = reader.U16();
  packet.fragment_identification = reader.U32();
  if (reader.failed()) return PacketKind::kMalformed;
  packet.fragment_offset = offset_and_flags & 0xfff8u;
  packet.more_fragments = (offset_and_flags & 1) != 0;
  packet.payload_offset = packet.transport_offset + kIpv6FragmentHeaderSize;
  return CheckFragment(vnet, rest.subspan(kIpv6FragmentHeaderSize), 0, packet);
}

// RFC 8200. Of the extension headers only the fragment header is accepted: nothing the sandbox
// needs has another.
PacketKind ParseIpv6(const VnetHeader& vnet, std::span<const uint8_t> ip, Packet& packet) {
  ByteReader reader(ip);
  const uint32_t version_class_label = reader.U32();
  const size_t payload_length = reader.U16();
  const uint8_t next_header = reader.U8();
  packet.hop_limit = reader.U8();
  const auto source = IpAddress::FromBytes(reader.Take(16));
  const auto destination = IpAddress::FromBytes(reader.Take(16));
  if (reader.failed() || !source || !destination || version_class_label >> 28 != 6 ||
      payload_length > reader.remaining()) {
    return PacketKind::kMalformed;
  }
  packet.source = *source;
  packet.destination = *destination;
  packet.ip_length = kIpv6HeaderSize + payload_length;
  packet.transport_offset = packet.ip_offset + kIpv6HeaderSize;
  constexpr uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kAuthentication = 51,
                    kDestinationOptions = 60, kMobility = 135, kHip = 139, kShim6 = 140;
  switch (next_header) {
    case kFragment:
      return ParseIpv6Fragment(vnet, ip.subspan(kIpv6HeaderSize, payload_length), packet);
    case kHopByHop:
    case kRouting:
    case kAuthentication:
    case kDestinationOptions:
    case kMobility:
    case kHip:
    case kShim6:
      return IsMulticastOrBroadcast(packet.destination) || IsMulticastOrBroadcast(packet.source) ||
                     IsUnspecified(packet.source)
                 ? PacketKind::kIgnored
                 : PacketKind::kExtensionHeader;
    default:
      packet.dont_fragment = true;
      return ParseTransport(vnet, next_header, ip.subspan(kIpv6HeaderSize, payload_length), packet);
  }
}

// RFC 826, Ethernet and IPv4 only.
PacketKind ParseArp(std::span<const uint8_t> arp, Packet& packet) {
  ByteReader reader(arp);
  const uint16_t hardware = reader.U16();
  const uint16_t protocol = reader.U16();
  const uint8_t hardware_length = reader.U8();
  const uint8_t protocol_length = reader.U8();
  const uint16_t operation = reader.U16();
  const auto sender_mac = reader.Take(6);
  const auto sender = IpAddress::FromBytes(reader.Take(4));
  reader.Skip(6);
  const auto target = IpAddress::FromBytes(reader.Take(4));
  if (reader.failed() || !sender || !target || hardware != 1 || protocol != kEtherTypeIpv4 ||
      hardware_length != 6 || protocol_length != 4) {
    return PacketKind::kMalformed;
  }
  packet.source = *sender;
  packet.destination = *target;
  std::ranges::copy(sender_mac, packet.sender_mac.begin());
  // A probe for the sandbox's own address (RFC 5227) is to stay unanswered.
  if (operation != 1 || *sender == *target || IsUnspecified(*sender)) return PacketKind::kIgnored;
  return PacketKind::kArpRequest;
}

}  // namespace

Packet ParseFrame(std::span<const uint8_t> frame) {
  Packet packet;
  ByteReader reader(frame);
  const VnetHeader vnet = ReadVnetHeader(reader);
  reader.Skip(12);  // the device inside is NOARP: its frames carry any destination
  const uint16_t ether_type = reader.U16();
  if (reader.failed()) return packet;
  packet.ip_offset = kLinkHeaderSize;
  const auto rest = frame.subspan(kLinkHeaderSize);
  switch (ether_type) {
    case kEtherTypeIpv4:
      packet.kind = ParseIpv4(vnet, rest, packet);
      break;
    case kEtherTypeIpv6:
      packet.kind = ParseIpv6(vnet, rest, packet);
      break;
    case kEtherTypeArp:
      packet.kind = ParseArp(rest, packet);
      break;
    default:
      packet.kind = PacketKind::kIgnored;
      break;
  }
  return packet;
}

}  // namespace mini::netstack
