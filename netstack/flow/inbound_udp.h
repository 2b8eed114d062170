// UDP from the host to servers inside: published ports.
//
// Theory of operation. Whoever sends to a published port becomes a client: datagrams are handed to
// the sandbox from the gateway's address and a port of the client's own, so that a server inside
// tells clients apart; what the server sends to exactly that address and port, from the port that
// was asked, goes back to the client through the published socket. Nothing else is a reply, and so
// nothing is opened outward. Nothing is queued here: the host's kernel is the queue, and a datagram
// that finds no room is lost, as UDP allows.
//
// A client that is idle is forgotten: soon when it never got an answer, later when it did. Above
// the cap the least recently used one makes room if it is idle for a while; else the datagram is
// lost.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_INBOUND_UDP_H_
#define MINI_SANDBOX_NETSTACK_FLOW_INBOUND_UDP_H_

#include <netinet/in.h>

#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "netstack/epoll_loop.h"
#include "netstack/flow/datagram_activity.h"
#include "netstack/flow/flow_key.h"
#include "netstack/flow/inbound_ports.h"
#include "netstack/link/packet.h"
#include "netstack/link/packet_writer.h"
#include "netstack/published_port.h"

namespace mini::netstack {

class InboundUdp {
 public:
  // `refuse` is told of clients that found no room.
  InboundUdp(EpollLoop& loop, PacketWriter& writer, size_t max_clients, AcceptInbound accept,
             RefuseInbound refuse);
  ~InboundUdp();
  InboundUdp(const InboundUdp&) = delete;
  InboundUdp& operator=(const InboundUdp&) = delete;

  // `server` inside is reached by whoever sends to port.socket, as `gateway`.
  Status Publish(PublishedPort port, const IpAddress& server, const IpAddress& gateway);
  // Takes `packet` (kUdp, in `frame`) if it is a reply to a client.
  bool Input(std::span<const uint8_t> frame, const Packet& packet);

 private:
  struct Service {
    PublishedPort port;
    Endpoint server;
    IpAddress gateway;
  };
  struct Client : DatagramActivityLink {
    FlowKey inside;   // the server, and the client as it sees it
    FlowKey outside;  // the client, and the address of the host that it asked
    Service* service;
    sockaddr_storage address;  // of the client, with the scope of a link-local one
    socklen_t address_length;
    unsigned interface;
    FlowRecord record;
  };
  struct Datagram;

  void OnDatagrams(Service& service);
  // Nothing when there is none (left).
  std::optional<Datagram> Receive(const Service& service);
  Client* ClientOf(Service& service, const Datagram& datagram);
  bool MakeRoom();
  void Forget(DatagramActivityLink& link);
  void StartTimer();
  void Sweep();

  EpollLoop& loop_;
  PacketWriter& writer_;
  const size_t max_clients_;
  const AcceptInbound accept_;
  const RefuseInbound refuse_;
  std::list<Service> services_;  // clients point to theirs
  DatagramActivity activity_;    // of clients_
  std::unordered_map<FlowKey, std::unique_ptr<Client>, FlowKeyHash> clients_;  // by `inside`
  std::unordered_map<FlowKey, Client*, FlowKeyHash> by_outside_;
  InboundPorts source_ports_;
  std::vector<uint8_t> scratch_;
  bool timer_set_ = false;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_INBOUND_UDP_H_
