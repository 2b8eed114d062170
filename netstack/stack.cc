#include "netstack/stack.h"

#include <malloc.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "netstack/epoll_loop.h"
#include "netstack/flow/dns_tcp_flow.h"
#include "netstack/flow/echo_flow_table.h"
#include "netstack/flow/host_tcp_flow.h"
#include "netstack/flow/inbound_tcp.h"
#include "netstack/flow/inbound_udp.h"
#include "netstack/flow/rate_limit.h"
#include "netstack/flow/tcp_flow_table.h"
#include "netstack/flow/udp_flow_table.h"
#include "netstack/link/packet_writer.h"
#include "netstack/link/reassembly.h"
#include "netstack/link/tap_link.h"
#include "netstack/verdict_log.h"

// Theory of operation. This file only wires: frames are read from the link in batches, parsed, and
// handed to the table of their protocol; what no table carries is answered here. Whatever a batch
// marked is done at its end.

namespace mini::netstack {

namespace {

constexpr uint16_t kDnsPort = 53;
constexpr uint16_t kMinMtu = 1280;  // RFC 8200, 5
// Of the sandbox's frames: each holds a buffer until its flow has passed it on.
constexpr int kMaxFramesPerBatch = 32;
// Before host sockets have their turn. What the sandbox sends waits in a queue that loses what
// finds no room; what its servers send waits in the host's kernel.
constexpr int kMaxBatchesPerEvent = 16;
constexpr size_t kWorthReturning = size_t{1} << 18;
constexpr size_t kBytesPerFlow = 1024;  // about, besides its buffers
constexpr double kAnswersPerSecond = 1000;
constexpr double kAnswerBurst = 200;
// Besides one for each flow: epoll, the link, the resolver's, and what the process has itself.
constexpr size_t kOtherDescriptors = 256;

std::atomic<bool> stack_exists{false};

class ClaimOfTheOnlyStack {
 public:
  static std::unique_ptr<ClaimOfTheOnlyStack> Make() {
    if (stack_exists.exchange(true)) return nullptr;
    return std::make_unique<ClaimOfTheOnlyStack>();
  }
  ~ClaimOfTheOnlyStack() { stack_exists = false; }
};

// Datagrams have no end that frees their flow: they get less.
size_t MaxUdpFlows(const StackLimits& limits) { return std::max<size_t>(limits.max_flows / 4, 1); }

// Each flow holds a descriptor, and the usual soft limit of 1024 is for select(2). A flow that
// finds no descriptor is refused, so a low hard limit is no error.
void RaiseDescriptorLimit(const StackLimits& limits) {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted =
      limits.max_flows + MaxUdpFlows(limits) + EchoFlowTable::kMaxFlows + kOtherDescriptors;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
}

Status CheckMtu(const LinkOptions& link) {
  if (link.mtu >= kMinMtu) return OkStatus();
  return InvalidArgument(
      Stage::kNetwork, StrCat("an MTU of ", link.mtu, " is below ", kMinMtu, ", which IPv6 needs"));
}

std::unique_ptr<VerdictLog> MakeLog(StackOptions& options, const EventLoop& loop) {
  if (!options.verdict_log) return nullptr;
  return std::make_unique<VerdictLog>(
      std::move(options.verdict_log), options.log_pid,
      VerdictLog::Clocks{[&loop] { return loop.Now(); }, std::chrono::system_clock::now},
      options.may_lose_verdicts ? VerdictLog::Reader::kMayMissLines : VerdictLog::Reader::kSeesAll);
}

// mallopt(3). Buffers of a segment get pages of their own: between them small things that live for
// long would keep a page each when the buffers are gone. And free(3) does not shrink the heap at
// once, since in a stream all is soon needed again: ReturnMemory() does.
void SetUpAllocator() {
  (void)mallopt(M_MMAP_THRESHOLD, 32 * 1024);
  (void)mallopt(M_TRIM_THRESHOLD, 32 << 20);
}

class RunningStack final : public Stack {
 public:
  RunningStack(std::unique_ptr<ClaimOfTheOnlyStack> claim, StackOptions options,
               std::unique_ptr<EpollLoop> loop, std::unique_ptr<VerdictLog> log)
      : claim_(std::move(claim)),
        loop_(std::move(loop)),
        log_(std::move(log)),
        limits_(options.limits),
        link_(std::move(options.link)),
        writer_(link_),
        filter_(std::move(options.filter)),
        on_notice_(std::move(options.on_notice)),
        budget_(options.limits.max_buffered_bytes),
        answers_(kAnswersPerSecond, kAnswerBurst) {}

