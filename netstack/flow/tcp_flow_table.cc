#include "netstack/flow/tcp_flow_table.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "lwip/init.h"
#include "lwip/ip.h"
#include "netstack/link/checksum.h"
#include "netstack/link/vnet.h"

namespace mini::netstack {

namespace {

constexpr auto kTickInterval = std::chrono::milliseconds(TCP_TMR_INTERVAL);
constexpr auto kAckDelay = std::chrono::milliseconds(1);
constexpr size_t kMaxPieces = 64;

// What ip4_input() and ip6_input() leave for tcp_input(): who the packet is from and for.
void SetCurrentPacket(const FlowKey& key, netif* device) {
  ip_data.current_iphdr_src = ToLwipAddress(key.sandbox.address);
  ip_data.current_iphdr_dest = ToLwipAddress(key.remote.address);
  ip_data.current_netif = device;
  ip_data.current_input_netif = device;
  ip_data.current_ip4_header = nullptr;
  ip_data.current_ip6_header = nullptr;
  ip_data.current_ip_header_tot_len = 0;
}

void InitializeLwipOnce() {
  static const bool initialized = [] {
    lwip_init();
    return true;
  }();
  (void)initialized;
}

}  // namespace

TcpFlowTable::TcpFlowTable(EpollLoop& loop, TapLink& link, MemoryBudget& budget, TcpLimits limits,
                           Admit admit)
    : loop_(loop), link_(link), budget_(budget), limits_(limits), admit_(std::move(admit)) {
  InitializeLwipOnce();
  ip4_addr_t any, address;
  ip4_addr_set_zero(&any);
  // ip4_route() wants an address; it is used for nothing, every packet carries its flow's.
  IP4_ADDR(&address, 192, 0, 2, 1);
  netif_add(
      &device_, &address, &any, &any, this,
      [](netif* device) -> err_t {
        device->output = OutputV4;
        device->output_ip6 = OutputV6;
        device->mtu = 0xffff;
        device->flags = NETIF_FLAG_UP | NETIF_FLAG_LINK_UP;
        return ERR_OK;
      },
      [](pbuf* p, netif*) -> err_t {
        pbuf_free(p);
        return ERR_OK;
      });
  netif_set_default(&device_);
  netif_set_up(&device_);
  netif_set_link_up(&device_);
  tcp_pcb* listener = tcp_new_ip_type(IPADDR_TYPE_ANY);
  if (listener == nullptr || tcp_bind(listener, IP_ANY_TYPE, 1) != ERR_OK) std::abort();
  listener = tcp_listen(listener);
  if (listener == nullptr) std::abort();
  tcp_accept(listener, TcpFlow::AcceptCallback);
  listener_ = tcp_listen_pcbs.listen_pcbs;
  listener_->local_port = 0;
}

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
  listener_->local_port = 1;
  tcp_close(reinterpret_cast<tcp_pcb*>(listener_));
  netif_remove(&device_);
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
  const size_t segment_length =
      packet.payload_offset + packet.payload_length - packet.transport_offset;
  Inject(flow, RxBufferPool::AsPbuf(buffer, packet.transport_offset, segment_length));
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
  if (flow_count() >= limits_.max_flows || pending_connects_ >= limits_.max_pending_connects) {
    ReplyReset(packet);
    return;
  }
  std::unique_ptr<TcpFlow> created = admit_(*this, key);
  if (created == nullptr) {
    ReplyReset(packet);
    return;
  }
  TcpFlow& flow = *created;
  const auto ip = buffer->bytes().subspan(packet.ip_offset, packet.ip_length);
  flow.KeepSyn(ip.first(packet.payload_offset - packet.ip_offset),
               packet.transport_offset - packet.ip_offset);
  flows_.emplace(key, std::move(created));
  MarkDirty(flow);  // starts reaching for its far side
  StartTimers();
}

void TcpFlowTable::AddInbound(std::unique_ptr<TcpFlow> created) {
  TcpFlow& flow = *created;
  flows_.emplace(flow.key(), std::move(created));
  MarkDirty(flow);  // sends its SYN
  StartTimers();
}

