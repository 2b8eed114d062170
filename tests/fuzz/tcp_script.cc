#include "tcp_script.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "far_side.h"
#include "fuzz_link.h"
#include "netstack/flow/tcp_flow_table.h"
#include "netstack/link/checksum.h"
#include "netstack/link/packet.h"
#include "netstack/link/vnet.h"

namespace mini::netstack {
namespace {

constexpr size_t kFlows = 5;
constexpr size_t kBudget = size_t{1} << 20;
constexpr uint16_t kFirstPort = 40000;

class TcpScript {
 public:
  explicit TcpScript(Script script)
      : script_(script),
        loop_(std::move(EpollLoop::Create()).value()),
        link_(fuzz_link_.Link()),
        budget_(std::make_unique<MemoryBudget>(kBudget)),
        table_(std::make_unique<TcpFlowTable>(
            *loop_, link_, *budget_, Limits(),
            [this](TcpFlowTable& table, const FlowKey& key) { return Admit(table, key); },
            nullptr)) {}

  ~TcpScript() {
    table_.reset();
    Require(budget_->used() == 0);
  }

  void Run() {
    for (int steps = 0; steps < 400 && !script_.empty(); ++steps) {
      Step();
      table_->ServiceFlows();
      if (!stuck_) Drain();
      Require(budget_->used() <= 8 * kBudget);
      Require(table_->flow_count() <= Limits().max_flows);
    }
    // Time passes: what waits for a timer comes, or the flow ends.
    stuck_ = false;
    for (int i = 0; i < 40; ++i) {
      Drain();
      table_->Tick();
      table_->ServiceFlows();
    }
    Drain();
  }

 private:
  struct Peer {  // the sandbox's end of a flow
    uint32_t sequence = 1000;
    uint32_t acknowledgment = 0;
    uint32_t stream_start = 0;  // sequence number of the stack's first byte
  };

  static TcpLimits Limits() {
    TcpLimits limits;
    limits.max_flows = kFlows - 1;
    limits.max_pending_connects = 2;
    limits.max_time_wait = 1;
    limits.min_idle = std::chrono::milliseconds(0);
    return limits;
  }

  TcpFlowTable::Admission Admit(TcpFlowTable& table, const FlowKey& key) {
    const Room room = table.FindRoom(TcpFlow::ActivityClass::kConnecting, key.remote);
    if (room != Room::kThere) return {.asks_again = room == Room::kLater};
    const size_t index = key.sandbox.port - size_t{kFirstPort};
    return {std::make_unique<FarSide>(table, key, index < kFlows ? far_[index] : elsewhere_)};
  }

  static FlowKey KeyOf(size_t index) {
    const auto port = static_cast<uint16_t>(kFirstPort + index);
    if (index % 2 == 0) {
      return {{IpAddress::V4(198, 18, 0, 1), port}, {IpAddress::V4(192, 0, 2, 1), 80}};
    }
    return {{*IpAddress::Parse("fd6d:696e:6900::1"), port}, {*IpAddress::Parse("2001:db8::1"), 80}};
  }

  void Step() {
    const uint8_t operation = script_.U8();
    const size_t index = operation / 16 % kFlows;
    FarSide* far = far_[index];
    switch (operation % 16) {
      case 0:
        return Input(script_.Take(script_.U8()), /*own=*/false);
      case 1:
        for (int i = script_.U8() % 8; i >= 0; --i) table_->Tick();
        return;
      case 2:
        stuck_ = !stuck_;
        if (!stuck_) {
          Drain();
          table_->RetryOutput();
        }
        return;
      case 3:
        if (far != nullptr) far->Refuse();
        return;
      case 4:
      case 5:
        if (far != nullptr) far->Answer();
        return;
      case 6:
      case 7:
        if (far != nullptr) far->Write(script_.U16(), operation % 2 == 1);
        return;
      case 8:
        if (far != nullptr) far->Finish();
        return;
      case 9:
        if (far != nullptr) far->Break();
        return;
      case 10:
        if (far != nullptr) far->Stall(script_.U8() % 2 == 1);
        return;
      default:
        return SendSegment(index);
    }
  }

  void SendSegment(size_t index) {
    Peer& peer = peers_[index];
    const uint8_t flags = script_.U8();
    const uint32_t off = script_.Offset();
    const uint32_t sequence = peer.sequence + off;
    const uint32_t acknowledgment = peer.acknowledgment + script_.Offset();
    const uint8_t shape = script_.U8();
    const uint16_t window = (shape & 1) != 0 ? script_.U16() : 0xffff;
    const uint16_t urgent = (flags & kTcpUrg) != 0 ? script_.U16() : 0;
    Bytes options = (shape & 2) != 0 ? script_.Take(script_.U8() % 41) : Bytes();
    options.resize((options.size() + 3) / 4 * 4);
    const size_t length = (shape & 4) != 0 ? script_.U16() % 3000 : 0;
    Bytes payload(length);
    const uint32_t first = (flags & kTcpSyn) != 0 ? sequence + 1 : sequence;
    for (size_t i = 0; i < length; ++i) payload[i] = ContentAt(first + static_cast<uint32_t>(i));
    if (off == 0) {
      peer.sequence += static_cast<uint32_t>(length);
      if ((flags & (kTcpSyn | kTcpFin)) != 0) ++peer.sequence;
      if ((flags & kTcpSyn) != 0) peer.sequence = sequence + 1;  // its data is not taken
    }
    Input(MakeSegment(KeyOf(index), sequence, acknowledgment, flags, window, urgent, options,
                      payload),
          /*own=*/true);
  }

