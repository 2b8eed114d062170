#include "netstack/flow/echo_flow_table.h"

#include <netinet/in.h>
#include <sys/epoll.h>

#include <array>
#include <cerrno>

#include "base/strings.h"

namespace mini::netstack {

namespace {

constexpr auto kIdleTimeout = std::chrono::seconds(30);
constexpr auto kEvictable = std::chrono::seconds(1);
constexpr int kMaxReadsPerEvent = 16;
constexpr int kMaxErrorsPerEvent = 16;
constexpr size_t kMaxMessage = 65536;
// ping(8) lets an ordinary user send one every 2 ms at most.
constexpr double kRequestsPerSecond = 1000;
constexpr double kRequestBurst = 200;
constexpr double kRefusalsPerSecond = 100;
constexpr double kRefusalBurst = 50;

iovec Piece(std::span<const uint8_t> bytes) {
  return {const_cast<uint8_t*>(bytes.data()), bytes.size()};  // sendmsg(2) only reads it
}

}  // namespace

EchoFlowTable::EchoFlowTable(EpollLoop& loop, PacketWriter& writer, Admit admit, Notice on_notice)
    : loop_(loop),
      writer_(writer),
      admit_(std::move(admit)),
      on_notice_(std::move(on_notice)),
      requests_(kRequestsPerSecond, kRequestBurst),
      refusals_(kRefusalsPerSecond, kRefusalBurst),
      scratch_(std::make_unique_for_overwrite<uint8_t[]>(kMaxMessage)) {}

EchoFlowTable::~EchoFlowTable() {
  loop_.CancelTimer(timer_);
  for (auto& [key, flow] : flows_) loop_.Unwatch(flow->socket.fd());
}

void EchoFlowTable::Input(std::span<const uint8_t> frame, const Packet& packet) {
  if (!requests_.Take(loop_.Now())) return;
  const FlowKey key{{packet.source, packet.echo_identifier}, {packet.destination, 0}};
  const auto found = flows_.find(key);
  Flow* flow = found != flows_.end()
                   ? found->second.get()
                   : OpenFlow(key, frame.subspan(packet.ip_offset, packet.ip_length));
  if (flow == nullptr) return;
  const auto headers = frame.subspan(packet.ip_offset, packet.payload_offset - packet.ip_offset);
  flow->last_headers.assign(headers.begin(), headers.end());
  flow->socket.SetFragmentation(FragmentationOf(packet));
  activity_.Touch(*flow, loop_.Now());
  SendOut(*flow, packet.echo_sequence, frame.subspan(packet.payload_offset, packet.payload_length));
}

EchoFlowTable::Flow* EchoFlowTable::OpenFlow(const FlowKey& key,
                                             std::span<const uint8_t> ip_packet) {
  const IpFamily family = key.remote.address.family();
  const IcmpError prohibited = IcmpErrorFor(Unreachable::kProhibited, family);
  ActivityLink* idle = nullptr;
  const bool has_room =
      flows_.size() < kMaxFlows || (idle = activity_.IdleFor(kEvictable, loop_.Now())) != nullptr;
  std::optional<FlowRecord> record =
      admit_(key.remote.address, has_room ? Room::kThere : Room::kOwnBound);
  if (!record) {
    Refuse(key, ip_packet, prohibited);
    return nullptr;
  }
  if (idle != nullptr) CloseIdle(*idle);
  auto flow = std::make_unique<Flow>();
  Flow* opened = flow.get();
  opened->key = key;
  opened->record = std::move(*record);
  int error = opened->socket.Open(
      family, family == IpFamily::kV4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6});
  if (error == EACCES) NoticeSetting(key.remote.address);
  if (error == 0) error = opened->socket.Connect(key.remote);
  if (error != 0) {
    opened->record.Note(FlowEnding::kConnectFailed, error);
    Refuse(key, ip_packet, IcmpErrorForErrno(error, family).value_or(prohibited));
    return nullptr;
  }
  const Status watched = loop_.Watch(opened->socket.fd(), EPOLLIN, [this, opened](uint32_t events) {
    OnHostEvent(*opened, events);
  });
  if (!watched.ok()) return nullptr;
  activity_.Touch(*opened, loop_.Now());
  flows_.emplace(key, std::move(flow));
  StartTimer();
  return opened;
}

