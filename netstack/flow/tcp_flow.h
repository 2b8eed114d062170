// One TCP connection of the sandbox: lwIP's end of it. What it leads to (a host socket, the DNS
// server) is a derived class.
//
// Theory of operation. lwIP's callbacks only take note: received buffers are queued, acknowledged
// blocks returned, the end of either direction recorded, and the flow marked. All work is done
// afterwards, once a batch, by Service(), in the scope of this flow's lists: so no callback calls
// back into lwIP, and a flow that got twenty segments writes to its host socket once.
//
// A flow waits (kWaiting: its far side is being reached, lwIP does not know it yet), shakes hands
// (kHandshake: the SYN was handed to lwIP, or lwIP's own is on its way to a server inside), is open
// (kOpen), and is over on lwIP's side: in order
// (kClosed: the sandbox has everything, including our FIN) or not (kReset). A flow may be deleted
// when lwIP's lists and the far side are empty.
//
// Urgent data. lwIP does not know it, and carries the urgent byte as any other. Where it stands is
// kept beside: what the sandbox marks is sent as such to the far side, and what the far side marks
// is marked in the headers that lwIP wrote (lwip_device.h).
//
// Memory. What the host has not taken is charged to the budget, and so is what the sandbox has not
// acknowledged. The window offered to the sandbox starts small, doubles when the host keeps up,
// and never exceeds what the budget grants a flow plus a minimum.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_TCP_FLOW_H_
#define MINI_SANDBOX_NETSTACK_FLOW_TCP_FLOW_H_

#include <sys/uio.h>

#include <optional>
#include <span>
#include <vector>

#include "netstack/event_loop.h"
#include "netstack/flow/activity_list.h"
#include "netstack/flow/buffers.h"
#include "netstack/flow/flow_key.h"
#include "netstack/flow/lwip_scope.h"
#include "netstack/flow/memory_budget.h"
#include "netstack/flow/rate_limit.h"

namespace mini::netstack {

class TcpFlowTable;

class TcpFlow {
 public:
  enum class Phase : uint8_t { kWaiting, kHandshake, kOpen, kClosed, kReset };
  // Flows of a class compete for room (TcpLimits).
  enum class ActivityClass : uint8_t { kConnecting, kCarrying, kDns };

  TcpFlow(TcpFlowTable& table, const FlowKey& key);
  virtual ~TcpFlow();
  TcpFlow(const TcpFlow&) = delete;
  TcpFlow& operator=(const TcpFlow&) = delete;

  const FlowKey& key() const { return key_; }
  LwipLists& lists() { return lists_; }
  Phase phase() const { return phase_; }
  // The flow is nothing but a connection in TIME-WAIT.
  bool IsTimeWait() const { return lists_.active == nullptr && lists_.time_wait != nullptr; }
  // Its SYN is on the way to a server inside.
  bool AwaitsSynAck() const { return lists_.active != nullptr && lists_.active->state == SYN_SENT; }
  // lwIP has nothing left to do for it.
  bool IsOver() const {
    return lists_.active == nullptr && (phase_ == Phase::kClosed || phase_ == Phase::kReset);
  }
  // The sandbox has not finished sending, or the far side has not taken all of it.
  virtual bool HasToDeliver() const { return false; }
  bool Finished() const { return lists_.empty() && phase_ != Phase::kWaiting && FarSideDone(); }

  // What was collected during the batch. Called in the scope of lists().
  virtual void Service() = 0;
  // Every second or so.
  virtual void OnTick(TimePoint now) = 0;
  // Without a word to the sandbox: its SYN is forgotten, or its connection was.
  virtual void Abandon() = 0;
  virtual ActivityClass activity_class() const { return ActivityClass::kCarrying; }
  // To make room: the far side is reset, its descriptor closed. The table resets the sandbox's
  // side, if lwIP knows it, and no other function of the derived class is called any more.
  virtual void Evict() { Abandon(); }

  // The SYN, or a later one of the same sandbox endpoints, while the far side is being reached.
  void KeepSyn(std::span<const uint8_t> ip_packet, size_t transport_offset);
  // A segment says that the byte with this sequence number is urgent. Before lwIP takes the
  // segment.
  void NoteUrgent(uint32_t sequence);
  // Whether the segment says no more than that the sandbox's kernel knows the connection, which
  // lwIP has asked it. Before lwIP takes the segment.
  bool IsProbeAnswer(const Packet& segment) const;
  // Whether the segment, which carries something, is what comes next in an open connection.
  bool IsNext(const Packet& segment) const;
  // After each call into lwIP: takes note of what lwIP does not call back for.
  void NoteState();
  bool has_unsent_ack() const {
    return pcb_ != nullptr && (pcb_->flags & TF_ACK_DELAY) != 0 && pcb_->state != TIME_WAIT;
  }
  // More than one segment waits for it. That of the FIN may wait for ours: who sent it does not.
  bool owes_ack_now() const {
    return has_unsent_ack() && (pcb_->flags & TF_ACK_NOW) != 0 && !sandbox_finished_;
  }
  // In the scope of lists().
  void SendAckNow();
  void RetryOutput();
  void FillSmallWindow();

