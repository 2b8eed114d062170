#include "netstack/flow/udp_flow_table.h"

#include <linux/udp.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace mini::netstack {

namespace {

constexpr uint16_t kDnsPort = 53;
// RFC 4787, REQ-5: not below two minutes for a flow in use; one that never got an answer is a
// probe.
constexpr auto kUnansweredTimeout = std::chrono::seconds(30);
constexpr auto kAnsweredTimeout = std::chrono::seconds(180);
constexpr auto kEvictable = std::chrono::seconds(5);
constexpr size_t kMaxDatagram = 65507;
constexpr int kMaxReadsPerEvent = 64;
constexpr size_t kMaxDnsOutstanding = 256;
constexpr double kRefusalsPerSecond = 1000;
constexpr double kRefusalBurst = 200;

}  // namespace

UdpFlowTable::UdpFlowTable(EpollLoop& loop, TapLink& link, DnsServer& dns, size_t max_flows,
                           Admit admit)
    : loop_(loop),
      link_(link),
      dns_(dns),
      max_flows_(max_flows),
      admit_(std::move(admit)),
      refusals_(kRefusalsPerSecond, kRefusalBurst),
      scratch_(kMaxDatagram),
      self_(std::make_shared<UdpFlowTable*>(this)) {}

UdpFlowTable::~UdpFlowTable() {
  loop_.CancelTimer(timer_);
  for (auto& [key, flow] : flows_) loop_.Unwatch(flow->socket.get());
}

void UdpFlowTable::Input(std::span<const uint8_t> frame, const Packet& packet) {
  const FlowKey key{{packet.source, packet.source_port},
                    {packet.destination, packet.destination_port}};
  const auto payload = frame.subspan(packet.payload_offset, packet.payload_length);
  if (key.remote.port == kDnsPort) {
    AnswerDns(payload, key);
    return;
  }
  const auto found = flows_.find(key);
  Flow* flow = found != flows_.end() ? found->second.get() : OpenFlow(frame, packet, key);
  if (flow == nullptr) return;
  const auto headers = frame.subspan(packet.ip_offset, packet.payload_offset - packet.ip_offset);
  flow->last_headers.assign(headers.begin(), headers.end());
  SendOut(*flow, payload, packet.datagram_size);
}

void UdpFlowTable::AnswerDns(std::span<const uint8_t> query, const FlowKey& key) {
  if (dns_outstanding_ >= kMaxDnsOutstanding) return;  // the client asks again
  ++dns_outstanding_;
  dns_.HandleQuery(query, DnsTransport::kUdp,
                   [weak = std::weak_ptr(self_), key](const std::vector<uint8_t>& message) {
                     const auto self = weak.lock();
                     if (!self) return;
                     --(*self)->dns_outstanding_;
                     if (!message.empty()) (*self)->SendIn(key, message);
                   });
}

UdpFlowTable::Flow* UdpFlowTable::OpenFlow(std::span<const uint8_t> frame, const Packet& packet,
                                           const FlowKey& key) {
  const auto ip_packet = frame.subspan(packet.ip_offset, packet.ip_length);
  // Before anybody is asked: without room, a flood costs no verdict each.
  Flow* oldest = flows_.size() < max_flows_ || by_age_.empty() ? nullptr : by_age_.front();
  const bool is_full = flows_.size() >= max_flows_ &&
                       (oldest == nullptr || loop_.Now() - oldest->last_activity < kEvictable);
  std::optional<FlowRecord> record = is_full ? std::nullopt : admit_(key.remote);
  if (!record) {
    Refuse(key, ip_packet, Unreachable::kProhibited);
    return nullptr;
  }
  if (oldest != nullptr) {
    oldest->record.Note(FlowEnding::kIdle);
    Close(*oldest);
  }
  sockaddr_storage address;
  const socklen_t length = ToSockaddr(key.remote, address);
  UniqueFd socket(::socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) {
    record->Note(FlowEnding::kConnectFailed, errno);
    const bool no_network = errno == ENETUNREACH || errno == EAFNOSUPPORT;
    Refuse(key, ip_packet, no_network ? Unreachable::kNetwork : Unreachable::kHost);
    return nullptr;
  }
  auto flow = std::make_unique<Flow>();
  Flow* opened = flow.get();
  opened->key = key;
  opened->record = std::move(*record);
  const Status watched =
      loop_.Watch(socket.get(), EPOLLIN, [this, opened](uint32_t) { OnHostEvent(*opened); });
  if (!watched.ok()) return nullptr;
  opened->socket = std::move(socket);
  opened->last_activity = loop_.Now();
  opened->age = by_age_.insert(by_age_.end(), opened);
  flows_.emplace(key, std::move(flow));
  StartTimer();
  return opened;
}

