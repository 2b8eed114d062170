// Frames of a hostile sandbox. The first byte chooses:
// - even: any frames, to the whole stack, which has no rule and so no way to a host;
// - odd: a script for the TCP flows, whose far sides are made up here. It sends segments that are
//   nearly right, so that they get past the parser; the bytes of both streams depend on their
//   place alone, so that a lost, doubled or swapped one is found wherever it arrives.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "netstack/flow/tcp_flow_table.h"
#include "netstack/link/checksum.h"
#include "netstack/link/vnet.h"
#include "netstack/stack.h"

namespace mini::netstack {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kFlows = 5;
constexpr size_t kMaxFrames = 60;  // a batch of the stack's
constexpr size_t kBudget = size_t{1} << 20;
constexpr uint16_t kMtu = 1500;
constexpr uint16_t kFirstPort = 40000;
constexpr MacAddress kMac = {2, 0, 0, 0, 0, 9};

void Require(bool condition) {
  if (!condition) std::abort();
}

// The byte at that place of a stream.
uint8_t ContentAt(uint32_t place) {
  return static_cast<uint8_t>((place * 2654435761u) >> 24 ^ place);
}

// Reads zeros behind the end.
class Script {
 public:
  explicit Script(std::span<const uint8_t> bytes) : left_(bytes) {}
  bool empty() const { return left_.empty(); }
  uint8_t U8() {
    if (left_.empty()) return 0;
    const uint8_t value = left_.front();
    left_ = left_.subspan(1);
    return value;
  }
  uint16_t U16() {
    const uint16_t high = U8();
    return static_cast<uint16_t>(high << 8 | U8());
  }
  Bytes Take(size_t size) {
    const auto taken = left_.first(std::min(size, left_.size()));
    left_ = left_.subspan(taken.size());
    return {taken.begin(), taken.end()};
  }
  // Small numbers, and the few large ones at which sequence arithmetic changes its mind.
  uint32_t Offset() {
    constexpr std::array<uint32_t, 8> kLarge = {1,          0xffffffff, 0x7fffffff, 0x80000000,
                                                0x00200000, 65536,      1460,       0xfffff000};
    const uint8_t value = U8();
    if (value < 128) return 0;
    return value < 136 ? kLarge[value - 128] : static_cast<uint32_t>(value - 192);
  }

 private:
  std::span<const uint8_t> left_;
};

class Pipe {
 public:
  Pipe() {
    int pair[2];
    Require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    sandbox_ = UniqueFd(pair[0]);
    stack_ = UniqueFd(pair[1]);
  }
  LinkOptions Link() {
    LinkOptions options;
    options.fd = std::move(stack_);
    options.sandbox_mac = kMac;
    options.mtu = kMtu;
    return options;
  }
  bool Write(const Bytes& frame) {
    return send(sandbox_.get(), frame.data(), frame.size(), MSG_NOSIGNAL) >= 0;
  }
  std::optional<Bytes> Read() {
    Bytes frame(kMaxFrameSize + 1);
    const ssize_t length = recv(sandbox_.get(), frame.data(), frame.size(), 0);
    if (length < 0) return std::nullopt;
    frame.resize(static_cast<size_t>(length));
    return frame;
  }

 private:
  UniqueFd sandbox_;
  UniqueFd stack_;
};

// --- any frames ---------------------------------------------------------------------------------

void FuzzFrames(Script script) {
  Pipe pipe;
  StackOptions options;
  options.link = pipe.Link();
  options.filter.rules.emplace();
  auto stack = Stack::Create(std::move(options));
  Require(stack.ok());
  for (size_t i = 0; i < kMaxFrames && !script.empty(); ++i) {
    const Bytes frame = script.Take(script.U16() % 2048);
    if (!frame.empty() && !pipe.Write(frame)) break;  // an empty one is the end of the link
  }
  // What waits on the link is taken in the same batch.
  (*stack)->Stop();
  Require((*stack)->Run().ok());
  while (const auto frame = pipe.Read()) Require(frame->size() >= kLinkHeaderSize);
}

// --- TCP ----------------------------------------------------------------------------------------

// What a flow leads to instead of a host.
class FarSide final : public TcpFlow {
 public:
  // `place` leads to it while it lives.
  FarSide(TcpFlowTable& table, const FlowKey& key, FarSide*& place)
      : TcpFlow(table, key), place_(place) {
    place_ = this;
  }
  ~FarSide() override {
    if (place_ == this) place_ = nullptr;
  }

