#include "tcp_world.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.h"
#include "micro.h"
#include "netstack/link/vnet.h"
#include "tests/netstack/test_frames.h"

namespace mini::micro {

using namespace netstack;

namespace {

constexpr size_t kTransport = kLinkHeaderSize + kIpv4HeaderSize;
constexpr size_t kSegmentSize = 1460;
constexpr uint8_t kTcpPush = 0x08;
constexpr uint32_t kFirstSequence = 1000;
const IpAddress kSandbox = IpAddress::V4(198, 18, 0, 1);
const IpAddress kIdleServer = IpAddress::V4(192, 0, 2, 1);
// As Linux sends it: MSS and window scale.
const std::vector<uint8_t> kSynOptions = {2, 4, 0x05, 0xb4, 1, 3, 3, 7};

// lwIP asks after an idle connection by a count of ticks, of which benchmarks make millions.
TcpLimits Limits(size_t idle_flows) {
  TcpLimits limits;
  limits.max_flows = idle_flows + 16;
  limits.probe_after = std::chrono::hours(24 * 40);
  return limits;
}

class EchoFlow final : public TcpFlow {
 public:
  using TcpFlow::TcpFlow;

  void Service() override {
    if (phase() == Phase::kWaiting) {
      connected_ = true;
      table().NoteConnected(*this);
      InjectKeptSyn();
      return;
    }
    if (phase() == Phase::kOpen) SendBack();
    done_ = phase() != Phase::kHandshake && (fin_queued() || phase() != Phase::kOpen);
  }
  void OnTick(TimePoint) override {}
  void Abandon() override {
    SetPhase(Phase::kReset);
    DropKeptSyn();
    done_ = true;
    MarkDirty();
  }
  ActivityClass activity_class() const override {
    return connected_ ? ActivityClass::kCarrying : ActivityClass::kConnecting;
  }

 protected:
  bool FarSideDone() const override { return done_; }

 private:
  void SendBack() {
    while (has_received()) {
      std::array<iovec, 1> piece;
      if (ReceivedPieces(piece) == 0) break;
      const std::span bytes(static_cast<const uint8_t*>(piece[0].iov_base), piece[0].iov_len);
      const size_t size = std::min(bytes.size(), SendRoom());
      if (size == 0) break;
      if (!SendCopy(bytes.first(size))) return;
      ConsumeReceived(size);
    }
    SendQueued();
    if (sandbox_finished() && !has_received()) FinishSending();
  }

