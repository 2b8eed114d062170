#include "netstack/link/packet_writer.h"

#include <algorithm>

namespace mini::netstack {

namespace {

constexpr size_t kMaxHeaders =
    kLinkHeaderSize + kIpv6HeaderSize + kIpv6FragmentHeaderSize + kUdpHeaderSize;

// writev(2) only reads what iov_base points to.
iovec Piece(std::span<const uint8_t> bytes) {
  return {const_cast<uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace

size_t PacketWriter::MaxUnfragmented(IpFamily family) const {
  const size_t ip_header = family == IpFamily::kV4 ? kIpv4HeaderSize : kIpv6HeaderSize;
  return link_.mtu() - ip_header - kUdpHeaderSize;
}

void PacketWriter::WriteDatagram(const Endpoint& from, const Endpoint& to,
                                 std::span<const uint8_t> payload) {
  if (payload.size() > MaxUnfragmented(from.address.family())) {
    WritePacket(from.address, to.address, kProtocolUdp, MakeUdpHeader(from, to, payload), payload);
    return;
  }
  std::array<uint8_t, kMaxHeaders> headers;
  const size_t length = BuildUdpHeaders(headers, link_.sandbox_mac(), from, to, payload.size());
  const std::array<iovec, 2> pieces = {Piece(std::span(headers).first(length)), Piece(payload)};
  link_.Write(pieces);
}

void PacketWriter::WriteRow(const Endpoint& from, const Endpoint& to, const DatagramRow& row) {
  if (row.datagram_size() != 0 && !link_.udp_segmentation()) {
    WriteRowApart(from, to, row);
    return;
  }
  std::array<uint8_t, kMaxHeaders> headers;
  const size_t length =
      BuildUdpHeaders(headers, link_.sandbox_mac(), from, to, row.bytes(), row.datagram_size());
  std::array<iovec, 1 + DatagramRow::kMaxDatagrams> pieces;
  pieces[0] = Piece(std::span(headers).first(length));
  std::ranges::copy(row.pieces(), pieces.begin() + 1);
  link_.Write(std::span(pieces).first(1 + row.pieces().size()));
}

void PacketWriter::WriteRowApart(const Endpoint& from, const Endpoint& to, const DatagramRow& row) {
  for (const iovec& piece : row.pieces()) {
    std::span<const uint8_t> left(static_cast<const uint8_t*>(piece.iov_base), piece.iov_len);
    while (!left.empty()) {
      const auto datagram = left.first(std::min<size_t>(left.size(), row.datagram_size()));
      WriteDatagram(from, to, datagram);
      left = left.subspan(datagram.size());
    }
  }
}

void PacketWriter::WriteEchoReply(const IpAddress& from, const IpAddress& to, uint16_t identifier,
                                  uint16_t sequence, std::span<const uint8_t> payload) {
  WritePacket(from, to, from.is_v4() ? kProtocolIcmp : kProtocolIcmpv6,
              MakeEchoHeader(EchoType::kReply, from, to, identifier, sequence, payload), payload);
}

void PacketWriter::WriteError(const IcmpError& error, const IpAddress& from, const IpAddress& to,
                              std::span<const uint8_t> ip_packet) {
  SmallFrame frame;
  const size_t length = BuildIcmpError(frame, link_.sandbox_mac(), error, from, to, ip_packet);
  link_.Write(std::span(frame).first(length));
}

// `header` is a multiple of eight bytes, as the offsets of fragments are.
void PacketWriter::WritePacket(const IpAddress& from, const IpAddress& to, uint8_t protocol,
                               std::span<const uint8_t> header, std::span<const uint8_t> payload) {
  std::array<uint8_t, kMaxHeaders> headers;
  const size_t total = header.size() + payload.size();
  const size_t ip_header = from.is_v4() ? kIpv4HeaderSize : kIpv6HeaderSize;
  if (ip_header + total <= link_.mtu()) {
    const size_t length = BuildIpHeaders(headers, link_.sandbox_mac(), from, to, protocol, total);
    const std::array<iovec, 3> pieces = {Piece(std::span(headers).first(length)), Piece(header),
                                         Piece(payload)};
    link_.Write(pieces);
    return;
  }
  const size_t in_front = ip_header + (from.is_v4() ? 0 : kIpv6FragmentHeaderSize);
  const size_t most = (link_.mtu() - in_front) & ~size_t{7};
  Fragment fragment;
  fragment.identification = next_identification_++;
  for (; fragment.offset < total; fragment.offset += fragment.length) {
    fragment.length = std::min(most, total - fragment.offset);
    fragment.more = fragment.offset + fragment.length < total;
    const size_t length =
        BuildFragmentHeaders(headers, link_.sandbox_mac(), from, to, protocol, fragment);
    const auto first = fragment.offset == 0 ? header : std::span<const uint8_t>();
    const size_t begin = fragment.offset == 0 ? 0 : fragment.offset - header.size();
    const std::array<iovec, 3> pieces = {
        Piece(std::span(headers).first(length)), Piece(first),
        Piece(payload.subspan(begin, fragment.length - first.size()))};
    // A fragment that is lost takes the others along.
    if (link_.Write(pieces) != TapLink::Written::kSent) return;
  }
}

}  // namespace mini::netstack
