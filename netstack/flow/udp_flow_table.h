// UDP: a flow is a pair of endpoints and a connected socket on the host's side.
//
// Theory of operation. The first datagram of a pair asks for admission and opens the socket; the
// host's kernel is the queue in both directions, bounded by the socket's buffers, so nothing waits
// here beyond a batch, and a datagram that finds no room is lost, as UDP allows.
//
// Outward, datagrams of one flow and size that arrive one behind the other in a batch are gathered
// (row_), and leave as one sendmsg(2) with UDP_SEGMENT: when another flow has its turn, when the
// row is full, and at the batch's end. A row that the kernel inside made (segmentation offload)
// leaves as it is. Where the host cannot send a row, its datagrams are sent one by one. Inward, a
// readable socket gives one batch of messages, no more, and is asked again after the others had
// their turn; datagrams of one size become one frame again (datagram_row.h).
//
// Whether the host may cut a datagram follows each of the sandbox's packets. ICMP errors of the
// host's side are passed on (datagram_socket.h). An idle flow is closed: soon when it never got an
// answer, later when it did. Above the cap, the least recently used flow makes room if it is idle
// for a while; else the datagram is refused. Refusals are answered with ICMP, at a limited rate.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_UDP_FLOW_TABLE_H_
#define MINI_SANDBOX_NETSTACK_FLOW_UDP_FLOW_TABLE_H_

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "netstack/dns/dns_server.h"
#include "netstack/epoll_loop.h"
#include "netstack/filter/flow_record.h"
#include "netstack/flow/datagram_activity.h"
#include "netstack/flow/datagram_socket.h"
#include "netstack/flow/flow_key.h"
#include "netstack/flow/rate_limit.h"
#include "netstack/link/packet_writer.h"

namespace mini::netstack {

class UdpFlowTable {
 public:
  // The record of a flow that may be, or nothing: refused, as where there is no room for it.
  using Admit = std::function<std::optional<FlowRecord>(const Endpoint& remote, Room room)>;

  UdpFlowTable(EpollLoop& loop, PacketWriter& writer, DnsServer& dns, size_t max_flows,
               Admit admit);
  ~UdpFlowTable();
  UdpFlowTable(const UdpFlowTable&) = delete;
  UdpFlowTable& operator=(const UdpFlowTable&) = delete;

  // `packet` (kUdp) lies in `frame`.
  void Input(std::span<const uint8_t> frame, const Packet& packet);
  // Sends what was gathered. At the end of each batch.
  void Flush();
  size_t flow_count() const { return flows_.size(); }

 private:
  struct Flow : DatagramActivityLink {
    FlowKey key;
    DatagramSocket socket;
    FlowRecord record;
    bool sends_rows = true;  // until the host could not
    // Of the last packet out, as an ICMP error quotes them, and what to correct then.
    std::vector<uint8_t> last_headers;
    uint16_t last_datagram_size = 0;
  };

  void AnswerDns(std::span<const uint8_t> query, const FlowKey& key);
  Flow* FindFlow(const FlowKey& key);
  Flow* OpenFlow(std::span<const uint8_t> frame, const Packet& packet, const FlowKey& key);
  void Gather(Flow& flow, std::span<const uint8_t> payload);
  void SendRow(Flow& flow, const DatagramRow& row);
  void SendApart(Flow& flow, const DatagramRow& row);
  void SendDatagram(Flow& flow, std::span<const iovec> pieces, size_t size);
  void OnHostEvent(Flow& flow, uint32_t events);
  void SendIn(Flow& flow, size_t messages);
  void PassErrorsOn(Flow& flow);
  void TellTooBig(Flow& flow, size_t size);
  void TellError(Flow& flow, const IcmpError& error);
  void Refuse(const FlowKey& key, std::span<const uint8_t> ip_packet, const IcmpError& error);
  void CloseIdle(DatagramActivityLink& link);
  void StartTimer();
  void Sweep();

  EpollLoop& loop_;
  PacketWriter& writer_;
  DnsServer& dns_;
  const size_t max_flows_;
  Admit admit_;
  RateLimit refusals_;
  DatagramActivity activity_;  // of flows_
  std::unordered_map<FlowKey, std::unique_ptr<Flow>, FlowKeyHash> flows_;
  DatagramBatch received_;
  Flow* row_flow_ = nullptr;  // whose datagrams are gathered; null: none
  DatagramRow row_;
  std::unique_ptr<uint8_t[]> row_bytes_;
  std::shared_ptr<UdpFlowTable*> self_;  // for DNS replies that come late
  size_t dns_outstanding_ = 0;
  bool timer_set_ = false;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_UDP_FLOW_TABLE_H_