void TcpFlowTable::Inject(TcpFlow& flow, pbuf* segment) {
  SetCurrentPacket(flow.key(), &device_);
  {
    LwipScope scope(flow.lists());
    current_ = &flow;
    tcp_input(segment, &device_);
    flow.FillSmallWindow();
    current_ = nullptr;
  }
  flow.NoteState();
  if (flow.lists().empty() || flow.IsTimeWait()) MarkDirty(flow);
  if (flow.has_unsent_ack()) ScheduleAck(flow);
}

// Called from Service(), in the scope of the flow's lists.
void TcpFlowTable::InjectSyn(TcpFlow& flow, std::span<const uint8_t> segment) {
  pbuf* p = pbuf_alloc(PBUF_RAW, static_cast<u16_t>(segment.size()), PBUF_RAM);
  if (p == nullptr) return;
  std::memcpy(p->payload, segment.data(), segment.size());
  SetCurrentPacket(flow.key(), &device_);
  listener_->local_port = flow.key().remote.port;
  listener_->callback_arg = &flow;
  tcp_input(p, &device_);
  listener_->local_port = 0;
  listener_->callback_arg = nullptr;
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
        flow->Service();
        current_ = nullptr;
      }
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
}

void TcpFlowTable::NoteTimeWait(TcpFlow& flow) {
  flow.counted_time_wait_ = true;
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

err_t TcpFlowTable::OutputV4(netif* device, pbuf* packet, const ip4_addr_t* destination) {
  (void)destination;
  return static_cast<TcpFlowTable*>(device->state)->Output(packet, false);
}

err_t TcpFlowTable::OutputV6(netif* device, pbuf* packet, const ip6_addr_t* destination) {
  (void)destination;
  return static_cast<TcpFlowTable*>(device->state)->Output(packet, true);
}

// `packet` starts with the IP header that lwIP wrote; headers are in the first pbuf.
err_t TcpFlowTable::Output(pbuf* packet, bool v6) {
  const size_t ip_header = v6 ? kIpv6HeaderSize : kIpv4HeaderSize;
  const std::span<uint8_t> headers(static_cast<uint8_t*>(packet->payload), packet->len);
  const size_t addresses = v6 ? 8 : 12;
  const size_t address_size = v6 ? 16 : 4;
  const size_t tcp_length = packet->tot_len - ip_header;
  uint64_t sum = ChecksumAdd(0, headers.subspan(addresses, 2 * address_size));
  sum += kProtocolTcp + tcp_length;
  ByteWriter(headers.subspan(ip_header + 16, 2)).U16(ChecksumFold(sum));

  Offload offload;
  offload.partial_checksum = true;
  offload.transport_offset = kLinkHeaderSize + ip_header;
  offload.checksum_offset = 16;
  const size_t tcp_header = size_t{headers[ip_header + 12]} >> 4 << 2;
  if (packet->tot_len > link_.mtu()) {
    offload.gso_type = v6 ? kVnetGsoTcpV6 : kVnetGsoTcpV4;
    offload.gso_size = static_cast<uint16_t>(link_.mtu() - ip_header - tcp_header);
    offload.header_length = static_cast<uint16_t>(kEthernetHeaderSize + ip_header + tcp_header);
  }
  std::array<uint8_t, kLinkHeaderSize> link_header;
  ByteWriter writer(link_header);
  WriteLinkHeader(writer, link_.sandbox_mac(), v6 ? kEtherTypeIpv6 : kEtherTypeIpv4, offload);

  std::array<iovec, kMaxPieces> pieces;
  pieces[0] = {link_header.data(), link_header.size()};
  size_t count = 1;
  for (pbuf* p = packet; p != nullptr && count < kMaxPieces; p = p->next) {
    pieces[count++] = {p->payload, p->len};
    if (count == kMaxPieces && p->next != nullptr) {
      bounce_.resize(packet->tot_len);
      pbuf_copy_partial(packet, bounce_.data(), packet->tot_len, 0);
      pieces[1] = {bounce_.data(), bounce_.size()};
      count = 2;
      break;
    }
  }
  if (link_.Write(std::span(pieces).first(count)) != TapLink::Written::kBlocked) return ERR_OK;
  if (current_ != nullptr && !std::exchange(current_->output_blocked_, true)) {
    output_blocked_.push_back(current_);
  }
  return ERR_BUF;  // lwIP keeps the segment
}

}  // namespace mini::netstack
