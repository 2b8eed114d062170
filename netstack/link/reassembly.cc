#include "netstack/link/reassembly.h"

#include <algorithm>
#include <iterator>

#include "base/bytes.h"
#include "netstack/link/checksum.h"

namespace mini::netstack {

namespace {

constexpr size_t kRangeCost = 64;  // of a node of std::map, roughly
constexpr size_t kMaxIpv6Payload = 65535;

bool IsCarried(const Packet& packet) {
  const uint8_t icmp = packet.source.is_v4() ? kProtocolIcmp : kProtocolIcmpv6;
  return packet.fragment_protocol == kProtocolUdp || packet.fragment_protocol == icmp;
}

// Ethernet and IP headers; of an IPv6 packet without the fragment header.
std::span<const uint8_t> HeadersOf(std::span<const uint8_t> frame, const Packet& packet) {
  return frame.subspan(kVnetHeaderSize, packet.transport_offset - kVnetHeaderSize);
}

}  // namespace

bool Reassembler::Datagram::IsWhole() const {
  return length && ranges.size() == 1 && ranges.begin()->first == 0 &&
         ranges.begin()->second == *length;
}

size_t Reassembler::Datagram::Cost() const {
  return sizeof(Datagram) + headers.capacity() + bytes.capacity() + ranges.size() * kRangeCost;
}

std::span<const uint8_t> Reassembler::Add(std::span<const uint8_t> frame, const Packet& packet,
                                          TimePoint now) {
  if (!IsCarried(packet)) return {};
  const auto part = frame.subspan(packet.payload_offset, packet.payload_length);
  const bool is_first = packet.fragment_offset == 0;
  if (is_first && !packet.more_fragments) {
    return Assemble(HeadersOf(frame, packet), packet.fragment_protocol, part);
  }
  Expire(now);
  const Place datagram = Find(packet, now);
  if (datagram->refused) return {};
  if (!Insert(*datagram, packet, part)) {
    datagram->refused = true;
    datagram->headers = {};
    datagram->bytes = {};
    datagram->ranges.clear();
  } else if (is_first) {
    const auto headers = HeadersOf(frame, packet);
    datagram->headers.assign(headers.begin(), headers.end());
    datagram->protocol = packet.fragment_protocol;
  }
  Charge(*datagram);
  MakeRoom(datagram);
  if (!datagram->IsWhole()) return {};
  const auto whole = Assemble(datagram->headers, datagram->protocol, datagram->bytes);
  Forget(datagram);
  return whole;
}

void Reassembler::Expire(TimePoint now) {
  while (!datagrams_.empty() && now - datagrams_.front().begun >= limits_.timeout) {
    Forget(datagrams_.begin());
  }
}

Reassembler::Place Reassembler::Find(const Packet& packet, TimePoint now) {
  const Key key{packet.source, packet.destination, packet.fragment_identification,
                packet.source.is_v4() ? packet.fragment_protocol : uint8_t{0}};
  const auto found =
      std::ranges::find_if(datagrams_, [&](const Datagram& other) { return other.key == key; });
  if (found != datagrams_.end()) return found;
  Datagram datagram;
  datagram.key = key;
  datagram.begun = now;
  return datagrams_.insert(datagrams_.end(), std::move(datagram));
}

void Reassembler::Forget(Place datagram) {
  bytes_held_ -= datagram->charged;
  datagrams_.erase(datagram);
}

void Reassembler::Charge(Datagram& datagram) {
  bytes_held_ -= datagram.charged;
  datagram.charged = datagram.Cost();
  bytes_held_ += datagram.charged;
}

void Reassembler::MakeRoom(Place but) {
  while (datagrams_.size() > limits_.max_datagrams || bytes_held_ > limits_.max_bytes) {
    const Place oldest = datagrams_.begin() == but ? std::next(but) : datagrams_.begin();
    if (oldest == datagrams_.end()) return;
    Forget(oldest);
  }
}

// False when the part contradicts what came before.
bool Reassembler::Insert(Datagram& datagram, const Packet& packet, std::span<const uint8_t> part) {
  const size_t begin = packet.fragment_offset;
  const size_t end = begin + part.size();
  auto& ranges = datagram.ranges;
  auto next = ranges.lower_bound(begin);
  if (next != ranges.end() && next->first < end) return false;
  const auto previous = next == ranges.begin() ? ranges.end() : std::prev(next);
  if (previous != ranges.end() && previous->second > begin) return false;
  const size_t furthest = ranges.empty() ? 0 : std::prev(ranges.end())->second;
  if (!packet.more_fragments) {
    if (datagram.length || furthest > end) return false;
    datagram.length = end;
  } else if (datagram.length && end > *datagram.length) {
    return false;
  }
  if (datagram.bytes.size() < end) datagram.bytes.resize(end);
  std::ranges::copy(part, datagram.bytes.begin() + static_cast<ptrdiff_t>(begin));
  // Ranges that touch become one.
  size_t merged_end = end;
  if (next != ranges.end() && next->first == end) {
    merged_end = next->second;
    ranges.erase(next);
  }
  if (previous != ranges.end() && previous->second == begin) {
    previous->second = merged_end;
  } else {
    ranges.emplace(begin, merged_end);
  }
  return true;
}

std::span<const uint8_t> Reassembler::Assemble(std::span<const uint8_t> headers, uint8_t protocol,
                                               std::span<const uint8_t> payload) {
  const size_t ip = kLinkHeaderSize;
  assembled_.assign(kVnetHeaderSize, 0);  // nothing is left to be done: the checksum has to hold
  assembled_.insert(assembled_.end(), headers.begin(), headers.end());
  assembled_.insert(assembled_.end(), payload.begin(), payload.end());
  const std::span<uint8_t> packet = std::span(assembled_).subspan(ip);
  if (packet[0] >> 4 == 4) {
    if (packet.size() > 65535) return {};  // a first fragment with more options than the others
    ByteWriter(packet.subspan(2, 2)).U16(static_cast<uint16_t>(packet.size()));
    ByteWriter(packet.subspan(6, 2)).U16(0);
    ByteWriter(packet.subspan(10, 2)).U16(0);
    const uint16_t checksum = Checksum(packet.first(headers.size() - kEthernetHeaderSize));
    ByteWriter(packet.subspan(10, 2)).U16(checksum);
  } else {
    if (payload.size() > kMaxIpv6Payload) return {};
    ByteWriter(packet.subspan(4, 2)).U16(static_cast<uint16_t>(payload.size()));
    packet[6] = protocol;
  }
  return assembled_;
}

}  // namespace mini::netstack