  static void Put16(Bytes& bytes, size_t value) {
    bytes.push_back(static_cast<uint8_t>(value >> 8));
    bytes.push_back(static_cast<uint8_t>(value));
  }
  static void Put32(Bytes& bytes, uint32_t value) {
    Put16(bytes, value >> 16);
    Put16(bytes, value & 0xffff);
  }
  static void Append(Bytes& bytes, std::span<const uint8_t> more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
  }

  // With its checksum left to be finished, as a kernel does, and cut by nobody.
  static Bytes MakeSegment(const FlowKey& key, uint32_t sequence, uint32_t acknowledgment,
                           uint8_t flags, uint16_t window, uint16_t urgent, const Bytes& options,
                           const Bytes& payload) {
    const bool v4 = key.sandbox.address.is_v4();
    const size_t ip_header = v4 ? kIpv4HeaderSize : kIpv6HeaderSize;
    const size_t tcp_length = kTcpHeaderSize + options.size() + payload.size();
    Bytes frame(kVnetHeaderSize, 0);
    frame[0] = kVnetNeedsChecksum;
    frame[6] = static_cast<uint8_t>(kEthernetHeaderSize + ip_header);  // a little-endian machine's
    frame[8] = 16;
    frame.resize(kVnetHeaderSize + 12, 0);
    Put16(frame, v4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
    if (v4) {
      Append(frame, Bytes{0x45, 0});
      Put16(frame, ip_header + tcp_length);
      Append(frame, Bytes{0, 0, 0x40, 0, 64, kProtocolTcp, 0, 0});
    } else {
      Append(frame, Bytes{0x60, 0, 0, 0});
      Put16(frame, tcp_length);
      Append(frame, Bytes{kProtocolTcp, 64});
    }
    Append(frame, key.sandbox.address.bytes());
    Append(frame, key.remote.address.bytes());
    if (v4) {
      const uint16_t sum = Checksum(std::span(frame).subspan(kLinkHeaderSize, ip_header));
      frame[kLinkHeaderSize + 10] = static_cast<uint8_t>(sum >> 8);
      frame[kLinkHeaderSize + 11] = static_cast<uint8_t>(sum);
    }
    Put16(frame, key.sandbox.port);
    Put16(frame, key.remote.port);
    Put32(frame, sequence);
    Put32(frame, acknowledgment);
    frame.push_back(static_cast<uint8_t>((kTcpHeaderSize + options.size()) / 4 << 4));
    frame.push_back(flags);
    Put16(frame, window);
    Put16(frame, 0);
    Put16(frame, urgent);
    Append(frame, options);
    Append(frame, payload);
    return frame;
  }

  void Input(const Bytes& frame, bool own) {
    if (frame.size() > RxBufferPool::kFrameCapacity) return;
    RxBuffer* buffer = rx_buffers_.Get();
    std::ranges::copy(frame, buffer->bytes().begin());
    const Packet packet = ParseFrame(buffer->bytes().first(frame.size()));
    // A frame from anywhere else carries other bytes than the scripted flows expect.
    const bool mixes = packet.source_port >= kFirstPort && packet.source_port < kFirstPort + kFlows;
    if (packet.kind == PacketKind::kTcp && (own || !mixes)) {
      table_->Input(buffer, packet);
    } else {
      RxBufferPool::Put(buffer);
    }
  }

  void Drain() {
    while (const auto frame = fuzz_link_.Read()) ReadSegment(*frame);
  }

  void ReadSegment(const Bytes& frame) {
    Require(frame.size() >= kLinkHeaderSize + kIpv4HeaderSize);
    const bool v4 = frame[12 + kVnetHeaderSize] == 0x08;
    const size_t tcp = kLinkHeaderSize + (v4 ? kIpv4HeaderSize : kIpv6HeaderSize);
    Require(frame.size() >= tcp + kTcpHeaderSize);
    ByteReader reader(std::span<const uint8_t>(frame).subspan(tcp + 2));
    const uint16_t port = reader.U16();
    const uint32_t sequence = reader.U32();
    const uint32_t acknowledgment = reader.U32();
    const size_t header = size_t{reader.U8()} >> 4 << 2;
    const uint8_t flags = reader.U8();
    Require(header >= kTcpHeaderSize && frame.size() >= tcp + header);
    if (port < kFirstPort || port >= kFirstPort + kFlows) return;
    Peer& peer = peers_[port - kFirstPort];
    if ((flags & kTcpRst) != 0) return;
    if ((flags & kTcpSyn) != 0) {
      peer.stream_start = sequence + 1;
      peer.acknowledgment = sequence + 1;
      peer.sequence = acknowledgment;
      return;
    }
    const auto payload = std::span(frame).subspan(tcp + header);
    for (size_t i = 0; i < payload.size(); ++i) {
      const uint32_t place = sequence - peer.stream_start + static_cast<uint32_t>(i);
      Require(payload[i] == ContentAt(place));
    }
    const auto length = static_cast<uint32_t>(payload.size() + ((flags & kTcpFin) != 0 ? 1 : 0));
    if (sequence == peer.acknowledgment) peer.acknowledgment += length;
  }

  Script script_;
  FuzzLink fuzz_link_;
  std::unique_ptr<EpollLoop> loop_;
  TapLink link_;
  std::unique_ptr<MemoryBudget> budget_;
  RxBufferPool rx_buffers_;
  std::array<FarSide*, kFlows> far_{};
  FarSide* elsewhere_ = nullptr;
  std::unique_ptr<TcpFlowTable> table_;
  std::array<Peer, kFlows> peers_;
  bool stuck_ = false;  // nobody reads the link
};

}  // namespace

void FuzzTcp(Script script) { TcpScript(script).Run(); }

}  // namespace mini::netstack
