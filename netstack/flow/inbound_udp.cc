#include "netstack/flow/inbound_udp.h"

#include <linux/udp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace mini::netstack {

namespace {

constexpr size_t kMaxDatagram = 65507;
constexpr int kMaxReadsPerEvent = 64;

uint16_t RandomPort() { return static_cast<uint16_t>(RandomSipHashKey()[0]); }

// Ancillary data (cmsg(3)) of one datagram out.
class Control {
 public:
  explicit Control(msghdr& message) : message_(message) {}

  template <typename Value>
  void Add(int level, int type, const Value& value) {
    cmsghdr header{};
    header.cmsg_level = level;
    header.cmsg_type = type;
    header.cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(bytes_.data() + size_, &header, sizeof header);
    std::memcpy(bytes_.data() + size_ + CMSG_LEN(0), &value, sizeof value);
    size_ += CMSG_SPACE(sizeof value);
    message_.msg_control = bytes_.data();
    message_.msg_controllen = size_;
  }

 private:
  msghdr& message_;
  size_t size_ = 0;
  alignas(cmsghdr)
      std::array<uint8_t, CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))> bytes_{};
};

}  // namespace

// One that came in; its payload is in scratch_.
struct InboundUdp::Datagram {
  sockaddr_storage address;
  socklen_t address_length = 0;
  Endpoint client;
  IpAddress asked;         // the address of the host that it came to
  unsigned interface = 0;  // and by which interface
  size_t length = 0;
};

InboundUdp::InboundUdp(EpollLoop& loop, PacketWriter& writer, size_t max_clients,
                       AcceptInbound accept, RefuseInbound refuse)
    : loop_(loop),
      writer_(writer),
      max_clients_(max_clients),
      accept_(std::move(accept)),
      refuse_(std::move(refuse)),
      source_ports_(RandomPort()),
      scratch_(kMaxDatagram) {}

InboundUdp::~InboundUdp() {
  loop_.CancelTimer(timer_);
  for (const Service& service : services_) loop_.Unwatch(service.port.socket.get());
}

Status InboundUdp::Publish(PublishedPort port, const IpAddress& server, const IpAddress& gateway) {
  Service& service = services_.emplace_back(Service{std::move(port), {server, 0}, gateway});
  service.server.port = service.port.port;
  return loop_.Watch(service.port.socket.get(), EPOLLIN,
                     [this, &service](uint32_t) { OnDatagrams(service); });
}

void InboundUdp::OnDatagrams(Service& service) {
  for (int reads = 0; reads < kMaxReadsPerEvent; ++reads) {
    const auto datagram = Receive(service);
    if (!datagram) return;
    Client* client = ClientOf(service, *datagram);
    if (client == nullptr) continue;
    activity_.Touch(*client, loop_.Now());
    client->record.CountIn(datagram->length);
    writer_.WriteDatagram(client->inside.remote, client->inside.sandbox,
                          std::span(scratch_).first(datagram->length));
  }
}

std::optional<InboundUdp::Datagram> InboundUdp::Receive(const Service& service) {
  Datagram datagram{};
  iovec piece{scratch_.data(), scratch_.size()};
  alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
  msghdr message{};
  message.msg_name = &datagram.address;
  message.msg_namelen = sizeof datagram.address;
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  // A datagram longer than IPv4 carries (IPv6 may) would be handed on in part: it is dropped below.
  ssize_t length;
  do {
    length = recvmsg(service.port.socket.get(), &message, MSG_DONTWAIT);
  } while (length < 0 && errno == EINTR);
  if (length < 0) return std::nullopt;
  datagram.address_length = message.msg_namelen;
  datagram.length = static_cast<size_t>(length);
  datagram.asked = service.port.host.address;
  if (const auto client = FromSockaddr(datagram.address)) datagram.client = *client;
  if ((message.msg_flags & MSG_TRUNC) != 0) datagram.client.port = 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(header), sizeof info);
      datagram.asked = IpAddress::FromBytes({reinterpret_cast<const uint8_t*>(&info.ipi_spec_dst),
                                             sizeof info.ipi_spec_dst})
                           .value_or(datagram.asked);
    } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(header), sizeof info);
      datagram.asked = IpAddress::FromBytes({info.ipi6_addr.s6_addr, 16}).value_or(datagram.asked);
      datagram.interface = info.ipi6_ifindex;
    }
  }
  return datagram;
}

