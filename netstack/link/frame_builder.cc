#include "netstack/link/frame_builder.h"

#include <algorithm>
#include <cstring>

#include "netstack/link/checksum.h"
#include "netstack/link/vnet.h"

namespace mini::netstack {

namespace {

constexpr uint8_t kHopLimit = 64;
constexpr size_t kMinMtuIpv4 = 576;   // RFC 1812, 4.3.2.3: an ICMP error is no longer
constexpr size_t kMinMtuIpv6 = 1280;  // RFC 4443, 3.1

void WriteHostOrder16(ByteWriter& out, uint16_t value) {
  uint8_t bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.Bytes(bytes);
}

uint16_t EtherTypeOf(const IpAddress& address) {
  return address.is_v4() ? kEtherTypeIpv4 : kEtherTypeIpv6;
}

size_t IpHeaderSize(const IpAddress& address) {
  return address.is_v4() ? kIpv4HeaderSize : kIpv6HeaderSize;
}

// Of an IPv4 header: identification, flags and offset.
constexpr uint32_t kDontFragment = 0x4000;  // identification 0 (RFC 6864)

void WriteIpHeader(std::span<uint8_t> frame, ByteWriter& out, const IpAddress& source,
                   const IpAddress& destination, uint8_t protocol, size_t transport_length,
                   uint32_t fragment_field = kDontFragment) {
  const size_t start = out.position();
  if (source.is_v4()) {
    out.U8(0x45);
    out.U8(0);
    out.U16(static_cast<uint16_t>(kIpv4HeaderSize + transport_length));
    out.U32(fragment_field);
    out.U8(kHopLimit);
    out.U8(protocol);
    out.U16(0);
    out.Bytes(source.bytes());
    out.Bytes(destination.bytes());
    const uint16_t checksum = Checksum(frame.subspan(start, kIpv4HeaderSize));
    ByteWriter(frame.subspan(start + 10, 2)).U16(checksum);
  } else {
    out.U32(0x60000000);
    out.U16(static_cast<uint16_t>(transport_length));
    out.U8(protocol);
    out.U8(kHopLimit);
    out.Bytes(source.bytes());
    out.Bytes(destination.bytes());
  }
}

// Of ICMP's own message; ICMPv6 covers the pseudo header too.
void FillIcmpChecksum(std::span<uint8_t> message, const IpAddress& source,
                      const IpAddress& destination, uint64_t payload_sum = 0,
                      size_t payload_length = 0) {
  uint64_t sum = payload_sum;
  if (source.is_v6()) {
    sum += PseudoHeaderSum(source, destination, kProtocolIcmpv6,
                           static_cast<uint32_t>(message.size() + payload_length));
  }
  const uint16_t checksum = static_cast<uint16_t>(~ChecksumFold(ChecksumAdd(sum, message)));
  ByteWriter(message.subspan(2, 2)).U16(checksum);
}

}  // namespace

void WriteLinkHeader(ByteWriter& out, const MacAddress& sandbox_mac, uint16_t ether_type,
                     const Offload& offload) {
  out.U8(offload.partial_checksum ? kVnetNeedsChecksum : 0);
  out.U8(offload.gso_type);
  WriteHostOrder16(out, offload.header_length);
  WriteHostOrder16(out, offload.gso_size);
  WriteHostOrder16(out, static_cast<uint16_t>(offload.partial_checksum
                                                  ? offload.transport_offset - kVnetHeaderSize
                                                  : 0));
  WriteHostOrder16(out, offload.checksum_offset);
  out.Bytes(sandbox_mac);
  out.Bytes(kStackMac);
  out.U16(ether_type);
}

std::optional<size_t> BuildTcpReset(std::span<uint8_t> out, const MacAddress& sandbox_mac,
                                    const Packet& segment) {
  if ((segment.tcp_flags & kTcpRst) != 0) return std::nullopt;
  const IpAddress& source = segment.destination;
  const IpAddress& destination = segment.source;
  ByteWriter writer(out);
  WriteLinkHeader(writer, sandbox_mac, EtherTypeOf(source), Offload{});
  WriteIpHeader(out, writer, source, destination, kProtocolTcp, kTcpHeaderSize);
  const size_t tcp = writer.position();
  const bool acknowledges = (segment.tcp_flags & kTcpAck) != 0;
  const size_t sequence_length = segment.payload_length +
                                 ((segment.tcp_flags & kTcpSyn) != 0 ? 1 : 0) +
                                 ((segment.tcp_flags & kTcpFin) != 0 ? 1 : 0);
  writer.U16(segment.destination_port);
  writer.U16(segment.source_port);
  writer.U32(acknowledges ? segment.tcp_acknowledgment : 0);
  writer.U32(acknowledges ? 0 : segment.tcp_sequence + static_cast<uint32_t>(sequence_length));
  writer.U8(kTcpHeaderSize / 4 << 4);
  writer.U8(acknowledges ? kTcpRst : kTcpRst | kTcpAck);
  writer.U16(0);
  writer.U16(0);
  writer.U16(0);
  const uint64_t pseudo = PseudoHeaderSum(source, destination, kProtocolTcp, kTcpHeaderSize);
  const uint64_t sum = ChecksumAdd(pseudo, out.subspan(tcp, kTcpHeaderSize));
  ByteWriter(out.subspan(tcp + 16, 2)).U16(static_cast<uint16_t>(~ChecksumFold(sum)));
  return writer.position();
}

size_t BuildUdpHeaders(std::span<uint8_t> out, const MacAddress& sandbox_mac,
                       const Endpoint& source, const Endpoint& destination, size_t payload_length,
                       uint16_t datagram_size) {
  const size_t udp_length = kUdpHeaderSize + payload_length;
  const size_t ip_header = IpHeaderSize(source.address);
  Offload offload;
  offload.partial_checksum = true;
  offload.transport_offset = kLinkHeaderSize + ip_header;
  offload.checksum_offset = 6;
  if (datagram_size != 0) {
    offload.gso_type = kVnetGsoUdp;
    offload.gso_size = datagram_size;
    offload.header_length = static_cast<uint16_t>(kEthernetHeaderSize + ip_header + kUdpHeaderSize);
  }
  ByteWriter writer(out);
  WriteLinkHeader(writer, sandbox_mac, EtherTypeOf(source.address), offload);
  WriteIpHeader(out, writer, source.address, destination.address, kProtocolUdp, udp_length);
  writer.U16(source.port);
  writer.U16(destination.port);
  writer.U16(static_cast<uint16_t>(udp_length));
  // For the one who finishes it: the pseudo header's sum, not complemented.
  writer.U16(ChecksumFold(PseudoHeaderSum(source.address, destination.address, kProtocolUdp,
                                          static_cast<uint32_t>(udp_length))));
  return writer.position();
}

std::array<uint8_t, kUdpHeaderSize> MakeUdpHeader(const Endpoint& source,
                                                  const Endpoint& destination,
                                                  std::span<const uint8_t> payload) {
  std::array<uint8_t, kUdpHeaderSize> header;
  const size_t length = kUdpHeaderSize + payload.size();
  ByteWriter writer(header);
  writer.U16(source.port);
  writer.U16(destination.port);
  writer.U16(static_cast<uint16_t>(length));
  writer.U16(0);
  const uint64_t sum =
      ChecksumAdd(ChecksumAdd(PseudoHeaderSum(source.address, destination.address, kProtocolUdp,
                                              static_cast<uint32_t>(length)),
                              header),
                  payload);
  const uint16_t checksum = static_cast<uint16_t>(~ChecksumFold(sum));
  // Zero means that there is none (RFC 768).
  ByteWriter(std::span(header).subspan(6)).U16(checksum == 0 ? uint16_t{0xffff} : checksum);
  return header;
}

std::array<uint8_t, kIcmpHeaderSize> MakeEchoHeader(EchoType type, const IpAddress& source,
                                                    const IpAddress& destination,
                                                    uint16_t identifier, uint16_t sequence,
                                                    std::span<const uint8_t> payload) {
  std::array<uint8_t, kIcmpHeaderSize> header;
  const bool request = type == EchoType::kRequest;
  ByteWriter writer(header);
  // RFC 792; RFC 4443, 4.
  writer.U8(source.is_v4() ? (request ? 8 : 0) : (request ? 128 : 129));
  writer.U8(0);
  writer.U16(0);
  writer.U16(identifier);
  writer.U16(sequence);
  FillIcmpChecksum(header, source, destination, ChecksumAdd(0, payload), payload.size());
  return header;
}

size_t BuildIpHeaders(std::span<uint8_t> out, const MacAddress& sandbox_mac,
                      const IpAddress& source, const IpAddress& destination, uint8_t protocol,
                      size_t transport_length) {
  ByteWriter writer(out);
  WriteLinkHeader(writer, sandbox_mac, EtherTypeOf(source), Offload{});
  WriteIpHeader(out, writer, source, destination, protocol, transport_length);
  return writer.position();
}

size_t BuildFragmentHeaders(std::span<uint8_t> out, const MacAddress& sandbox_mac,
                            const IpAddress& source, const IpAddress& destination, uint8_t protocol,
                            const Fragment& fragment) {
  ByteWriter writer(out);
  WriteLinkHeader(writer, sandbox_mac, EtherTypeOf(source), Offload{});
  if (source.is_v4()) {
    const uint32_t field = (fragment.identification & 0xffff) << 16 |
                           (fragment.more ? 0x2000u : 0u) |
                           static_cast<uint32_t>(fragment.offset / 8);
    WriteIpHeader(out, writer, source, destination, protocol, fragment.length, field);
    return writer.position();
  }
  WriteIpHeader(out, writer, source, destination, kProtocolIpv6Fragment,
                kIpv6FragmentHeaderSize + fragment.length);
  writer.U8(protocol);
  writer.U8(0);
  writer.U16(static_cast<uint16_t>(fragment.offset | (fragment.more ? 1u : 0u)));
  writer.U32(fragment.identification);
  return writer.position();
}

IcmpError IcmpErrorFor(Unreachable why, IpFamily family) {
  // RFC 792 and RFC 1812, 5.2.7.1; RFC 4443, 3.1 (3.4 for the protocol). The kernel inside turns
  // them into errno: icmp_err_convert[] and icmpv6_err_convert().
  constexpr uint8_t kCodesV4[] = {0, 1, 2, 3, 13};
  constexpr uint8_t kCodesV6[] = {0, 3, 1, 4, 1};
  const auto index = static_cast<size_t>(why);
  if (family == IpFamily::kV4) return {3, kCodesV4[index], 0};
  // A parameter problem points to the offending field: the IPv6 header's next header.
  if (why == Unreachable::kProtocol) return {4, kCodesV6[index], 6};
  return {1, kCodesV6[index], 0};
}

IcmpError PacketTooBig(uint32_t mtu, IpFamily family) {
  // RFC 1191, 4 and RFC 4443, 3.2.
  if (family == IpFamily::kV4) return {3, 4, std::min<uint32_t>(mtu, 0xffff)};
  return {2, 0, mtu};
}

size_t BuildUnreachable(std::span<uint8_t> out, const MacAddress& sandbox_mac, Unreachable why,
                        const IpAddress& source, const IpAddress& destination,
                        std::span<const uint8_t> ip_packet) {
  return BuildIcmpError(out, sandbox_mac, IcmpErrorFor(why, source.family()), source, destination,
                        ip_packet);
}

size_t BuildIcmpError(std::span<uint8_t> out, const MacAddress& sandbox_mac, const IcmpError& error,
                      const IpAddress& source, const IpAddress& destination,
                      std::span<const uint8_t> ip_packet) {
  const bool v4 = source.is_v4();
  const size_t headers = IpHeaderSize(source) + kIcmpHeaderSize;
  const size_t room =
      std::min((v4 ? kMinMtuIpv4 : kMinMtuIpv6) - headers, out.size() - kLinkHeaderSize - headers);
  const auto quoted = ip_packet.first(std::min(ip_packet.size(), room));
  ByteWriter writer(out);
  WriteLinkHeader(writer, sandbox_mac, EtherTypeOf(source), Offload{});
  WriteIpHeader(out, writer, source, destination, v4 ? kProtocolIcmp : kProtocolIcmpv6,
                kIcmpHeaderSize + quoted.size());
  const size_t message = writer.position();
  writer.U8(error.type);
  writer.U8(error.code);
  writer.U16(0);
  writer.U32(error.rest);
  writer.Bytes(quoted);
  FillIcmpChecksum(out.subspan(message, writer.position() - message), source, destination);
  return writer.position();
}

size_t BuildArpReply(std::span<uint8_t> out, const MacAddress& sandbox_mac, const Packet& request) {
  ByteWriter writer(out);
  WriteLinkHeader(writer, sandbox_mac, kEtherTypeArp, Offload{});
  writer.U16(1);
  writer.U16(kEtherTypeIpv4);
  writer.U8(6);
  writer.U8(4);
  writer.U16(2);
  writer.Bytes(kStackMac);
  writer.Bytes(request.destination.bytes());
  writer.Bytes(request.sender_mac);
  writer.Bytes(request.source.bytes());
  return writer.position();
}

size_t BuildNeighbourAdvertisement(std::span<uint8_t> out, const MacAddress& sandbox_mac,
                                   const Packet& solicitation) {
  constexpr size_t kMessageSize = 32;
  const IpAddress& source = solicitation.destination;
  const IpAddress& destination = solicitation.source;
  ByteWriter writer(out);
  WriteLinkHeader(writer, sandbox_mac, kEtherTypeIpv6, Offload{});
  WriteIpHeader(out, writer, source, destination, kProtocolIcmpv6, kMessageSize);
  // RFC 4861, 7.1.2: valid only with hop limit 255, from which follows that it was not routed.
  out[kLinkHeaderSize + 7] = 255;
  const size_t message = writer.position();
  writer.U8(136);
  writer.U8(0);
  writer.U16(0);
  writer.U32(0xe0000000);  // router, solicited, override
  writer.Bytes(source.bytes());
  writer.U8(2);  // target link-layer address
  writer.U8(1);
  writer.Bytes(kStackMac);
  FillIcmpChecksum(out.subspan(message, kMessageSize), source, destination);
  return writer.position();
}

}  // namespace mini::netstack