  Status Start(ResolverConfig resolver, InboundOptions inbound, int stop_descriptor) {
    if (stop_descriptor >= 0) {
      MINI_RETURN_IF_ERROR(
          loop_->Watch(stop_descriptor, EPOLLIN,
                       [this, stop_descriptor](uint32_t) { BeginEnd(stop_descriptor); }));
    }
    MINI_ASSIGN_OR_RETURN(dns_, DnsServer::Create(std::move(resolver), &filter_, loop_.get()));
    tcp_ = std::make_unique<TcpFlowTable>(
        *loop_, link_, budget_, limits_,
        [this](TcpFlowTable& table, const FlowKey& key) { return AdmitTcp(table, key); },
        on_notice_);
    udp_ = std::make_unique<UdpFlowTable>(
        *loop_, writer_, *dns_, MaxUdpFlows(limits_), [this](const Endpoint& remote, Room room) {
          return Admit(Protocol::kUdp, remote, [room] { return room; });
        });
    echo_ = std::make_unique<EchoFlowTable>(
        *loop_, writer_,
        [this](const IpAddress& remote, Room room) {
          return Admit(Protocol::kIcmp, {remote, 0}, [room] { return room; });
        },
        on_notice_);
    MINI_RETURN_IF_ERROR(Publish(std::move(inbound)));
    loop_->SetBatchEnd([this] { OnBatchEnd(); });
    EverySecond();
    return link_.fd() >= 0 ? WatchLink() : OkStatus();
  }

  Status Attach(LinkOptions link) override {
    MINI_RETURN_IF_ERROR(CheckMtu(link));
    link_.Attach(std::move(link));
    return WatchLink();
  }

  Status Run() override {
    Status served = loop_->Run();
    tcp_.reset();
    udp_.reset();
    inbound_udp_.reset();
    echo_.reset();
    if (!log_) return served;
    log_->TellRepeated();
    Status logged = log_->Flush();
    return served.ok() ? logged : served;
  }
  void Stop() override { loop_->Stop(); }
  RefusalSummary refusals() const override { return filter_.refusals(); }

 private:
  TcpFlowTable::Admission AdmitTcp(TcpFlowTable& table, const FlowKey& key) {
    if (key.remote.port == kDnsPort) return AdmitDnsTcp(table, key);
    Verdict verdict;
    Room room = Room::kThere;
    const auto find_room = [&] {
      return room = table.FindRoom(TcpFlow::ActivityClass::kConnecting, key.remote);
    };
    std::optional<FlowRecord> record = Admit(Protocol::kTcp, key.remote, find_room, &verdict);
    if (!record) return {.asks_again = room == Room::kLater};
    std::unique_ptr<ServerNameCheck> check;
    if (verdict.reason == Reason::kPin) {
      check = std::make_unique<ServerNameCheck>(filter_, budget_, key.remote);
    }
    return {std::make_unique<HostTcpFlow>(table, key, std::move(*record), std::move(check))};
  }

  TcpFlowTable::Admission AdmitDnsTcp(TcpFlowTable& table, const FlowKey& key) {
    const Room room = table.FindRoom(TcpFlow::ActivityClass::kDns, key.remote);
    if (room == Room::kThere) return {std::make_unique<DnsTcpFlow>(table, key, *dns_)};
    filter_.RefuseWithoutRoom(Protocol::kTcp, key.remote, room);
    return {};
  }

  // The record of a flow that may be, or nothing: refused.
  std::optional<FlowRecord> Admit(Protocol protocol, const Endpoint& remote,
                                  const std::function<Room()>& find_room,
                                  Verdict* decided = nullptr) {
    Verdict verdict = filter_.CheckFlow(protocol, remote, loop_->Now(), find_room);
    if (!verdict.allowed) {
      // TcpFlowTable gives a notice of its own.
      if (verdict.reason == Reason::kNoRoom && protocol != Protocol::kTcp) NoteNoRoom(protocol);
      return std::nullopt;
    }
    FlowRecord record(log_.get(), *loop_, protocol, remote, verdict);
    if (decided != nullptr) *decided = std::move(verdict);
    return record;
  }

  void NoteNoRoom(Protocol protocol) {
    const auto bit = static_cast<uint8_t>(1u << static_cast<unsigned>(protocol));
    if ((no_room_noted_ & bit) != 0 || !on_notice_) return;
    no_room_noted_ |= bit;
    const std::string more =
        protocol == Protocol::kUdp ? MoreConnectionsOption(protocol, limits_.max_flows) : "";
    on_notice_(StrCat("too many ", ProtocolName(protocol),
                      " flows at once, and none of them idle: further ones are refused meanwhile",
                      more.empty() ? "" : "; to allow more: ", more));
  }

