// TCP from the host to servers inside: published ports.
//
// Theory of operation. The host's kernel has made the connection when accept4(2) returns it. Its
// flow is then one like any other, in TcpFlowTable, with its lwIP side opened by us: SYN goes to
// the sandbox, from the gateway's address and a port of the flow's own. Nothing is read from the
// client before the server inside has answered; when it refuses, the client gets a reset at once,
// and the user one hint a port. From then on an inbound flow is relayed and bounded as outbound
// ones are.
//
// Nothing is opened outward by this: what the sandbox sends belongs to an inbound flow only if all
// of address and port on both sides match; anything else asks for admission as ever.
//
// When the table is full, or as many handshakes are under way as may be, connections are left in
// the kernel's backlog until a batch ends with room again.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_INBOUND_TCP_H_
#define MINI_SANDBOX_NETSTACK_FLOW_INBOUND_TCP_H_

#include <sys/socket.h>

#include <functional>
#include <list>
#include <string_view>

#include "netstack/epoll_loop.h"
#include "netstack/flow/inbound_ports.h"
#include "netstack/flow/tcp_flow_table.h"
#include "netstack/published_port.h"

namespace mini::netstack {

// Outlives the flow table, whose flows tell it what became of them.
class InboundTcp {
 public:
  InboundTcp(EpollLoop& loop, TcpFlowTable& table, AcceptInbound accept,
             std::function<void(std::string_view)> on_notice);
  ~InboundTcp();
  InboundTcp(const InboundTcp&) = delete;
  InboundTcp& operator=(const InboundTcp&) = delete;

  // `server` inside is reached by whoever connects to port.socket, as `gateway`.
  Status Publish(PublishedPort port, const IpAddress& server, const IpAddress& gateway);
  void OnBatchEnd();

 private:
  friend class InboundTcpFlow;
  struct Listener {
    PublishedPort port;
    Endpoint server;
    IpAddress gateway;
    bool hint_given = false;
  };

  void OnConnections(Listener& listener);
  // An idle flow may have to make it.
  bool HasRoom();
  void OpenFlow(Listener& listener, UniqueFd connection, const sockaddr_storage& client);
  void Pause();
  void PauseForAWhile();
  void Resume();
  void OnRefused(Listener& listener);

  EpollLoop& loop_;
  TcpFlowTable& table_;
  const AcceptInbound accept_;
  std::function<void(std::string_view)> on_notice_;
  std::list<Listener> listeners_;  // flows point to theirs
  InboundPorts source_ports_;
  size_t handshakes_ = 0;
  bool paused_ = false;
  bool waiting_ = false;  // paused until a timer fires
  EventLoop::TimerId timer_ = 0;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_INBOUND_TCP_H_