InboundUdp::Client* InboundUdp::ClientOf(Service& service, const Datagram& datagram) {
  if (datagram.client.port == 0) return nullptr;  // nobody to answer
  const FlowKey outside{{datagram.asked, service.port.host.port}, datagram.client};
  if (const auto known = by_outside_.find(outside); known != by_outside_.end()) {
    return known->second;
  }
  if (!MakeRoom()) {
    refuse_(service.port, datagram.client);
    return nullptr;
  }
  FlowKey inside{service.server, {service.gateway, 0}};
  const auto source = source_ports_.Next([&](uint16_t candidate) {
    inside.remote.port = candidate;
    return clients_.contains(inside);
  });
  if (!source) return nullptr;
  auto created = std::make_unique<Client>();
  Client& client = *created;
  client.inside = inside;
  client.outside = outside;
  client.service = &service;
  client.address = datagram.address;
  client.address_length = datagram.address_length;
  client.interface = datagram.interface;
  client.record = accept_(service.port, datagram.client);
  by_outside_.emplace(outside, &client);
  clients_.emplace(inside, std::move(created));
  StartTimer();
  return &client;
}

bool InboundUdp::MakeRoom() {
  if (clients_.size() < max_clients_) return true;
  DatagramActivityLink* idle = activity_.Evictable(loop_.Now());
  if (idle == nullptr) return false;
  Forget(*idle);
  return true;
}

bool InboundUdp::Input(std::span<const uint8_t> frame, const Packet& packet) {
  if (clients_.empty()) return false;
  const auto found = clients_.find(
      {{packet.source, packet.source_port}, {packet.destination, packet.destination_port}});
  if (found == clients_.end()) return false;
  Client& client = *found->second;
  client.answered = true;
  activity_.Touch(client, loop_.Now());
  const auto payload = frame.subspan(packet.payload_offset, packet.payload_length);
  iovec piece{const_cast<uint8_t*>(payload.data()), payload.size()};  // sendmsg(2) only reads it
  msghdr message{};
  message.msg_name = &client.address;
  message.msg_namelen = client.address_length;
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  Control control(message);
  if (packet.datagram_size != 0) control.Add(IPPROTO_UDP, UDP_SEGMENT, packet.datagram_size);
  const IpAddress& from = client.outside.sandbox.address;
  if (from.is_v4()) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, from.bytes().data(), sizeof info.ipi_spec_dst);
    control.Add(IPPROTO_IP, IP_PKTINFO, info);
  } else {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, from.bytes().data(), sizeof info.ipi6_addr);
    info.ipi6_ifindex = client.interface;
    control.Add(IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
  // What does not go out is lost, as UDP allows; a client that went away is forgotten when idle.
  const ssize_t sent =
      sendmsg(client.service->port.socket.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent > 0) client.record.CountOut(static_cast<size_t>(sent));
  return true;
}

void InboundUdp::Forget(DatagramActivityLink& link) {
  Client& client = static_cast<Client&>(link);
  client.record.Note(FlowEnding::kIdle);
  by_outside_.erase(client.outside);
  clients_.erase(FlowKey(client.inside));
}

void InboundUdp::StartTimer() {
  if (std::exchange(timer_set_, true)) return;
  timer_ = loop_.AddTimer(DatagramActivity::kSweepInterval, [this] { Sweep(); });
}

void InboundUdp::Sweep() {
  timer_set_ = false;
  while (DatagramActivityLink* expired = activity_.Expired(loop_.Now())) Forget(*expired);
  if (!clients_.empty()) StartTimer();
}

}  // namespace mini::netstack