  Status WatchLink() {
    return loop_->Watch(link_.fd(), EPOLLIN, [this](uint32_t events) { OnLink(events); });
  }

  // The kernel inside still holds what the command wrote last, as the host's would: it ends each
  // connection when that is sent. Nobody is there any more to send more.
  void BeginEnd(int stop_descriptor) {
    loop_->Unwatch(stop_descriptor);
    ending_ = true;
    loop_->AddTimer(kDeliveryTime, [this] { loop_->Stop(); });
  }

  Status Publish(InboundOptions inbound) {
    const auto accept = [this](const PublishedPort& port, const Endpoint& client) {
      const Verdict verdict =
          filter_.AcceptInbound(port.protocol, client, log_ ? port.ToString() : std::string());
      return FlowRecord(log_.get(), *loop_, port.protocol, client, verdict, Direction::kIn);
    };
    inbound_tcp_ =
        std::make_unique<InboundTcp>(*loop_, *tcp_, accept, std::move(inbound.on_notice));
    const auto refuse = [this](const PublishedPort& port, const Endpoint& client) {
      filter_.RefuseWithoutRoom(port.protocol, client, Room::kAllTaken, port.ToString());
      NoteNoRoom(port.protocol);
    };
    inbound_udp_ =
        std::make_unique<InboundUdp>(*loop_, writer_, MaxUdpFlows(limits_), accept, refuse);
    for (PublishedPort& port : inbound.ports) {
      const bool v4 = port.host.address.is_v4();
      const IpAddress& server = v4 ? inbound.sandbox_v4 : inbound.sandbox_v6;
      const IpAddress& gateway = v4 ? inbound.gateway_v4 : inbound.gateway_v6;
      MINI_RETURN_IF_ERROR(port.protocol == Protocol::kTcp
                               ? inbound_tcp_->Publish(std::move(port), server, gateway)
                               : inbound_udp_->Publish(std::move(port), server, gateway));
    }
    return OkStatus();
  }

  void EverySecond() {
    filter_.ExpirePins(loop_->Now());
    fragments_.Expire(loop_->Now());
    if (log_) log_->TellRepeated();
    ReturnMemory();
    loop_->AddTimer(std::chrono::seconds(1), [this] { EverySecond(); });
  }

  // What a burst took goes back to the host when it is over. Buffers that are kept for later have
  // pages of their own (SetUpAllocator()), and are gone at once; of the heap, the allocator itself
  // would keep all that lies below something that is still in use.
  void ReturnMemory() {
    rx_buffers_.Trim();
    tcp_->tx_blocks().Trim();
    const size_t flows = tcp_->flow_count() + udp_->flow_count();
    most_flows_ = std::max(most_flows_, flows);
    if (budget_.Decline() + (most_flows_ - flows) * kBytesPerFlow < kWorthReturning) return;
    most_flows_ = flows;
    budget_.ForgetPeak();
    malloc_trim(0);
  }

  void OnLink(uint32_t events) {
    if ((events & EPOLLOUT) != 0) {
      loop_->SetEvents(link_.fd(), EPOLLIN);
      tcp_->RetryOutput();
    }
    int batches = 1;
    while ((link_has_more_ = ReadFrames()) && batches < kMaxBatchesPerEvent) {
      ServiceFlows();
      ++batches;
    }
  }

  // Whether there may be more.
  bool ReadFrames() {
    for (int i = 0; i < kMaxFramesPerBatch; ++i) {
      RxBuffer* buffer = rx_buffers_.Get();
      auto length = link_.Read(buffer->bytes());
      if (!length.ok() || *length == 0) {
        RxBufferPool::Put(buffer);
        if (!length.ok()) loop_->Fail(std::move(length).status());
        return false;
      }
      OnFrame(buffer, *length);
    }
    return true;
  }

  void OnFrame(RxBuffer* buffer, size_t length) {
    const auto frame = buffer->bytes().first(length);
    const Packet packet = ParseFrame(frame);
    if (packet.kind == PacketKind::kTcp) {
      tcp_->Input(buffer, packet);
      return;
    }
    switch (packet.kind) {
      case PacketKind::kUdp:
        OnDatagram(frame, packet);
        break;
      case PacketKind::kEchoRequest:
        echo_->Input(frame, packet);
        break;
      case PacketKind::kFragment:
        OnFragment(frame, packet);
        break;
      case PacketKind::kOtherProtocol:
      case PacketKind::kExtensionHeader:
        AnswerUnreachable(frame, packet, Unreachable::kProtocol);
        break;
      case PacketKind::kArpRequest:
        Send(BuildArpReply(scratch_, link_.sandbox_mac(), packet));
        break;
      case PacketKind::kNeighbourSolicitation:
        Send(BuildNeighbourAdvertisement(scratch_, link_.sandbox_mac(), packet));
        break;
      case PacketKind::kTcp:
      case PacketKind::kMalformed:
      case PacketKind::kIgnored:
        break;
    }
    RxBufferPool::Put(buffer);
  }

