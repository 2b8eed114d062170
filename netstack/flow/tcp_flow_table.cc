#include "netstack/flow/tcp_flow_table.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/strings.h"

namespace mini::netstack {

namespace {

constexpr auto kTickInterval = std::chrono::milliseconds(TCP_TMR_INTERVAL);
constexpr size_t kReadsPerBatch = 4;
constexpr auto kAckDelay = std::chrono::milliseconds(1);

// lwIP 2.2.1 leaves it running when the sandbox, its window closed, acknowledges what was about to
// be sent again (tcp_receive() in tcp_in.c), and then aborts in tcp_slowtmr().
void StopNeedlessPersistTimer(tcp_pcb& pcb) {
  if (pcb.state != TIME_WAIT && (pcb.unsent == nullptr || pcb.unacked != nullptr)) {
    pcb.persist_backoff = 0;
  }
}

}  // namespace

TcpFlowTable::TcpFlowTable(EpollLoop& loop, TapLink& link, MemoryBudget& budget, TcpLimits limits,
                           Admit admit, Notify notify)
    : loop_(loop),
      link_(link),
      budget_(budget),
      limits_(limits),
      admit_(std::move(admit)),
      notify_(std::move(notify)),
      device_(link, TcpFlow::AcceptCallback, *this),
      connect_rates_(limits) {}

TcpFlowTable::~TcpFlowTable() {
  loop_.CancelTimer(tick_timer_);
  loop_.CancelTimer(ack_timer_);
  for (auto& [key, flow] : flows_) {
    LwipScope scope(flow->lists());
    flow->Abandon();
    // A parting RST would not help anyone: the sandbox ends with its stack.
    while (tcp_active_pcbs != nullptr) tcp_abandon(tcp_active_pcbs, 0);
    while (tcp_tw_pcbs != nullptr) tcp_abandon(tcp_tw_pcbs, 0);
  }
  for (auto& [pointer, flow] : detached_) flow->Abandon();
  flows_.clear();
  detached_.clear();
}

uint16_t TcpFlowTable::SegmentSize(const IpAddress& address) const {
  const size_t headers = (address.is_v4() ? kIpv4HeaderSize : kIpv6HeaderSize) + kTcpHeaderSize;
  return static_cast<uint16_t>(link_.mtu() - headers);
}

void TcpFlowTable::Input(RxBuffer* buffer, const Packet& packet) {
  const FlowKey key{{packet.source, packet.source_port},
                    {packet.destination, packet.destination_port}};
  const bool syn_ack = (packet.tcp_flags & (kTcpSyn | kTcpAck)) == (kTcpSyn | kTcpAck);
  const bool syn = (packet.tcp_flags & kTcpSyn) != 0 && !syn_ack;
  auto found = flows_.find(key);
  if (found != flows_.end() && syn && found->second->IsOver()) {
    // RFC 6191: the sandbox may use the endpoints again; no old segment can be on this link.
    Detach(*found->second);
    found = flows_.end();
  }
  if (found == flows_.end()) {
    if (syn) {
      OpenFlow(buffer, packet, key);
    } else {
      ReplyReset(packet);
    }
    RxBufferPool::Put(buffer);
    return;
  }
  TcpFlow& flow = *found->second;
  if (syn_ack && !flow.AwaitsSynAck()) {
    RxBufferPool::Put(buffer);
    return;
  }
  if (flow.phase() == TcpFlow::Phase::kWaiting) {
    const auto ip = buffer->bytes().subspan(packet.ip_offset, packet.ip_length);
    const size_t headers = packet.payload_offset - packet.ip_offset;
    if (syn) flow.KeepSyn(ip.first(headers), packet.transport_offset - packet.ip_offset);
    if ((packet.tcp_flags & kTcpRst) != 0) flow.Abandon();
    RxBufferPool::Put(buffer);
    return;
  }
  // Too much is held already, and this flow holds some of it: the sandbox will send it again.
  if (budget_.exhausted() && packet.payload_length > 0 &&
      flow.received_bytes() > MemoryBudget::kMinPerFlow) {
    RxBufferPool::Put(buffer);
    return;
  }
  if (!flow.IsProbeAnswer(packet)) NoteActivity(flow);
  if (packet.tcp_urgent != 0) flow.NoteUrgent(packet.tcp_sequence + packet.tcp_urgent - 1);
  const size_t segment_length =
      packet.payload_offset + packet.payload_length - packet.transport_offset;
  // What comes in order is acknowledged when the batch has been passed on, by data that goes the
  // same way or by one acknowledgment for all of it. A sender counts the others (RFC 5681, 3.2).
  const auto bare_ack =
      flow.IsNext(packet) ? LwipDevice::BareAck::kHeldBack : LwipDevice::BareAck::kSent;
  Inject(flow, RxBufferPool::AsPbuf(buffer, packet.transport_offset, segment_length), bare_ack);
}

// lwIP forgets the connection; the flow lives on until its far side has taken everything.
void TcpFlowTable::Detach(TcpFlow& flow) {
  {
    LwipScope scope(flow.lists());
    while (tcp_tw_pcbs != nullptr) tcp_abandon(tcp_tw_pcbs, 0);
  }
  MarkDirty(flow);
  auto node = flows_.extract(flow.key());
  detached_.emplace(&flow, std::move(node.mapped()));
}

void TcpFlowTable::OpenFlow(RxBuffer* buffer, const Packet& packet, const FlowKey& key) {
  paid_from_ = nullptr;
  auto [created, asks_again] = admit_(*this, key);
  if (created == nullptr) {
    if (!asks_again) ReplyReset(packet);
    return;
  }
  TcpFlow& flow = *created;
  flow.paid_from_ = std::exchange(paid_from_, nullptr);
  const auto ip = buffer->bytes().subspan(packet.ip_offset, packet.ip_length);
  flow.KeepSyn(ip.first(packet.payload_offset - packet.ip_offset),
               packet.transport_offset - packet.ip_offset);
  flows_.emplace(key, std::move(created));
  NoteActivity(flow);
  MarkDirty(flow);  // starts reaching for its far side
  StartTimers();
}

bool TcpFlowTable::Delivered() const {
  const auto has_to_deliver = [](const auto& entry) { return entry.second->HasToDeliver(); };
  return std::none_of(flows_.begin(), flows_.end(), has_to_deliver) &&
         std::none_of(detached_.begin(), detached_.end(), has_to_deliver);
}

void TcpFlowTable::AddInbound(std::unique_ptr<TcpFlow> created) {
  TcpFlow& flow = *created;
  flows_.emplace(flow.key(), std::move(created));
  NoteActivity(flow);
  MarkDirty(flow);  // sends its SYN
  StartTimers();
}

ActivityList& TcpFlowTable::ListOf(const TcpFlow& flow) {
  switch (flow.activity_class()) {
    case TcpFlow::ActivityClass::kConnecting:
      return pending_.ShareOf(flow.key().remote.address);
    case TcpFlow::ActivityClass::kDns:
      return dns_;
    case TcpFlow::ActivityClass::kCarrying:
      break;
  }
  return carrying_;
}

void TcpFlowTable::NoteActivity(TcpFlow& flow) {
  // What is over, or on its way out, is not in the lists any more.
  if (flow.evicted_ || flow.counted_time_wait_) return;
  ListOf(flow).Touch(flow.activity_, loop_.Now());
}

void TcpFlowTable::NoteConnected(TcpFlow& flow) {
  PayBack(flow.paid_from_);
  connect_rates_.NoteAnswered(flow.key().remote);
  NoteActivity(flow);
}

Room TcpFlowTable::FindRoom(TcpFlow::ActivityClass activity_class, const Endpoint& destination) {
  if (activity_class == TcpFlow::ActivityClass::kConnecting) {
    paid_from_ = connect_rates_.Take(destination, loop_.Now());
    if (paid_from_ == nullptr || !MakeRoomForConnect(destination.address)) {
      PayBack(paid_from_);
      NoteOnce(Notice::kSynsHeldBack);
      return Room::kLater;
    }
  }
  const Room room = MakeRoom(activity_class);
  if (room == Room::kThere) return room;
  NoteOnce(Notice::kRefused);
  PayBack(paid_from_);
  return room;
}

void TcpFlowTable::PayBack(RateLimit*& paid_from) {
  if (RateLimit* paid = std::exchange(paid_from, nullptr)) paid->GiveBack();
}

// None when nothing has been idle for long enough.
Room TcpFlowTable::MakeRoom(TcpFlow::ActivityClass activity_class) {
  if (dns_.size() >= limits_.max_dns_flows && activity_class == TcpFlow::ActivityClass::kDns &&
      !EvictIfIdle(dns_.oldest())) {
    return Room::kOwnBound;
  }
  return flow_count() < limits_.max_flows || EvictIdle() ? Room::kThere : Room::kAllTaken;
}

bool TcpFlowTable::MakeRoomForConnect(const IpAddress& destination) {
  if (pending_.size() < limits_.max_pending_connects) return true;
  if (EvictIfIdle(pending_.oldest())) return true;
  ActivityLink* gives_way = pending_.GivesWayTo(pending_.ShareOf(destination));
  if (gives_way == nullptr) return false;
  NoteOnce(Notice::kSynsHeldBack);
  TcpFlow& flow = *TcpFlow::FromActivity(gives_way);
  TakePlaceOf(flow);
  flow.Abandon();  // without an answer
  return true;
}

bool TcpFlowTable::EvictIdle() {
  return EvictIfIdle(carrying_.oldest()) || EvictIfIdle(pending_.oldest());
}

bool TcpFlowTable::EvictIfIdle(ActivityLink* link) {
  if (link == nullptr || loop_.Now() - link->last_activity() < limits_.min_idle) return false;
  NoteOnce(Notice::kEvicted);
  TcpFlow& flow = *TcpFlow::FromActivity(link);
  TakePlaceOf(flow);
  flow.Evict();
  return true;
}

void TcpFlowTable::TakePlaceOf(TcpFlow& flow) {
  flow.activity_.Leave();
  flow.evicted_ = true;
  MarkDirty(flow);
}

void TcpFlowTable::NoteOnce(Notice notice) {
  const auto bit = static_cast<uint8_t>(1u << static_cast<unsigned>(notice));
  if ((noted_ & bit) != 0 || !notify_) return;
  noted_ |= bit;
  std::string more = flow_count() < limits_.max_flows
                         ? ""
                         : MoreConnectionsOption(Protocol::kTcp, limits_.max_flows);
  if (!more.empty()) more = StrCat("; to allow more: ", more);
  std::string many = StrCat("too many TCP connections at once (", flow_count());
  if (pending_.size() != 0) many += StrCat("; of these ", pending_.size(), " not answered yet");
  many += ")";
  switch (notice) {
    case Notice::kEvicted:
      notify_(StrCat(many, ": those that are idle for longest are reset from now on", more));
      break;
    case Notice::kRefused:
      notify_(StrCat(many, ", and none of them idle: further ones are refused meanwhile", more));
      break;
    case Notice::kSynsHeldBack:
      notify_(
          "too many TCP connects that nobody answers or that are refused: they are slowed down");
      break;
  }
}

void TcpFlowTable::Inject(TcpFlow& flow, pbuf* segment, LwipDevice::BareAck bare_ack) {
  {
    LwipScope scope(flow.lists());
    current_ = &flow;
    device_.Input(flow.key(), segment, bare_ack);
    flow.FillSmallWindow();
    current_ = nullptr;
  }
  flow.NoteState();
  if (flow.lists().empty() || flow.IsTimeWait()) MarkDirty(flow);
  if (flow.has_unsent_ack()) ScheduleAck(flow);
}

// Called from Service(), in the scope of the flow's lists.
void TcpFlowTable::InjectSyn(TcpFlow& flow, std::span<const uint8_t> segment) {
  device_.InputSyn(flow.key(), segment, &flow);
}

// What has been read waits in the cache for the sandbox's acknowledgments, which are on the link by
// then: so all flows together read what fits there, and the link has its turn.
size_t TcpFlowTable::reads_per_service() const {
  return std::max<size_t>(kReadsPerBatch / std::max<size_t>(servicing_.size(), 1), 1);
}

void TcpFlowTable::MarkDirty(TcpFlow& flow) {
  if (std::exchange(flow.dirty_, true)) return;
  dirty_.push_back(&flow);
}

void TcpFlowTable::ServiceFlows() {
  while (!dirty_.empty()) {
    servicing_.swap(dirty_);
    for (TcpFlow* flow : servicing_) {
      flow->dirty_ = false;
      {
        LwipScope scope(flow->lists());
        current_ = flow;
        if (!flow->evicted_) {
          flow->Service();
        } else if (tcp_active_pcbs != nullptr) {
          flow->Reset();
        }
        if (flow->owes_ack_now()) flow->SendAckNow();
        current_ = nullptr;
      }
      flow->CompactReceived();
      flow->NoteState();
      if (flow->has_unsent_ack()) ScheduleAck(*flow);
      if (flow->dirty_) continue;
      if (flow->Finished()) {
        Erase(*flow);
      } else if (flow->IsTimeWait() && !flow->counted_time_wait_) {
        NoteTimeWait(*flow);
      }
    }
    servicing_.clear();
  }
  // What is kept for later is within the same bound as what is in use.
  tx_blocks_.KeepAtMost(budget_.left());
}

void TcpFlowTable::NoteTimeWait(TcpFlow& flow) {
  flow.counted_time_wait_ = true;
  flow.activity_.Leave();
  ++time_wait_count_;
  time_wait_order_.push_back(flow.key());
  while (time_wait_count_ > limits_.max_time_wait && !time_wait_order_.empty()) {
    const auto oldest = flows_.find(time_wait_order_.front());
    time_wait_order_.pop_front();
    if (oldest == flows_.end() || !oldest->second->IsTimeWait()) continue;
    LwipScope scope(oldest->second->lists());
    tcp_abandon(tcp_tw_pcbs, 0);
    MarkDirty(*oldest->second);
    break;
  }
}

void TcpFlowTable::Erase(TcpFlow& flow) {
  UnscheduleAck(flow);
  if (flow.output_blocked_) std::erase(output_blocked_, &flow);
  if (flow.counted_time_wait_) {
    --time_wait_count_;
  }
  if (detached_.erase(&flow) == 0) flows_.erase(flows_.find(flow.key()));
}

void TcpFlowTable::StartTimers() {
  if (std::exchange(ticking_, true)) return;
  tick_timer_ = loop_.AddTimer(kTickInterval, [this] { Tick(); });
}

void TcpFlowTable::Tick() {
  ticking_ = false;
  if (flows_.empty() && detached_.empty()) return;
  StartTimers();
  while (!time_wait_order_.empty()) {
    const auto oldest = flows_.find(time_wait_order_.front());
    if (oldest != flows_.end() && oldest->second->IsTimeWait()) break;
    time_wait_order_.pop_front();
  }
  // One list of all connections, for lwIP to walk.
  for (auto& [key, flow] : flows_) {
    for (auto [mine, all] : {std::pair{&flow->lists_.active, &tcp_active_pcbs},
                             std::pair{&flow->lists_.time_wait, &tcp_tw_pcbs}}) {
      while (*mine != nullptr) {
        tcp_pcb* pcb = *mine;
        *mine = pcb->next;
        pcb->next = *all;
        *all = pcb;
        StopNeedlessPersistTimer(*pcb);
      }
    }
  }
  tcp_tmr();
  // Each back to its flow, which is its callback argument from the SYN on.
  for (auto [all, active] : {std::pair{&tcp_active_pcbs, true}, std::pair{&tcp_tw_pcbs, false}}) {
    while (*all != nullptr) {
      tcp_pcb* pcb = *all;
      *all = pcb->next;
      LwipLists& lists = static_cast<TcpFlow*>(pcb->callback_arg)->lists_;
      tcp_pcb*& mine = active ? lists.active : lists.time_wait;
      pcb->next = mine;
      mine = pcb;
    }
  }
  const bool second = ++ticks_ % 4 == 0;
  for (auto& [key, flow] : flows_) {
    flow->NoteState();
    if (flow->Finished()) MarkDirty(*flow);
    if (second) flow->OnTick(loop_.Now());
  }
  for (auto& [pointer, flow] : detached_) {
    if (second) flow->OnTick(loop_.Now());
  }
}

void TcpFlowTable::ScheduleAck(TcpFlow& flow) {
  if (flow.ack_index_ != SIZE_MAX) return;
  flow.ack_index_ = ack_pending_.size();
  ack_pending_.push_back(&flow);
  if (std::exchange(ack_timer_set_, true)) return;
  ack_timer_ = loop_.AddTimer(kAckDelay, [this] { SendAcks(); });
}

void TcpFlowTable::UnscheduleAck(TcpFlow& flow) {
  if (flow.ack_index_ == SIZE_MAX) return;
  TcpFlow* last = ack_pending_.back();
  ack_pending_[flow.ack_index_] = last;
  last->ack_index_ = flow.ack_index_;
  flow.ack_index_ = SIZE_MAX;
  ack_pending_.pop_back();
}

void TcpFlowTable::SendAcks() {
  ack_timer_set_ = false;
  for (TcpFlow* flow : std::exchange(ack_pending_, {})) {
    flow->ack_index_ = SIZE_MAX;
    if (!flow->has_unsent_ack()) continue;
    LwipScope scope(flow->lists());
    current_ = flow;
    flow->SendAckNow();
    current_ = nullptr;
  }
}

void TcpFlowTable::OnOutputBlocked() {
  if (current_ == nullptr || std::exchange(current_->output_blocked_, true)) return;
  output_blocked_.push_back(current_);
}

std::optional<uint32_t> TcpFlowTable::UrgentEnd() const {
  return current_ != nullptr ? current_->sent_urgent_end_ : std::nullopt;
}

void TcpFlowTable::RetryOutput() {
  for (TcpFlow* flow : std::exchange(output_blocked_, {})) {
    flow->output_blocked_ = false;
    LwipScope scope(flow->lists());
    current_ = flow;
    flow->RetryOutput();
    current_ = nullptr;
  }
}

void TcpFlowTable::ReplyReset(const Packet& packet) {
  SmallFrame frame;
  if (const auto length = BuildTcpReset(frame, link_.sandbox_mac(), packet)) {
    link_.Write(std::span(frame).first(*length));
  }
}

void TcpFlowTable::AnswerReset(const TcpFlow& flow, std::span<const uint8_t> ip_packet,
                               size_t transport_offset) {
  ByteReader reader(ip_packet.subspan(transport_offset));
  reader.Skip(4);
  Packet syn;
  syn.source = flow.key().sandbox.address;
  syn.source_port = flow.key().sandbox.port;
  syn.destination = flow.key().remote.address;
  syn.destination_port = flow.key().remote.port;
  syn.tcp_flags = kTcpSyn;
  syn.tcp_sequence = reader.U32();
  ReplyReset(syn);
}

void TcpFlowTable::AnswerUnreachable(const TcpFlow& flow, std::span<const uint8_t> ip_packet,
                                     Unreachable why) {
  SmallFrame frame;
  const size_t length = BuildUnreachable(frame, link_.sandbox_mac(), why, flow.key().remote.address,
                                         flow.key().sandbox.address, ip_packet);
  link_.Write(std::span(frame).first(length));
}

}  // namespace mini::netstack