  size_t received_bytes() const { return received_bytes_; }

  TimePoint last_activity() const { return activity_.last_activity(); }
  static TcpFlow* FromActivity(ActivityLink* link) { return static_cast<LinkOfFlow*>(link)->flow; }

 protected:
  virtual bool FarSideDone() const = 0;

  TcpFlowTable& table() { return table_; }
  tcp_pcb* pcb() { return pcb_; }
  void MarkDirty();

  std::span<const uint8_t> kept_syn() const { return kept_syn_; }
  size_t kept_syn_transport() const { return kept_syn_transport_; }
  // Hands the kept SYN to lwIP, which answers with SYN-ACK.
  void InjectKeptSyn();
  void DropKeptSyn();
  // In place of a SYN from the sandbox: ours to it, from key().remote. What it answers is the
  // phase.
  void ConnectInside();
  bool was_open() const { return window_ != 0; }
  void SetPhase(Phase phase) { phase_ = phase; }

  // Towards the far side: what the sandbox sent.
  bool has_received() const { return received_head_ != nullptr; }
  size_t ReceivedPieces(std::span<iovec> pieces);
  void ConsumeReceived(size_t bytes);
  // How many bytes come before the urgent one, if one is known to come.
  std::optional<uint64_t> ReceivedBeforeUrgent() const;
  bool sandbox_finished() const { return sandbox_finished_; }
  // What is left of what was received outlives the batch: it is held in little memory, and charged
  // from here on. After Service() the table does it.
  void CompactReceived();

  // Towards the sandbox. SendRoom() bytes are taken.
  size_t SendRoom();
  size_t SendLimit() const;
  void SendBlock(TxBlock* block, size_t length);
  bool SendCopy(std::span<const uint8_t> bytes);
  bool SendUrgent(uint8_t byte);
  void SendQueued();  // after SendBlock() and SendCopy()
  // FIN behind everything sent; needs further Service() calls until fin_queued().
  void FinishSending();
  bool fin_queued() const { return fin_queued_; }
  // RST.
  void Reset();

 private:
  friend class TcpFlowTable;
  struct LinkOfFlow : ActivityLink {
    TcpFlow* flow;
  };
  static err_t AcceptCallback(void* flow, tcp_pcb* pcb, err_t error);
  static err_t ConnectedCallback(void* flow, tcp_pcb* pcb, err_t error);
  static err_t ReceiveCallback(void* flow, tcp_pcb* pcb, pbuf* data, err_t error);
  static err_t SentCallback(void* flow, tcp_pcb* pcb, u16_t length);
  static void ErrorCallback(void* flow, err_t error);

  void OnOpen(tcp_pcb* pcb);
  void AppendReceived(RxBuffer* buffer);
  void Gather(RxBuffer* segment);
  void FreeReceived(RxBuffer* buffer);
  void OpenWindow();
  bool MayAppend() const;
  void ReleaseBlocks(uint64_t up_to);
  void DropReceived();

  TcpFlowTable& table_;
  const FlowKey key_;
  LwipLists lists_;
  tcp_pcb* pcb_ = nullptr;  // from accept until lwIP's side is over
  Phase phase_ = Phase::kWaiting;
  bool sandbox_finished_ = false;
  bool fin_queued_ = false;
  // Of TcpFlowTable:
  LinkOfFlow activity_;
  bool evicted_ = false;
  bool dirty_ = false;
  bool output_blocked_ = false;
  bool counted_time_wait_ = false;
  RateLimit* paid_from_ = nullptr;  // of the table, until the far side answers
  size_t ack_index_ = SIZE_MAX;

  RxBuffer* received_head_ = nullptr;
  RxBuffer* received_tail_ = nullptr;
  size_t received_bytes_ = 0;
  size_t window_ = 0;
  uint64_t received_total_ = 0;              // bytes of the stream that lwIP has handed over
  std::optional<uint64_t> urgent_position_;  // of the urgent byte in that stream

  TxBlock* blocks_head_ = nullptr;
  TxBlock* blocks_tail_ = nullptr;
  uint64_t written_ = 0;
  uint64_t acknowledged_ = 0;
  size_t slack_charge_ = 0;  // of blocks that were not filled
  std::optional<uint32_t> sent_urgent_end_;

  std::vector<uint8_t> kept_syn_;
  size_t kept_syn_transport_ = 0;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_TCP_FLOW_H_