void UdpFlowTable::SendOut(Flow& flow, std::span<const uint8_t> payload, uint16_t datagram_size) {
  Touch(flow);
  iovec piece{const_cast<uint8_t*>(payload.data()), payload.size()};  // sendmsg(2) only reads it
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof datagram_size)> control{};
  if (datagram_size != 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof datagram_size);
    std::memcpy(CMSG_DATA(header), &datagram_size, sizeof datagram_size);
  }
  // A pending error of an earlier datagram is returned once, and clears.
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (sendmsg(flow.socket.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
      return flow.record.CountOut(payload.size());
    }
    if (errno == EAGAIN || errno == ENOBUFS || errno == EMSGSIZE) return;
    if (attempt == 0) OnHostError(flow, errno);
  }
}

void UdpFlowTable::OnHostEvent(Flow& flow) {
  for (int reads = 0; reads < kMaxReadsPerEvent; ++reads) {
    const ssize_t length = recv(flow.socket.get(), scratch_.data(), scratch_.size(), MSG_DONTWAIT);
    if (length < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) OnHostError(flow, errno);
      break;
    }
    flow.answered = true;
    flow.record.CountIn(static_cast<size_t>(length));
    SendIn(flow.key, std::span(scratch_).first(static_cast<size_t>(length)));
  }
  Touch(flow);
}

void UdpFlowTable::OnHostError(Flow& flow, int error) {
  switch (error) {
    case ECONNREFUSED:
      Refuse(flow.key, flow.last_headers, Unreachable::kPort);
      break;
    case EHOSTUNREACH:
      Refuse(flow.key, flow.last_headers, Unreachable::kHost);
      break;
    case ENETUNREACH:
      Refuse(flow.key, flow.last_headers, Unreachable::kNetwork);
      break;
    case EPERM:
    case EACCES:
      Refuse(flow.key, flow.last_headers, Unreachable::kProhibited);
      break;
    default:
      break;
  }
}

void UdpFlowTable::SendIn(const FlowKey& key, std::span<const uint8_t> payload) {
  std::array<uint8_t, kLinkHeaderSize + kIpv6HeaderSize + kUdpHeaderSize> headers;
  const size_t length =
      BuildUdpHeaders(headers, link_.sandbox_mac(), key.remote, key.sandbox, payload.size());
  const std::array<iovec, 2> pieces = {
      iovec{headers.data(), length},
      iovec{const_cast<uint8_t*>(payload.data()), payload.size()}};  // writev(2) only reads it
  link_.Write(pieces);
}

void UdpFlowTable::Refuse(const FlowKey& key, std::span<const uint8_t> ip_packet, Unreachable why) {
  if (!refusals_.Take(loop_.Now())) return;
  SmallFrame frame;
  const size_t length = BuildUnreachable(frame, link_.sandbox_mac(), why, key.remote.address,
                                         key.sandbox.address, ip_packet);
  link_.Write(std::span(frame).first(length));
}

void UdpFlowTable::Touch(Flow& flow) {
  flow.last_activity = loop_.Now();
  by_age_.splice(by_age_.end(), by_age_, flow.age);
}

void UdpFlowTable::Close(Flow& flow) {
  loop_.Unwatch(flow.socket.get());
  by_age_.erase(flow.age);
  flows_.erase(flows_.find(flow.key));
}

void UdpFlowTable::StartTimer() {
  if (std::exchange(timer_set_, true)) return;
  timer_ = loop_.AddTimer(std::chrono::seconds(5), [this] { CloseIdle(); });
}

void UdpFlowTable::CloseIdle() {
  timer_set_ = false;
  const TimePoint now = loop_.Now();
  for (auto next = by_age_.begin(); next != by_age_.end();) {
    Flow& flow = **next++;
    const Duration idle = now - flow.last_activity;
    if (idle < kUnansweredTimeout) break;  // the rest was used later
    if (!flow.answered || idle >= kAnsweredTimeout) {
      flow.record.Note(FlowEnding::kIdle);
      Close(flow);
    }
  }
  if (!flows_.empty()) StartTimer();
}

}  // namespace mini::netstack
