// ICMP and ICMPv6 echo, by the host's ping sockets (icmp(7)): no privilege, and no other ICMP.
//
// Theory of operation. A flow is (sandbox's address, remote address, identifier), as UDP's is a
// pair of endpoints: the socket's identifier is the host's choice, and the sandbox's is put back
// into each reply; sequence number and payload travel as they are. The host's kernel lets such a
// socket send echo requests only, and gives it replies to its identifier only, though from
// anywhere: those of others than the one asked are dropped here. Replies open nothing. Whether the
// host permits it is its net.ipv4.ping_group_range; where it does not, a request is refused as
// prohibited, and one notice names the setting.
//
// The hop limit is the host's own, not the sandbox's: the way through the host's network is not
// shown, so a traceroute sees its destination as the first hop.
//
// Requests beyond a rate are lost, as on a busy network. Above the cap, the flow that has been idle
// the longest makes room; else the request is refused.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_ECHO_FLOW_TABLE_H_
#define MINI_SANDBOX_NETSTACK_FLOW_ECHO_FLOW_TABLE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "netstack/epoll_loop.h"
#include "netstack/filter/flow_record.h"
#include "netstack/flow/activity_list.h"
#include "netstack/flow/datagram_socket.h"
#include "netstack/flow/flow_key.h"
#include "netstack/flow/rate_limit.h"
#include "netstack/link/packet_writer.h"

namespace mini::netstack {

class EchoFlowTable {
 public:
  static constexpr size_t kMaxFlows = 256;

  // The record of a flow that may be, or nothing: refused, as where there is no room for it.
  using Admit = std::function<std::optional<FlowRecord>(const IpAddress& remote, Room room)>;
  using Notice = std::function<void(std::string_view text)>;

  EchoFlowTable(EpollLoop& loop, PacketWriter& writer, Admit admit, Notice on_notice);
  ~EchoFlowTable();
  EchoFlowTable(const EchoFlowTable&) = delete;
  EchoFlowTable& operator=(const EchoFlowTable&) = delete;

  // `packet` (kEchoRequest) lies in `frame`.
  void Input(std::span<const uint8_t> frame, const Packet& packet);
  size_t flow_count() const { return flows_.size(); }

 private:
  struct Flow : ActivityLink {
    FlowKey key;  // the sandbox's port is the identifier, the remote one 0
    DatagramSocket socket;
    FlowRecord record;
    std::vector<uint8_t> last_headers;  // of the last request: an ICMP error quotes them
  };

  Flow* OpenFlow(const FlowKey& key, std::span<const uint8_t> ip_packet);
  void SendOut(Flow& flow, uint16_t sequence, std::span<const uint8_t> payload);
  void OnHostEvent(Flow& flow, uint32_t events);
  void OnReply(Flow& flow, std::span<const uint8_t> message);
  void PassErrorsOn(Flow& flow);
  void Refuse(const FlowKey& key, std::span<const uint8_t> ip_packet, const IcmpError& error);
  void NoticeSetting(const IpAddress& remote);
  void CloseIdle(ActivityLink& link);
  void StartTimer();
  void Sweep();

  EpollLoop& loop_;
  PacketWriter& writer_;
  Admit admit_;
  Notice on_notice_;
  bool noticed_ = false;
  RateLimit requests_;
  RateLimit refusals_;
  ActivityList activity_;  // of flows_
  std::unordered_map<FlowKey, std::unique_ptr<Flow>, FlowKeyHash> flows_;
  std::unique_ptr<uint8_t[]> scratch_;
  bool timer_set_ = false;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_ECHO_FLOW_TABLE_H_
