#include "test_frames.h"

#include <algorithm>
#include <cstring>

namespace mini::netstack {

namespace {

void Put16(Bytes& out, uint32_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}
void Put32(Bytes& out, uint32_t value) {
  Put16(out, value >> 16);
  Put16(out, value & 0xffff);
}
void PutBytes(Bytes& out, std::span<const uint8_t> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}
uint32_t Get16(const Bytes& in, size_t at) {
  return at + 2 <= in.size() ? uint32_t{in[at]} << 8 | in[at + 1] : 0;
}
uint32_t Get32(const Bytes& in, size_t at) { return Get16(in, at) << 16 | Get16(in, at + 2); }
void Set16(Bytes& out, size_t at, uint32_t value) {
  out[at] = static_cast<uint8_t>(value >> 8);
  out[at + 1] = static_cast<uint8_t>(value);
}

uint32_t Sum(std::span<const uint8_t> bytes, uint32_t sum = 0) {
  for (size_t i = 0; i < bytes.size(); ++i) sum += i % 2 == 0 ? uint32_t{bytes[i]} << 8 : bytes[i];
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

uint32_t Pseudo(const IpAddress& source, const IpAddress& destination, uint8_t protocol,
                size_t length) {
  Bytes pseudo;
  PutBytes(pseudo, source.bytes());
  PutBytes(pseudo, destination.bytes());
  Put32(pseudo, static_cast<uint32_t>(length));
  Put32(pseudo, protocol);
  return Sum(pseudo);
}

// vnet and Ethernet headers, then IP around the transport.
Bytes WrapIp(const IpAddress& from, const IpAddress& to, uint8_t protocol, const Bytes& transport) {
  Bytes frame(10, 0);
  PutBytes(frame, MacAddress{2, 0, 0, 0, 0, 1});
  PutBytes(frame, kSandboxMac);
  Put16(frame, from.is_v4() ? 0x0800 : 0x86dd);
  if (from.is_v4()) {
    frame.insert(frame.end(), {0x45, 0});
    Put16(frame, static_cast<uint32_t>(20 + transport.size()));
    Put32(frame, 0x4000);
    frame.insert(frame.end(), {64, protocol, 0, 0});
  } else {
    Put32(frame, 0x60000000);
    Put16(frame, static_cast<uint32_t>(transport.size()));
    frame.insert(frame.end(), {protocol, 64});
  }
  PutBytes(frame, from.bytes());
  PutBytes(frame, to.bytes());
  PutBytes(frame, transport);
  FixChecksums(frame);
  return frame;
}

struct Layout {
  bool v4;
  size_t transport;
  size_t end;
  uint8_t protocol;
  IpAddress source, destination;
};

std::optional<Layout> LayOut(const Bytes& frame) {
  const uint32_t type = Get16(frame, 22);
  if (type == 0x0800 && frame.size() >= 44) {
    const std::span<const uint8_t> b(frame);
    return Layout{true,
                  24 + (frame[24] & 0x0fu) * 4,
                  24 + Get16(frame, 26),
                  frame[33],
                  *IpAddress::FromBytes(b.subspan(36, 4)),
                  *IpAddress::FromBytes(b.subspan(40, 4))};
  }
  if (type == 0x86dd && frame.size() >= 64) {
    const std::span<const uint8_t> b(frame);
    return Layout{false,
                  64,
                  64 + Get16(frame, 28),
                  frame[30],
                  *IpAddress::FromBytes(b.subspan(32, 16)),
                  *IpAddress::FromBytes(b.subspan(48, 16))};
  }
  return std::nullopt;
}

size_t ChecksumOffset(uint8_t protocol) { return protocol == 6 ? 16 : protocol == 17 ? 6 : 2; }

}  // namespace

void FixChecksums(Bytes& frame) {
  const auto layout = LayOut(frame);
  if (!layout || layout->end > frame.size() || layout->transport > layout->end) return;
  if (layout->v4) {
    Set16(frame, 34, 0);
    Set16(frame, 34, ~Sum(std::span(frame).subspan(24, layout->transport - 24)));
  }
  // A fragment's bytes are a part of what was summed up before.
  const bool is_fragment = layout->v4 ? (Get16(frame, 30) & 0x3fff) != 0 : layout->protocol == 44;
  const size_t at = layout->transport + ChecksumOffset(layout->protocol);
  const size_t length = layout->end - layout->transport;
  if (is_fragment || at + 2 > layout->end) return;
  Set16(frame, at, 0);
  const uint32_t pseudo =
      layout->protocol == 1 ? 0
                            : Pseudo(layout->source, layout->destination, layout->protocol, length);
  Set16(frame, at, ~Sum(std::span(frame).subspan(layout->transport, length), pseudo));
}

void SetVnet(Bytes& frame, const VnetFields& vnet) {
  frame[0] = vnet.flags;
  frame[1] = vnet.gso_type;
  std::memcpy(&frame[2], &vnet.header_length, 2);
  std::memcpy(&frame[4], &vnet.gso_size, 2);
  std::memcpy(&frame[6], &vnet.checksum_start, 2);
  std::memcpy(&frame[8], &vnet.checksum_offset, 2);
}

Bytes MakeTcp(const TcpFields& fields) {
  Bytes tcp;
  Put16(tcp, fields.from.port);
  Put16(tcp, fields.to.port);
  Put32(tcp, fields.sequence);
  Put32(tcp, fields.acknowledgment);
  tcp.push_back(static_cast<uint8_t>((5 + fields.options.size() / 4) << 4));
  tcp.push_back(fields.flags);
  Put16(tcp, fields.window);
  Put16(tcp, 0);
  Put16(tcp, fields.urgent);
  PutBytes(tcp, fields.options);
  PutBytes(tcp, fields.payload);
  return WrapIp(fields.from.address, fields.to.address, 6, tcp);
}

Bytes MakeUdp(const Endpoint& from, const Endpoint& to, const Bytes& payload) {
  Bytes udp;
  Put16(udp, from.port);
  Put16(udp, to.port);
  Put16(udp, static_cast<uint32_t>(8 + payload.size()));
  Put16(udp, 0);
  PutBytes(udp, payload);
  return WrapIp(from.address, to.address, 17, udp);
}

std::vector<Bytes> MakeFragments(const Bytes& frame, size_t size, uint32_t identification) {
  const auto layout = LayOut(frame);
  const size_t total = layout->end - layout->transport;
  std::vector<Bytes> fragments;
  for (size_t offset = 0; offset < total; offset += size) {
    const size_t length = std::min(size, total - offset);
    const bool more = offset + length < total;
    Bytes fragment(frame.begin(), frame.begin() + static_cast<ptrdiff_t>(layout->transport));
    if (layout->v4) {
      Set16(fragment, 26, static_cast<uint32_t>(layout->transport - 24 + length));
      Set16(fragment, 28, identification);
      Set16(fragment, 30, static_cast<uint32_t>(offset / 8) | (more ? 0x2000u : 0u));
      Set16(fragment, 34, 0);
      Set16(fragment, 34, ~Sum(std::span(fragment).subspan(24)));
    } else {
      Set16(fragment, 28, static_cast<uint32_t>(8 + length));
      fragment[30] = 44;
      fragment.insert(fragment.end(), {layout->protocol, 0});
      Put16(fragment, static_cast<uint32_t>(offset) | (more ? 1u : 0u));
      Put32(fragment, identification);
    }
    PutBytes(fragment, std::span(frame).subspan(layout->transport + offset, length));
    fragments.push_back(std::move(fragment));
  }
  return fragments;
}

Bytes MakeIcmpEcho(const IpAddress& from, const IpAddress& to, const Bytes& payload,
                   uint16_t identifier, uint16_t sequence) {
  Bytes icmp = {from.is_v4() ? uint8_t{8} : uint8_t{128}, 0, 0, 0};
  Put16(icmp, identifier);
  Put16(icmp, sequence);
  PutBytes(icmp, payload);
  return WrapIp(from, to, from.is_v4() ? 1 : 58, icmp);
}

SeenFrame TakeApart(const Bytes& frame) {
  SeenFrame seen;
  if (frame.size() < 24) return seen;
  seen.vnet.flags = frame[0];
  seen.vnet.gso_type = frame[1];
  std::memcpy(&seen.vnet.header_length, &frame[2], 2);
  std::memcpy(&seen.vnet.gso_size, &frame[4], 2);
  std::memcpy(&seen.vnet.checksum_start, &frame[6], 2);
  std::memcpy(&seen.vnet.checksum_offset, &frame[8], 2);
  seen.ether_type = static_cast<uint16_t>(Get16(frame, 22));
  if (!std::equal(kSandboxMac.begin(), kSandboxMac.end(), frame.begin() + 10)) {
    return seen;
  }
  if (seen.ether_type == 0x0806) {
    seen.sound = frame.size() == 24 + 28;
    seen.payload.assign(frame.begin() + 24, frame.end());
    return seen;
  }
  const auto layout = LayOut(frame);
  if (!layout || layout->end != frame.size()) return seen;
  seen.source = layout->source;
  seen.destination = layout->destination;
  seen.protocol = layout->protocol;
  const size_t t = layout->transport;
  const size_t length = layout->end - t;
  seen.ip_length = layout->end - 24;
  if (layout->v4) {
    const uint32_t field = Get16(frame, 30);
    seen.dont_fragment = (field & 0x4000) != 0;
    seen.more_fragments = (field & 0x2000) != 0;
    seen.fragment_offset = (field & 0x1fff) * size_t{8};
    seen.is_fragment = seen.more_fragments || seen.fragment_offset != 0;
    seen.fragment_identification = Get16(frame, 28);
  } else if (layout->protocol == 44 && length >= 8) {
    seen.is_fragment = true;
    seen.protocol = frame[t];
    seen.fragment_offset = Get16(frame, t + 2) & 0xfff8;
    seen.more_fragments = (frame[t + 3] & 1) != 0;
    seen.fragment_identification = Get32(frame, t + 4);
  }
  if (seen.is_fragment) {
    seen.sound = seen.vnet.flags == 0 &&
                 (!layout->v4 || Sum(std::span(frame).subspan(24, t - 24)) == 0xffff);
    seen.payload.assign(frame.begin() + static_cast<ptrdiff_t>(layout->v4 ? t : t + 8),
                        frame.end());
    return seen;
  }
  if (length < 8) return seen;
  const uint32_t pseudo =
      layout->protocol == 1 ? 0
                            : Pseudo(layout->source, layout->destination, layout->protocol, length);
  bool checksum_holds;
  if ((seen.vnet.flags & 1) != 0) {
    const size_t at = t + ChecksumOffset(layout->protocol);
    checksum_holds = seen.vnet.checksum_start == t - 10 &&
                     seen.vnet.checksum_offset == ChecksumOffset(layout->protocol) &&
                     Get16(frame, at) == pseudo;
  } else {
    checksum_holds = Sum(std::span(frame).subspan(t, length), pseudo) == 0xffff;
  }
  const bool ip_holds = !layout->v4 || Sum(std::span(frame).subspan(24, t - 24)) == 0xffff;
  seen.sound = checksum_holds && ip_holds;
  size_t payload = t + 8;
  if (layout->protocol == 6) {
    seen.source_port = static_cast<uint16_t>(Get16(frame, t));
    seen.destination_port = static_cast<uint16_t>(Get16(frame, t + 2));
    seen.sequence = Get32(frame, t + 4);
    seen.acknowledgment = Get32(frame, t + 8);
    payload = t + (frame[t + 12] >> 4) * 4u;
    seen.flags = frame[t + 13];
    seen.window = static_cast<uint16_t>(Get16(frame, t + 14));
    seen.urgent = static_cast<uint16_t>(Get16(frame, t + 18));
    for (size_t at = t + 20; at < payload;) {
      const uint8_t kind = frame[at];
      if (kind == 0) break;
      if (kind == 1) {
        ++at;
        continue;
      }
      if (kind == 2) seen.mss = static_cast<uint16_t>(Get16(frame, at + 2));
      if (kind == 3) seen.window_scale = frame[at + 2];
      at += std::max<size_t>(frame[at + 1], 2);
    }
  } else if (layout->protocol == 17) {
    seen.source_port = static_cast<uint16_t>(Get16(frame, t));
    seen.destination_port = static_cast<uint16_t>(Get16(frame, t + 2));
    if (Get16(frame, t + 4) != length) seen.sound = false;
  } else {
    seen.icmp_type = frame[t];
    seen.icmp_code = frame[t + 1];
    seen.icmp_rest = Get32(frame, t + 4);
  }
  if (payload > frame.size()) {
    seen.sound = false;
    return seen;
  }
  seen.payload.assign(frame.begin() + static_cast<ptrdiff_t>(payload), frame.end());
  return seen;
}

SeenFrame TakeApartWhole(const SeenFrame& first, const Bytes& transport) {
  Bytes whole = WrapIp(first.source, first.destination, first.protocol, transport);
  // With the checksum that came.
  std::ranges::copy(transport, whole.end() - static_cast<ptrdiff_t>(transport.size()));
  std::ranges::copy(kSandboxMac, whole.begin() + 10);
  return TakeApart(whole);
}

Bytes MakeArpRequest(const IpAddress& from, const IpAddress& asked) {
  Bytes arp(10, 0);
  PutBytes(arp, MacAddress{255, 255, 255, 255, 255, 255});
  PutBytes(arp, kSandboxMac);
  Put16(arp, 0x0806);
  PutBytes(arp, Bytes{0, 1, 8, 0, 6, 4, 0, 1});
  PutBytes(arp, kSandboxMac);
  PutBytes(arp, from.bytes());
  PutBytes(arp, MacAddress{});
  PutBytes(arp, asked.bytes());
  return arp;
}

Bytes Pattern(size_t size, uint32_t seed) {
  Bytes bytes(size);
  uint32_t state = seed;
  for (uint8_t& b : bytes) {
    state = state * 1664525 + 1013904223;
    b = static_cast<uint8_t>(state >> 24);
  }
  return bytes;
}

}  // namespace mini::netstack