void EchoFlowTable::SendOut(Flow& flow, uint16_t sequence, std::span<const uint8_t> payload) {
  const IpAddress& source = flow.key.sandbox.address;
  const IpAddress& remote = flow.key.remote.address;
  // The host's kernel fills identifier and checksum in.
  const auto header = MakeEchoHeader(EchoType::kRequest, source, remote, 0, sequence, {});
  const std::array<iovec, 2> pieces = {Piece(header), Piece(payload)};
  // A pending error of an earlier request is returned once, and clears.
  for (int attempt = 0; attempt < 2; ++attempt) {
    const int error = flow.socket.Send(pieces);
    if (error == 0) return flow.record.CountOut(payload.size());
    if (error == EAGAIN || error == ENOBUFS) return;
    if (error == EMSGSIZE) {
      const uint32_t mtu = flow.socket.PathMtu();
      const size_t size = flow.last_headers.size() + payload.size();
      if (mtu != 0 && mtu < size) {
        Refuse(flow.key, flow.last_headers, PacketTooBig(mtu, remote.family()));
      }
      return;
    }
    if (attempt == 0) {
      PassErrorsOn(flow);
    } else if (const auto icmp = IcmpErrorForErrno(error, remote.family())) {
      Refuse(flow.key, flow.last_headers, *icmp);
    }
  }
}

void EchoFlowTable::OnHostEvent(Flow& flow, uint32_t events) {
  if ((events & EPOLLERR) != 0) PassErrorsOn(flow);
  for (int reads = 0; reads < kMaxReadsPerEvent; ++reads) {
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    const ssize_t size = recvfrom(flow.socket.fd(), scratch_.get(), kMaxMessage, MSG_DONTWAIT,
                                  reinterpret_cast<sockaddr*>(&peer), &length);
    if (size < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) PassErrorsOn(flow);
      return;
    }
    const auto from = FromSockaddr(peer);
    if (!from || from->address != flow.key.remote.address) continue;
    activity_.Touch(flow, loop_.Now());
    OnReply(flow, std::span(scratch_.get(), static_cast<size_t>(size)));
  }
}

void EchoFlowTable::OnReply(Flow& flow, std::span<const uint8_t> message) {
  ByteReader reader(message);
  const uint8_t type = reader.U8();
  const uint8_t code = reader.U8();
  reader.Skip(4);  // checksum, verified by the host's kernel, and its identifier
  const uint16_t sequence = reader.U16();
  const IpAddress& remote = flow.key.remote.address;
  if (reader.failed() || type != (remote.is_v4() ? 0 : 129) || code != 0) return;
  flow.record.CountIn(message.size() - kIcmpHeaderSize);
  writer_.WriteEchoReply(remote, flow.key.sandbox.address, flow.key.sandbox.port, sequence,
                         message.subspan(kIcmpHeaderSize));
}

void EchoFlowTable::PassErrorsOn(Flow& flow) {
  for (int count = 0; count < kMaxErrorsPerEvent; ++count) {
    const auto error = flow.socket.TakeError();
    if (!error) return;
    if (error->icmp) Refuse(flow.key, flow.last_headers, *error->icmp);
  }
}

void EchoFlowTable::Refuse(const FlowKey& key, std::span<const uint8_t> ip_packet,
                           const IcmpError& error) {
  if (!refusals_.Take(loop_.Now())) return;
  writer_.WriteError(error, key.remote.address, key.sandbox.address, ip_packet);
}

void EchoFlowTable::NoticeSetting(const IpAddress& remote) {
  if (std::exchange(noticed_, true) || !on_notice_) return;
  on_notice_(StrCat("refused icmp ", remote.ToString(),
                    ": the host's net.ipv4.ping_group_range does not cover this user; to permit "
                    "ping on this host: sysctl -w net.ipv4.ping_group_range=\"0 2147483647\""));
}

void EchoFlowTable::CloseIdle(ActivityLink& link) {
  Flow& flow = static_cast<Flow&>(link);
  flow.record.Note(FlowEnding::kIdle);
  loop_.Unwatch(flow.socket.fd());
  flows_.erase(flows_.find(flow.key));
}

void EchoFlowTable::StartTimer() {
  if (std::exchange(timer_set_, true)) return;
  timer_ = loop_.AddTimer(std::chrono::seconds(5), [this] { Sweep(); });
}

void EchoFlowTable::Sweep() {
  timer_set_ = false;
  while (ActivityLink* idle = activity_.IdleFor(kIdleTimeout, loop_.Now())) CloseIdle(*idle);
  if (!flows_.empty()) StartTimer();
}

}  // namespace mini::netstack