  bool connected_ = false, done_ = false;
};

}  // namespace

TcpWorld::TcpWorld(size_t idle_flows)
    : loop_(ValueOrDie(EpollLoop::Create())),
      stack_link_(link_.TakeStackEnd()),
      budget_(size_t{6} << 20),
      table_(std::make_unique<TcpFlowTable>(
          *loop_, stack_link_, budget_, Limits(idle_flows),
          [this](TcpFlowTable& table, const FlowKey& key) { return Admit(table, key); }, nullptr)) {
  TcpClient client(*this, kIdleServer, 16);
  for (size_t i = 0; i < idle_flows; ++i) {
    client.Connect(static_cast<uint16_t>(1024 + i));
    client.Exchange();
    client.Acknowledge();  // else lwIP would send it again
  }
  ExpectFlows(idle_flows);
}

TcpFlowTable::Admission TcpWorld::Admit(TcpFlowTable& table, const FlowKey& key) {
  if (key.remote.port == kClosedPort) return {};
  OrDie(table.FindRoom(TcpFlow::ActivityClass::kConnecting, key.remote) == Room::kThere,
        "there is room for a flow");
  return {std::make_unique<EchoFlow>(table, key)};
}

void TcpWorld::RunBatch() {
  while (true) {
    RxBuffer* buffer = rx_buffers_.Get();
    const size_t length = ValueOrDie(stack_link_.Read(buffer->bytes()));
    if (length == 0) {
      RxBufferPool::Put(buffer);
      break;
    }
    const Packet packet = ParseFrame(buffer->bytes().first(length));
    OrDie(packet.kind == PacketKind::kTcp, "a frame is a segment");
    table_->Input(buffer, packet);
  }
  table_->ServiceFlows();
}

Packet TcpWorld::Expect(uint8_t flags) {
  const Packet packet = ParseFrame(link_.Read());
  OrDie(packet.kind == PacketKind::kTcp, "the stack answers by a segment");
  OrDie((packet.tcp_flags & flags) == flags, "the stack's segment has the flags it should have");
  return packet;
}

void TcpWorld::ExpectFlows(size_t count) const {
  OrDie(table_->flow_count() == count, "there are as many flows as there should be");
}

SegmentFrame::SegmentFrame(const FlowKey& key, uint8_t flags, size_t payload,
                           std::vector<uint8_t> options) {
  TcpFields fields;
  fields.from = key.sandbox;
  fields.to = key.remote;
  fields.flags = flags;
  fields.options = std::move(options);
  fields.payload = Pattern(payload);
  frame_ = MakeTcp(fields);
  // What a kernel leaves to the device: the checksum, and segments larger than the MTU.
  VnetFields vnet;
  vnet.flags = kVnetNeedsChecksum;
  vnet.checksum_start = kEthernetHeaderSize + kIpv4HeaderSize;
  vnet.checksum_offset = 16;
  if (payload > kSegmentSize) {
    vnet.gso_type = kVnetGsoTcpV4;
    vnet.gso_size = kSegmentSize;
    vnet.header_length = kEthernetHeaderSize + kIpv4HeaderSize + kTcpHeaderSize;
  }
  SetVnet(frame_, vnet);
}

std::span<const uint8_t> SegmentFrame::With(uint16_t source_port, uint32_t sequence,
                                            uint32_t acknowledgment) {
  const std::span<uint8_t> segment = std::span<uint8_t>(frame_).subspan(kTransport);
  ByteWriter(segment).U16(source_port);
  ByteWriter numbers(segment.subspan(4));
  numbers.U32(sequence);
  numbers.U32(acknowledgment);
  return frame_;
}

TcpClient::TcpClient(TcpWorld& world, const IpAddress& server, size_t payload)
    : world_(world),
      payload_(payload),
      syn_({{kSandbox, 0}, {server, TcpWorld::kOpenPort}}, kTcpSyn, 0, kSynOptions),
      refused_syn_({{kSandbox, 0}, {server, TcpWorld::kClosedPort}}, kTcpSyn, 0, kSynOptions),
      acknowledgment_({{kSandbox, 0}, {server, TcpWorld::kOpenPort}}, kTcpAck, 0),
      data_({{kSandbox, 0}, {server, TcpWorld::kOpenPort}}, kTcpAck | kTcpPush, payload),
      fin_({{kSandbox, 0}, {server, TcpWorld::kOpenPort}}, kTcpAck | kTcpFin, 0) {}

void TcpClient::Connect(uint16_t port) {
  port_ = port;
  sequence_ = kFirstSequence;
  world_.Write(syn_.With(port_, sequence_++, 0));
  world_.RunBatch();
  const Packet answer = world_.Expect(kTcpSyn | kTcpAck);
  OrDie(answer.tcp_acknowledgment == sequence_, "the SYN is acknowledged");
  expected_ = answer.tcp_sequence + 1;
  Acknowledge();
}

void TcpClient::Acknowledge() {
  world_.Write(acknowledgment_.With(port_, sequence_, expected_));
  world_.RunBatch();
}

size_t TcpClient::Exchange() {
  world_.Write(data_.With(port_, sequence_, expected_));
  sequence_ += static_cast<uint32_t>(payload_);
  world_.RunBatch();
  size_t frames = 0;
  for (size_t got = 0; got < payload_;) {
    const Packet answer = world_.Expect(kTcpAck);
    ++frames;
    OrDie(answer.tcp_sequence == expected_, "what comes back is in its order");
    expected_ += static_cast<uint32_t>(answer.payload_length);
    got += answer.payload_length;
    if (got < payload_) Acknowledge();
  }
  return frames;
}

void TcpClient::Close() {
  world_.Write(fin_.With(port_, sequence_++, expected_));
  world_.RunBatch();
  Packet answer = world_.Expect(kTcpAck);
  if ((answer.tcp_flags & kTcpFin) == 0) answer = world_.Expect(kTcpFin);
  OrDie(answer.tcp_acknowledgment == sequence_, "the FIN is acknowledged");
  expected_ = answer.tcp_sequence + 1;
  Acknowledge();
}

void TcpClient::ExpectRefusal(uint16_t port) {
  world_.Write(refused_syn_.With(port, kFirstSequence, 0));
  world_.RunBatch();
  world_.Expect(kTcpRst);
}

}  // namespace mini::micro
