// Every TCP flow of the sandbox, and lwIP.
//
// Theory of operation. A segment finds its flow by hash. A SYN without one asks for admission: a
// refusal is answered with RST at once, before anything is allocated; an admitted flow reaches for
// its far side while its SYN is kept. When the far side is there, the one listener of lwIP takes
// the destination's port, the kept SYN is handed in, and the port is taken from the listener again:
// so lwIP accepts connections to any address and port, but only those we hand it, and SYN-ACK never
// comes before the host's own connect. Segments of no flow are answered with RST here.
//
// Flows collect work while a batch of events runs and do it in ServiceFlows(). lwIP's timers tick
// every 250 ms while there is a flow. Delayed acknowledgments are not left to them: they go out a
// millisecond later, unless data that goes the same way has carried them.
//
// A finished flow stays, without its far side, until lwIP has forgotten it; TIME-WAIT lasts a
// second and is cut short when there are many, or when the sandbox uses the same endpoints again.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_TCP_FLOW_TABLE_H_
#define MINI_SANDBOX_NETSTACK_FLOW_TCP_FLOW_TABLE_H_

#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "lwip/netif.h"
#include "netstack/epoll_loop.h"
#include "netstack/flow/tcp_flow.h"
#include "netstack/link/frame_builder.h"
#include "netstack/link/tap_link.h"

namespace mini::netstack {

struct TcpLimits {
  size_t max_flows = 8192;
  size_t max_pending_connects = 1024;
  size_t max_time_wait = 1024;
};

class TcpFlowTable {
 public:
  // A flow for an admitted SYN, or nothing: refused.
  using Admit = std::function<std::unique_ptr<TcpFlow>(TcpFlowTable& table, const FlowKey& key)>;

  // At most one in a process at a time: lwIP's state is global.
  TcpFlowTable(EpollLoop& loop, TapLink& link, MemoryBudget& budget, TcpLimits limits, Admit admit);
  ~TcpFlowTable();
  TcpFlowTable(const TcpFlowTable&) = delete;
  TcpFlowTable& operator=(const TcpFlowTable&) = delete;

  // Takes the buffer, which holds `packet` (kTcp).
  void Input(RxBuffer* buffer, const Packet& packet);
  // At the end of a batch.
  void ServiceFlows();
  // The link takes frames again.
  void RetryOutput();
  bool output_blocked() const { return !output_blocked_.empty(); }

  // A flow that opens its lwIP side itself (InboundTcp); the table neither is full nor contains its
  // key.
  void AddInbound(std::unique_ptr<TcpFlow> flow);
  bool Contains(const FlowKey& key) const { return flows_.contains(key); }
  bool full() const { return flow_count() >= limits_.max_flows; }

  size_t flow_count() const { return flows_.size() + detached_.size() - time_wait_count_; }

  // For flows.
  EpollLoop& loop() { return loop_; }
  MemoryBudget& budget() { return budget_; }
  TxBlockPool& tx_blocks() { return tx_blocks_; }
  void MarkDirty(TcpFlow& flow);
  void InjectSyn(TcpFlow& flow, std::span<const uint8_t> segment);
  void NotePendingConnect(int change) { pending_connects_ += static_cast<size_t>(change); }
  // ICMP that makes connect(2) inside fail with the errno that the host's connect(2) failed with.
  void AnswerUnreachable(const TcpFlow& flow, std::span<const uint8_t> ip_packet, Unreachable why);
  void AnswerReset(const TcpFlow& flow, std::span<const uint8_t> ip_packet,
                   size_t transport_offset);
  // The payload of a segment that fits the sandbox's MTU.
  uint16_t SegmentSize(const IpAddress& address) const;

 private:
  void OpenFlow(RxBuffer* buffer, const Packet& packet, const FlowKey& key);
  void Detach(TcpFlow& flow);
  void Inject(TcpFlow& flow, pbuf* segment);
  void ReplyReset(const Packet& packet);
  err_t Output(pbuf* packet, bool v6);
  void Tick();
  void StartTimers();
  void ScheduleAck(TcpFlow& flow);
  void UnscheduleAck(TcpFlow& flow);
  void SendAcks();
  void NoteTimeWait(TcpFlow& flow);
  void Erase(TcpFlow& flow);

  static err_t OutputV4(netif* device, pbuf* packet, const ip4_addr_t* destination);
  static err_t OutputV6(netif* device, pbuf* packet, const ip6_addr_t* destination);

  EpollLoop& loop_;
  TapLink& link_;
  MemoryBudget& budget_;
  const TcpLimits limits_;
  Admit admit_;
  netif device_{};
  tcp_pcb_listen* listener_ = nullptr;

  std::unordered_map<FlowKey, std::unique_ptr<TcpFlow>, FlowKeyHash> flows_;
  // Whose endpoints are in use again while their far side still takes data.
  std::unordered_map<TcpFlow*, std::unique_ptr<TcpFlow>> detached_;
  std::vector<TcpFlow*> dirty_;
  std::vector<TcpFlow*> servicing_;
  std::vector<TcpFlow*> ack_pending_;
  std::vector<TcpFlow*> output_blocked_;
  std::deque<FlowKey> time_wait_order_;
  std::vector<uint8_t> bounce_;  // for packets in more pieces than writev(2) takes
  TcpFlow* current_ = nullptr;   // whose lists are lwIP's
  size_t time_wait_count_ = 0;
  size_t pending_connects_ = 0;
  int ticks_ = 0;
  bool ticking_ = false;
  bool ack_timer_set_ = false;
  EventLoop::TimerId tick_timer_ = 0;
  EventLoop::TimerId ack_timer_ = 0;
  TxBlockPool tx_blocks_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_TCP_FLOW_TABLE_H_
