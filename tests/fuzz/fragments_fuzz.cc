// Frames from the sandbox, one after the other: two bytes of length, one of what to do before, the
// frame. Whatever they are, what ParseFrame() tells of them lies within them, reassembly keeps its
// bounds and makes no fragments, and what is answered to them is a sound frame itself.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/bytes.h"
#include "netstack/link/checksum.h"
#include "netstack/link/frame_builder.h"
#include "netstack/link/packet.h"
#include "netstack/link/reassembly.h"

namespace mini::netstack {
namespace {

constexpr uint8_t kMendIpChecksum = 1;
constexpr uint8_t kVouchForTransport =
    2;  // as the sandbox's kernel does: VIRTIO_NET_HDR_F_DATA_VALID
constexpr MacAddress kMac = {2, 0, 0, 0, 0, 9};

void Require(bool condition) {
  if (!condition) std::abort();
}

// What a fuzzer does not find out by itself.
void Mend(std::vector<uint8_t>& frame, uint8_t how) {
  if (frame.size() < kLinkHeaderSize + kIpv4HeaderSize) return;
  if ((how & kVouchForTransport) != 0) frame[0] = 2;
  const size_t header = size_t{frame[kLinkHeaderSize] & 0x0fu} * 4;
  if ((how & kMendIpChecksum) == 0 || frame[kLinkHeaderSize] >> 4 != 4 ||
      header < kIpv4HeaderSize || frame.size() < kLinkHeaderSize + header) {
    return;
  }
  const auto ip = std::span(frame).subspan(kLinkHeaderSize, header);
  ByteWriter(ip.subspan(10, 2)).U16(0);
  ByteWriter(ip.subspan(10, 2)).U16(Checksum(ip));
}

void CheckAnswer(std::span<const uint8_t> answer) {
  const Packet packet = ParseFrame(answer);
  Require(packet.kind == PacketKind::kIgnored || packet.kind == PacketKind::kMalformed);
  // Malformed only for an address that no answer can come from.
  if (packet.kind == PacketKind::kMalformed) {
    Require(packet.source.is_loopback() || packet.source.bytes()[0] >= 0xe0);
  }
}

void CheckPacket(std::span<const uint8_t> frame, const Packet& packet) {
  if (packet.kind == PacketKind::kMalformed || packet.kind == PacketKind::kIgnored) return;
  SmallFrame out;
  switch (packet.kind) {
    case PacketKind::kArpRequest:
      Require(BuildArpReply(out, kMac, packet) <= out.size());
      return;
    case PacketKind::kNeighbourSolicitation:
      Require(BuildNeighbourAdvertisement(out, kMac, packet) <= out.size());
      return;
    default:
      break;
  }
  Require(packet.ip_offset == kLinkHeaderSize);
  Require(packet.ip_offset + packet.ip_length <= frame.size());
  Require(packet.transport_offset <= packet.ip_offset + packet.ip_length);
  const bool has_payload = packet.kind == PacketKind::kTcp || packet.kind == PacketKind::kUdp ||
                           packet.kind == PacketKind::kEchoRequest ||
                           packet.kind == PacketKind::kFragment;
  if (has_payload) {
    Require(packet.payload_offset >= packet.transport_offset);
    Require(packet.payload_offset + packet.payload_length <= packet.ip_offset + packet.ip_length);
  }
  const auto quoted = frame.subspan(packet.ip_offset, packet.ip_length);
  for (const Unreachable why : {Unreachable::kPort, Unreachable::kProtocol}) {
    const size_t length =
        BuildUnreachable(out, kMac, why, packet.destination, packet.source, quoted);
    Require(length <= out.size());
    CheckAnswer(std::span(out).first(length));
  }
}

}  // namespace
}  // namespace mini::netstack

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mini;
  using namespace mini::netstack;
  Reassembler::Limits limits;
  limits.max_datagrams = 4;  // so that few frames reach them
  limits.max_bytes = size_t{256} << 10;
  Reassembler reassembler(limits);
  TimePoint now;
  ByteReader reader(std::span(data, size));
  while (reader.remaining() > 3) {
    const size_t length = reader.U16();
    const uint8_t how = reader.U8();
    const auto bytes = reader.Take(std::min(length, reader.remaining()));
    std::vector<uint8_t> frame(bytes.begin(), bytes.end());
    Mend(frame, how);
    now += std::chrono::seconds(how >> 4);
    const Packet packet = ParseFrame(frame);
    CheckPacket(frame, packet);
    if (packet.kind != PacketKind::kFragment) continue;
    const auto whole = reassembler.Add(frame, packet, now);
    Require(reassembler.waiting() <= limits.max_datagrams);
    Require(reassembler.bytes_held() <= limits.max_bytes);
    if (whole.empty()) continue;
    Require(whole.size() <= kMaxFrameSize);
    const Packet datagram = ParseFrame(whole);
    Require(datagram.kind != PacketKind::kFragment && datagram.kind != PacketKind::kTcp);
    CheckPacket(whole, datagram);
  }
  reassembler.Expire(now + limits.timeout);
  Require(reassembler.waiting() == 0 && reassembler.bytes_held() == 0);
  return 0;
}