  void Service() override {
    if (phase() == Phase::kWaiting) {
      if (!answered_) return;
      ByteReader reader(kept_syn().subspan(kept_syn_transport() + 4));
      next_ = reader.U32() + 1;
      InjectKeptSyn();
      return;
    }
    if (phase() == Phase::kReset) {
      done_ = true;
      return;
    }
    stalled_ ? CompactReceived() : TakeAll();
    if (phase() == Phase::kOpen) SendWanted();
    if (finishing_ && wanted_ == 0) FinishSending();
    done_ = (fin_queued() || phase() == Phase::kClosed) && sandbox_finished() && !has_received();
  }
  void OnTick(TimePoint) override {}
  void Abandon() override {
    SetPhase(Phase::kReset);
    DropKeptSyn();
    done_ = true;
    MarkDirty();
  }
  ActivityClass activity_class() const override {
    return answered_ ? ActivityClass::kCarrying : ActivityClass::kConnecting;
  }

  void Answer() {
    if (std::exchange(answered_, true)) return;
    table().NoteConnected(*this);
    MarkDirty();
  }
  void Refuse() {
    if (phase() != Phase::kWaiting) return;
    table().AnswerReset(*this, kept_syn(), kept_syn_transport());
    Abandon();
  }
  void Write(size_t bytes, bool urgent) {
    if (finishing_) return;
    wanted_ += bytes;
    if (urgent) urgent_at_ = position_ + wanted_;
    MarkDirty();
  }
  void Finish() {
    finishing_ = true;
    MarkDirty();
  }
  void Break() {
    broken_ = true;
    MarkDirty();
  }
  void Stall(bool stalled) {
    stalled_ = stalled;
    MarkDirty();
  }

 protected:
  bool FarSideDone() const override { return done_; }

 private:
  void TakeAll() {
    while (has_received()) {
      std::array<iovec, 4> pieces;
      size_t size = 0;
      for (const iovec& piece : std::span(pieces).first(ReceivedPieces(pieces))) {
        const std::span bytes(static_cast<const uint8_t*>(piece.iov_base), piece.iov_len);
        for (const uint8_t byte : bytes) Require(byte == ContentAt(next_++));
        size += bytes.size();
      }
      ConsumeReceived(size);
    }
    (void)ReceivedBeforeUrgent();
  }
  void SendWanted() {
    if (broken_) {
      done_ = true;
      return Reset();
    }
    while (wanted_ > 0) {
      size_t size = std::min({wanted_, SendRoom(), size_t{4000}});
      if (size == 0) break;
      if (position_ + 1 == urgent_at_) {
        if (!SendUrgent(ContentAt(static_cast<uint32_t>(position_)))) return;
        size = 1;
      } else {
        if (position_ + size >= urgent_at_ && position_ < urgent_at_) {
          size = static_cast<size_t>(urgent_at_ - 1 - position_);
        }
        Bytes bytes(size);
        for (size_t i = 0; i < size; ++i) {
          bytes[i] = ContentAt(static_cast<uint32_t>(position_ + i));
        }
        if (!SendCopy(bytes)) return;
      }
      position_ += size;
      wanted_ -= size;
    }
    SendQueued();
  }

  FarSide*& place_;
  bool answered_ = false, stalled_ = false, finishing_ = false, broken_ = false, done_ = false;
  uint32_t next_ = 0;  // sequence number of the next byte from the sandbox
  uint64_t position_ = 0;
  uint64_t urgent_at_ = 0;  // behind the urgent byte
  size_t wanted_ = 0;
};

class TcpScript {
 public:
  explicit TcpScript(Script script)
      : script_(script),
        loop_(std::move(EpollLoop::Create()).value()),
        link_(pipe_.Link()),
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

  std::unique_ptr<TcpFlow> Admit(TcpFlowTable& table, const FlowKey& key) {
    const size_t index = key.sandbox.port - size_t{kFirstPort};
    return std::make_unique<FarSide>(table, key, index < kFlows ? far_[index] : elsewhere_);
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
    while (const auto frame = pipe_.Read()) ReadSegment(*frame);
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
  Pipe pipe_;
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
}  // namespace mini::netstack

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mini::netstack;
  if (size == 0) return 0;
  Script script({data + 1, size - 1});
  if (data[0] % 2 == 0) {
    FuzzFrames(script);
  } else {
    TcpScript(script).Run();
  }
  return 0;
}
