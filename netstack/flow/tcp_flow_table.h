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
// When there are too many flows, a newcomer takes the place of the one that has been idle for
// longest (activity_list.h), which is reset on both sides: so connections that are merely held
// open shut nobody out for longer than TcpLimits::min_idle. When there are too many connects that
// nobody has answered, one to the destination with most of them gives way at once
// (connect_limits.h): its SYN is forgotten, and the sandbox's kernel sends it again. So is a SYN
// whose own destination has most.
//
// A finished flow stays, without its far side, until lwIP has forgotten it; TIME-WAIT lasts a
// second and is cut short when there are many, or when the sandbox uses the same endpoints again.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_TCP_FLOW_TABLE_H_
#define MINI_SANDBOX_NETSTACK_FLOW_TCP_FLOW_TABLE_H_

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "netstack/epoll_loop.h"
#include "netstack/filter/filter.h"
#include "netstack/flow/activity_list.h"
#include "netstack/flow/connect_limits.h"
#include "netstack/flow/lwip_device.h"
#include "netstack/flow/source_ports.h"
#include "netstack/flow/tcp_flow.h"
#include "netstack/flow/tcp_limits.h"
#include "netstack/link/frame_builder.h"
#include "netstack/link/tap_link.h"

namespace mini::netstack {

class TcpFlowTable final : private LwipDevice::Owner {
 public:
  // Without a flow: refused, or, if it is to ask again, left without an answer.
  struct Admission {
    std::unique_ptr<TcpFlow> flow = nullptr;
    bool asks_again = false;
  };
  // Whoever admits a flow calls FindRoom() for it.
  using Admit = std::function<Admission(TcpFlowTable& table, const FlowKey& key)>;

  using Notify = std::function<void(std::string_view sentence)>;

  // At most one in a process at a time: lwIP's state is global. `notify` is told, once each, that a
  // limit has been met.
  TcpFlowTable(EpollLoop& loop, TapLink& link, MemoryBudget& budget, TcpLimits limits, Admit admit,
               Notify notify);
  ~TcpFlowTable();
  TcpFlowTable(const TcpFlowTable&) = delete;
  TcpFlowTable& operator=(const TcpFlowTable&) = delete;

  // Takes the buffer, which holds `packet` (kTcp).
  void Input(RxBuffer* buffer, const Packet& packet);
  // At the end of a batch.
  void ServiceFlows();
  // lwIP's timers, and idle time-outs: by a timer of the table's own, every TCP_TMR_INTERVAL while
  // there is a flow, and by whoever has no loop that runs.
  void Tick();
  // The link takes frames again.
  void RetryOutput();
  bool output_blocked() const { return !output_blocked_.empty(); }

  // A flow that opens its lwIP side itself (InboundTcp). There has to be room, and its key must not
  // be in use.
  void AddInbound(std::unique_ptr<TcpFlow> flow);
  // Room for one flow of that class to there, which is made if it has to be.
  Room FindRoom(TcpFlow::ActivityClass activity_class, const Endpoint& destination);
  bool Contains(const FlowKey& key) const { return flows_.contains(key); }
  bool MakeRoomForInbound() { return MakeRoom(TcpFlow::ActivityClass::kCarrying) == Room::kThere; }

  // Whether everything that the sandbox has sent has been passed on.
  bool Delivered() const;

  // Those in TIME-WAIT, and those that are being evicted, do not count.
  size_t flow_count() const { return pending_.size() + carrying_.size() + dns_.size(); }

  // For flows.
  EpollLoop& loop() { return loop_; }
  MemoryBudget& budget() { return budget_; }
  TxBlockPool& tx_blocks() { return tx_blocks_; }
  SourcePorts& source_ports() { return source_ports_; }
  // How often a flow reads from its far side before the others have their turn.
  size_t reads_per_service() const;
  void MarkDirty(TcpFlow& flow);
  void InjectSyn(TcpFlow& flow, std::span<const uint8_t> segment);
  const TcpLimits& limits() const { return limits_; }
  void NoteActivity(TcpFlow& flow);
  // The far side has answered with success: the flow's activity class is another one now.
  void NoteConnected(TcpFlow& flow);
  // Resets the flow that has been idle for longest; its descriptor is free at once. False when none
  // has been idle for long enough.
  bool EvictIdle();
  // ICMP that makes connect(2) inside fail with the errno that the host's connect(2) failed with.
  void AnswerUnreachable(const TcpFlow& flow, std::span<const uint8_t> ip_packet, Unreachable why);
  void AnswerReset(const TcpFlow& flow, std::span<const uint8_t> ip_packet,
                   size_t transport_offset);
  // The payload of a segment that fits the sandbox's MTU.
  uint16_t SegmentSize(const IpAddress& address) const;

 private:
  enum class Notice : uint8_t { kEvicted, kRefused, kSynsHeldBack };

  void OpenFlow(RxBuffer* buffer, const Packet& packet, const FlowKey& key);
  ActivityList& ListOf(const TcpFlow& flow);
  Room MakeRoom(TcpFlow::ActivityClass activity_class);
  bool MakeRoomForConnect(const IpAddress& destination);
  static void PayBack(RateLimit*& paid_from);
  bool EvictIfIdle(ActivityLink* link);
  void TakePlaceOf(TcpFlow& flow);
  void NoteOnce(Notice notice);
  void Detach(TcpFlow& flow);
  void Inject(TcpFlow& flow, pbuf* segment, LwipDevice::BareAck bare_ack);
  void ReplyReset(const Packet& packet);
  void OnOutputBlocked() override;
  std::optional<uint32_t> UrgentEnd() const override;
  void StartTimers();
  void ScheduleAck(TcpFlow& flow);
  void UnscheduleAck(TcpFlow& flow);
  void SendAcks();
  void NoteTimeWait(TcpFlow& flow);
  void Erase(TcpFlow& flow);

  EpollLoop& loop_;
  TapLink& link_;
  MemoryBudget& budget_;
  const TcpLimits limits_;
  Admit admit_;
  Notify notify_;
  LwipDevice device_;
  SourcePorts source_ports_{SourcePorts::OfThisHost()};

  // Flows leave them when they are destroyed, so the lists come first.
  PendingConnects pending_;
  ActivityList carrying_, dns_;
  ConnectRates connect_rates_;
  RateLimit* paid_from_ = nullptr;  // for the flow that is being admitted
  uint8_t noted_ = 0;               // which notices have been given
  std::unordered_map<FlowKey, std::unique_ptr<TcpFlow>, FlowKeyHash> flows_;
  // Whose endpoints are in use again while their far side still takes data.
  std::unordered_map<TcpFlow*, std::unique_ptr<TcpFlow>> detached_;
  std::vector<TcpFlow*> dirty_;
  std::vector<TcpFlow*> servicing_;
  std::vector<TcpFlow*> ack_pending_;
  std::vector<TcpFlow*> output_blocked_;
  std::deque<FlowKey> time_wait_order_;
  TcpFlow* current_ = nullptr;  // whose lists are lwIP's
  size_t time_wait_count_ = 0;
  int ticks_ = 0;
  bool ticking_ = false;
  bool ack_timer_set_ = false;
  EventLoop::TimerId tick_timer_ = 0;
  EventLoop::TimerId ack_timer_ = 0;
  TxBlockPool tx_blocks_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_TCP_FLOW_TABLE_H_