  void OnFragment(std::span<const uint8_t> frame, const Packet& fragment) {
    const auto whole = fragments_.Add(frame, fragment, loop_->Now());
    if (whole.empty()) return;
    Packet packet = ParseFrame(whole);
    packet.dont_fragment = false;  // its sender cut it
    if (packet.kind == PacketKind::kUdp) OnDatagram(whole, packet);
    if (packet.kind == PacketKind::kEchoRequest) echo_->Input(whole, packet);
  }

  void OnDatagram(std::span<const uint8_t> frame, const Packet& packet) {
    if (!inbound_udp_->Input(frame, packet)) udp_->Input(frame, packet);
  }

  void AnswerUnreachable(std::span<const uint8_t> frame, const Packet& packet, Unreachable why) {
    if (!answers_.Take(loop_->Now())) return;
    Send(BuildUnreachable(scratch_, link_.sandbox_mac(), why, packet.destination, packet.source,
                          frame.subspan(packet.ip_offset, packet.ip_length)));
  }

  void Send(size_t length) { link_.Write(std::span(scratch_).first(length)); }

  void ServiceFlows() {
    udp_->Flush();
    tcp_->ServiceFlows();
  }

  void OnBatchEnd() {
    ServiceFlows();
    inbound_tcp_->OnBatchEnd();
    if (ending_ && !link_has_more_ && tcp_->Delivered()) loop_->Stop();
    if (tcp_->output_blocked()) loop_->SetEvents(link_.fd(), EPOLLIN | EPOLLOUT);
    if (!link_.status().ok()) loop_->Fail(link_.status());
    if (log_) FlushLog();
  }

  void FlushLog() {
    Status logged = log_->Flush();
    if (!logged.ok()) loop_->Fail(std::move(logged));
  }

  // Destroyed from the last to the first: flows before what they use.
  std::unique_ptr<ClaimOfTheOnlyStack> claim_;
  std::unique_ptr<EpollLoop> loop_;
  std::unique_ptr<VerdictLog> log_;
  const StackLimits limits_;
  TapLink link_;
  PacketWriter writer_;
  Filter filter_;
  const std::function<void(std::string_view)> on_notice_;
  MemoryBudget budget_;
  RxBufferPool rx_buffers_;
  std::unique_ptr<DnsServer> dns_;
  Reassembler fragments_;
  std::unique_ptr<UdpFlowTable> udp_;
  std::unique_ptr<InboundUdp> inbound_udp_;
  std::unique_ptr<InboundTcp> inbound_tcp_;  // outlives the flows
  std::unique_ptr<EchoFlowTable> echo_;
  std::unique_ptr<TcpFlowTable> tcp_;
  RateLimit answers_;
  size_t most_flows_ = 0;       // since memory was returned
  uint8_t no_room_noted_ = 0;   // of which protocols
  bool link_has_more_ = false;  // frames wait there, perhaps
  SmallFrame scratch_;
  bool ending_ = false;
};

}  // namespace

Result<std::unique_ptr<Stack>> Stack::Create(StackOptions options) {
  MINI_RETURN_IF_ERROR(CheckMtu(options.link));
  SetUpAllocator();
  auto claim = ClaimOfTheOnlyStack::Make();
  if (claim == nullptr) {
    return Status(StatusCode::kUnsupported, Stage::kNetwork,
                  "a second network stack in one process");
  }
  MINI_ASSIGN_OR_RETURN(std::unique_ptr<EpollLoop> loop, EpollLoop::Create());
  RaiseDescriptorLimit(options.limits);
  ResolverConfig resolver = std::move(options.resolver);
  InboundOptions inbound = std::move(options.inbound);
  const int stop_descriptor = options.stop_descriptor;
  std::unique_ptr<VerdictLog> log = MakeLog(options, *loop);
  options.filter.observer = log.get();
  options.filter.max_connections = options.limits.max_flows;
  auto stack = std::make_unique<RunningStack>(std::move(claim), std::move(options), std::move(loop),
                                              std::move(log));
  MINI_RETURN_IF_ERROR(stack->Start(std::move(resolver), std::move(inbound), stop_descriptor));
  return std::unique_ptr<Stack>(std::move(stack));
}

}  // namespace mini::netstack
