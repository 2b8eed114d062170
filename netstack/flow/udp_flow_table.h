// UDP: a flow is a pair of endpoints and a connected socket on the host's side.
//
// Theory of operation. The first datagram of a pair asks for admission and opens the socket; the
// host's kernel is the queue in both directions, bounded by the socket's buffers, so nothing is
// queued here and a datagram that finds no room is lost, as UDP allows. A row of datagrams in one
// frame (segmentation offload of the kernel inside) goes out as one sendmsg(2) with UDP_SEGMENT.
// ICMP errors of the host's side come back as errors of the connected socket and are passed on as
// ICMP errors. An idle flow is closed: soon when it never got an answer, later when it did. Above
// the cap, the least recently used flow makes room if it is idle for a while; else the datagram is
// refused. Refusals are answered with ICMP, at a limited rate.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_UDP_FLOW_TABLE_H_
#define MINI_SANDBOX_NETSTACK_FLOW_UDP_FLOW_TABLE_H_

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/unique_fd.h"
#include "netstack/dns/dns_server.h"
#include "netstack/epoll_loop.h"
#include "netstack/filter/flow_record.h"
#include "netstack/flow/flow_key.h"
#include "netstack/flow/rate_limit.h"
#include "netstack/link/frame_builder.h"
#include "netstack/link/tap_link.h"

namespace mini::netstack {

class UdpFlowTable {
 public:
  // The record of a flow that may be, or nothing: refused.
  using Admit = std::function<std::optional<FlowRecord>(const Endpoint& remote)>;

  UdpFlowTable(EpollLoop& loop, TapLink& link, DnsServer& dns, size_t max_flows, Admit admit);
  ~UdpFlowTable();
  UdpFlowTable(const UdpFlowTable&) = delete;
  UdpFlowTable& operator=(const UdpFlowTable&) = delete;

  // `packet` (kUdp) lies in `frame`.
  void Input(std::span<const uint8_t> frame, const Packet& packet);
  size_t flow_count() const { return flows_.size(); }

 private:
  struct Flow {
    FlowKey key;
    UniqueFd socket;
    FlowRecord record;
    TimePoint last_activity;
    bool answered = false;
    std::list<Flow*>::iterator age;
    std::vector<uint8_t> last_headers;  // of the last datagram out: an ICMP error quotes it
  };

  void AnswerDns(std::span<const uint8_t> query, const FlowKey& key);
  Flow* OpenFlow(std::span<const uint8_t> frame, const Packet& packet, const FlowKey& key);
  void SendOut(Flow& flow, std::span<const uint8_t> payload, uint16_t datagram_size);
  void OnHostEvent(Flow& flow);
  void OnHostError(Flow& flow, int error);
  void SendIn(const FlowKey& key, std::span<const uint8_t> payload);
  void Refuse(const FlowKey& key, std::span<const uint8_t> ip_packet, Unreachable why);
  void Touch(Flow& flow);
  void Close(Flow& flow);
  void StartTimer();
  void CloseIdle();

  EpollLoop& loop_;
  TapLink& link_;
  DnsServer& dns_;
  const size_t max_flows_;
  Admit admit_;
  RateLimit refusals_;
  std::unordered_map<FlowKey, std::unique_ptr<Flow>, FlowKeyHash> flows_;
  std::list<Flow*> by_age_;  // least recently used first
  std::vector<uint8_t> scratch_;
  std::shared_ptr<UdpFlowTable*> self_;  // for DNS replies that come late
  size_t dns_outstanding_ = 0;
  bool timer_set_ = false;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_UDP_FLOW_TABLE_H_
