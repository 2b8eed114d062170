#include "netstack/flow/udp_flow_table.h"

#include <netinet/in.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "netstack/link/checksum.h"

namespace mini::netstack {

namespace {

constexpr uint16_t kDnsPort = 53;
constexpr int kMaxErrorsPerEvent = 16;
// A longer payload is sent as it lies in its frame: copying it would cost more than a system call.
constexpr size_t kMaxGathered = 2048;
constexpr size_t kMaxDnsOutstanding = 256;
constexpr double kRefusalsPerSecond = 1000;
constexpr double kRefusalBurst = 200;

// Headers of a row of datagrams become those of one of them.
void CorrectLengths(std::span<uint8_t> headers, uint16_t datagram_size) {
  const bool v4 = headers[0] >> 4 == 4;
  const size_t udp = headers.size() - kUdpHeaderSize;
  const size_t udp_length = kUdpHeaderSize + datagram_size;
  const size_t ip_length = v4 ? udp + udp_length : udp_length;
  ByteWriter(headers.subspan(v4 ? 2 : 4, 2)).U16(static_cast<uint16_t>(ip_length));
  ByteWriter(headers.subspan(udp + 4, 2)).U16(static_cast<uint16_t>(udp_length));
  if (!v4) return;
  ByteWriter(headers.subspan(10, 2)).U16(0);
  ByteWriter(headers.subspan(10, 2)).U16(Checksum(headers.first(udp)));
}

iovec Piece(std::span<const uint8_t> bytes) {
  return {const_cast<uint8_t*>(bytes.data()), bytes.size()};  // sendmsg(2) only reads it
}

}  // namespace

UdpFlowTable::UdpFlowTable(EpollLoop& loop, PacketWriter& writer, DnsServer& dns, size_t max_flows,
                           Admit admit)
    : loop_(loop),
      writer_(writer),
      dns_(dns),
      max_flows_(max_flows),
      admit_(std::move(admit)),
      refusals_(kRefusalsPerSecond, kRefusalBurst),
      row_bytes_(std::make_unique_for_overwrite<uint8_t[]>(DatagramRow::kMaxBytes)),
      self_(std::make_shared<UdpFlowTable*>(this)) {}

UdpFlowTable::~UdpFlowTable() {
  loop_.CancelTimer(timer_);
  for (auto& [key, flow] : flows_) loop_.Unwatch(flow->socket.fd());
}

void UdpFlowTable::Input(std::span<const uint8_t> frame, const Packet& packet) {
  const FlowKey key{{packet.source, packet.source_port},
                    {packet.destination, packet.destination_port}};
  const auto payload = frame.subspan(packet.payload_offset, packet.payload_length);
  if (key.remote.port == kDnsPort) {
    AnswerDns(payload, key);
    return;
  }
  Flow* flow = FindFlow(key);
  if (flow == nullptr) flow = OpenFlow(frame, packet, key);
  if (flow == nullptr) return;
  const auto headers = frame.subspan(packet.ip_offset, packet.payload_offset - packet.ip_offset);
  flow->last_headers.assign(headers.begin(), headers.end());
  flow->last_datagram_size = packet.datagram_size;
  activity_.Touch(*flow, loop_.Now());
  const Fragmentation fragmentation = FragmentationOf(packet);
  if (flow->socket.fragmentation() != fragmentation) {
    Flush();
    flow->socket.SetFragmentation(fragmentation);
  }
  if (packet.datagram_size == 0 && payload.size() <= kMaxGathered) {
    Gather(*flow, payload);
    return;
  }
  Flush();
  DatagramRow row;
  const size_t size = packet.datagram_size != 0 ? packet.datagram_size : payload.size();
  const size_t most = size * DatagramRow::kMaxDatagrams;
  for (size_t at = 0; at < payload.size(); at += most) {
    row.Clear();
    row.Append(payload.subspan(at, std::min(most, payload.size() - at)), size);
    SendRow(*flow, row);
  }
}

UdpFlowTable::Flow* UdpFlowTable::FindFlow(const FlowKey& key) {
  if (row_flow_ != nullptr && row_flow_->key == key) return row_flow_;  // most often
  const auto found = flows_.find(key);
  return found != flows_.end() ? found->second.get() : nullptr;
}

void UdpFlowTable::AnswerDns(std::span<const uint8_t> query, const FlowKey& key) {
  if (dns_outstanding_ >= kMaxDnsOutstanding) return;  // the client asks again
  ++dns_outstanding_;
  dns_.HandleQuery(query, DnsTransport::kUdp,
                   [weak = std::weak_ptr(self_), key](const std::vector<uint8_t>& message) {
                     const auto self = weak.lock();
                     if (!self) return;
                     --(*self)->dns_outstanding_;
                     if (message.empty()) return;
                     (*self)->writer_.WriteDatagram(key.remote, key.sandbox, message);
                   });
}

UdpFlowTable::Flow* UdpFlowTable::OpenFlow(std::span<const uint8_t> frame, const Packet& packet,
                                           const FlowKey& key) {
  const auto ip_packet = frame.subspan(packet.ip_offset, packet.ip_length);
  const IpFamily family = key.remote.address.family();
  DatagramActivityLink* idle = nullptr;
  const bool has_room =
      flows_.size() < max_flows_ || (idle = activity_.Evictable(loop_.Now())) != nullptr;
  std::optional<FlowRecord> record = admit_(key.remote, has_room ? Room::kThere : Room::kAllTaken);
  if (!record) {
    Refuse(key, ip_packet, IcmpErrorFor(Unreachable::kProhibited, family));
    return nullptr;
  }
  if (idle != nullptr) CloseIdle(*idle);
  auto flow = std::make_unique<Flow>();
  Flow* opened = flow.get();
  opened->key = key;
  opened->record = std::move(*record);
  int error = opened->socket.Open(family, IPPROTO_UDP);
  if (error == 0) error = opened->socket.Connect(key.remote);
  if (error != 0) {
    opened->record.Note(FlowEnding::kConnectFailed, error);
    Refuse(key, ip_packet,
           IcmpErrorForErrno(error, family).value_or(IcmpErrorFor(Unreachable::kHost, family)));
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

void UdpFlowTable::Gather(Flow& flow, std::span<const uint8_t> payload) {
  if (row_flow_ != &flow || !row_.Takes(payload.size(), payload.size())) Flush();
  const std::span<uint8_t> place(row_bytes_.get() + row_.bytes(), payload.size());
  std::ranges::copy(payload, place.begin());
  row_.Append(place, payload.size());
  row_flow_ = &flow;
}

void UdpFlowTable::Flush() {
  if (row_flow_ == nullptr) return;
  SendRow(*std::exchange(row_flow_, nullptr), row_);
  row_.Clear();
}

void UdpFlowTable::SendRow(Flow& flow, const DatagramRow& row) {
  if (row.datagram_size() == 0) {
    SendDatagram(flow, row.pieces(), row.bytes());
    return;
  }
  if (!flow.sends_rows) {
    SendApart(flow, row);
    return;
  }
  // A pending error of an earlier datagram is returned once, and clears.
  for (int attempt = 0; attempt < 2; ++attempt) {
    const int error = flow.socket.Send(row.pieces(), row.datagram_size());
    if (error == 0) return flow.record.CountOut(row.bytes());
    if (error == EAGAIN || error == ENOBUFS) return;
    // udp_send_skb() of net/ipv4/udp.c: a segment is above the path's MTU, or a device or a policy
    // on the path cannot do it.
    if (error == EMSGSIZE || error == EINVAL || error == EIO || error == EOPNOTSUPP) {
      flow.sends_rows = false;
      SendApart(flow, row);
      return;
    }
    PassErrorsOn(flow);
  }
}

void UdpFlowTable::SendApart(Flow& flow, const DatagramRow& row) {
  for (const iovec& piece : row.pieces()) {
    std::span<const uint8_t> left(static_cast<const uint8_t*>(piece.iov_base), piece.iov_len);
    while (!left.empty()) {
      const auto datagram = left.first(std::min<size_t>(left.size(), row.datagram_size()));
      const iovec alone = Piece(datagram);
      SendDatagram(flow, std::span(&alone, 1), datagram.size());
      left = left.subspan(datagram.size());
    }
  }
}

void UdpFlowTable::SendDatagram(Flow& flow, std::span<const iovec> pieces, size_t size) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    const int error = flow.socket.Send(pieces);
    if (error == 0) return flow.record.CountOut(size);
    if (error == EAGAIN || error == ENOBUFS) return;
    if (error == EMSGSIZE) {
      TellTooBig(flow, size);
      return;
    }
    if (attempt == 0) {
      PassErrorsOn(flow);
    } else if (const auto icmp = IcmpErrorForErrno(error, flow.key.remote.address.family())) {
      TellError(flow, *icmp);
    }
  }
}

void UdpFlowTable::OnHostEvent(Flow& flow, uint32_t events) {
  if ((events & EPOLLERR) != 0) PassErrorsOn(flow);
  const int count = received_.Receive(flow.socket.fd());
  if (count < 0) {
    if (count != -EAGAIN && count != -EINTR) PassErrorsOn(flow);
    return;
  }
  flow.answered = true;
  activity_.Touch(flow, loop_.Now());
  SendIn(flow, static_cast<size_t>(count));
}

void UdpFlowTable::SendIn(Flow& flow, size_t messages) {
  const Endpoint& from = flow.key.remote;
  const Endpoint& to = flow.key.sandbox;
  const size_t longest = writer_.MaxUnfragmented(from.address.family());
  DatagramRow row;
  const auto write_row = [&] {
    if (!row.empty()) writer_.WriteRow(from, to, row);
    row.Clear();
  };
  for (size_t i = 0; i < messages; ++i) {
    const auto [bytes, size] = received_.At(i);
    flow.record.CountIn(bytes.size());
    const bool in_rows = size <= longest;
    const size_t step = std::max<size_t>(in_rows ? size * DatagramRow::kMaxDatagrams : size, 1);
    size_t at = 0;
    do {  // once for an empty datagram
      const auto part = bytes.subspan(at, std::min(step, bytes.size() - at));
      if (!in_rows || !row.Takes(part.size(), size)) write_row();
      if (in_rows) {
        row.Append(part, size);
      } else {
        writer_.WriteDatagram(from, to, part);
      }
      at += step;
    } while (at < bytes.size());
  }
  write_row();
}

void UdpFlowTable::PassErrorsOn(Flow& flow) {
  for (int count = 0; count < kMaxErrorsPerEvent; ++count) {
    const auto error = flow.socket.TakeError();
    if (!error) return;
    if (error->icmp) TellError(flow, *error->icmp);
  }
}

void UdpFlowTable::TellTooBig(Flow& flow, size_t size) {
  const IpFamily family = flow.key.remote.address.family();
  const size_t ip_header = family == IpFamily::kV4 ? kIpv4HeaderSize : kIpv6HeaderSize;
  const uint32_t mtu = flow.socket.PathMtu();
  if (mtu == 0 || mtu >= ip_header + kUdpHeaderSize + size) return;
  TellError(flow, PacketTooBig(mtu, family));
}

void UdpFlowTable::TellError(Flow& flow, const IcmpError& error) {
  if (flow.last_datagram_size != 0) {
    CorrectLengths(flow.last_headers, std::exchange(flow.last_datagram_size, uint16_t{0}));
  }
  Refuse(flow.key, flow.last_headers, error);
}

void UdpFlowTable::Refuse(const FlowKey& key, std::span<const uint8_t> ip_packet,
                          const IcmpError& error) {
  if (!refusals_.Take(loop_.Now())) return;
  writer_.WriteError(error, key.remote.address, key.sandbox.address, ip_packet);
}

void UdpFlowTable::CloseIdle(DatagramActivityLink& link) {
  Flow& flow = static_cast<Flow&>(link);
  flow.record.Note(FlowEnding::kIdle);
  if (row_flow_ == &flow) Flush();
  loop_.Unwatch(flow.socket.fd());
  flows_.erase(flows_.find(flow.key));
}

void UdpFlowTable::StartTimer() {
  if (std::exchange(timer_set_, true)) return;
  timer_ = loop_.AddTimer(DatagramActivity::kSweepInterval, [this] { Sweep(); });
}

void UdpFlowTable::Sweep() {
  timer_set_ = false;
  while (DatagramActivityLink* expired = activity_.Expired(loop_.Now())) CloseIdle(*expired);
  if (!flows_.empty()) StartTimer();
}

}  // namespace mini::netstack
