#include "fake_sandbox.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace mini::netstack {

namespace {

void Put16(Bytes& out, uint32_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}
void Put32(Bytes& out, uint32_t value) {
  Put16(out, value >> 16);
  Put16(out, value & 0xffff);
}
void PutBytes(Bytes& out, std::span<const uint8_t> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}
uint32_t Get16(const Bytes& in, size_t at) {
  return at + 2 <= in.size() ? uint32_t{in[at]} << 8 | in[at + 1] : 0;
}
uint32_t Get32(const Bytes& in, size_t at) { return Get16(in, at) << 16 | Get16(in, at + 2); }
void Set16(Bytes& out, size_t at, uint32_t value) {
  out[at] = static_cast<uint8_t>(value >> 8);
  out[at + 1] = static_cast<uint8_t>(value);
}

uint32_t Sum(std::span<const uint8_t> bytes, uint32_t sum = 0) {
  for (size_t i = 0; i < bytes.size(); ++i) sum += i % 2 == 0 ? uint32_t{bytes[i]} << 8 : bytes[i];
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

uint32_t Pseudo(const IpAddress& source, const IpAddress& destination, uint8_t protocol,
                size_t length) {
  Bytes pseudo;
  PutBytes(pseudo, source.bytes());
  PutBytes(pseudo, destination.bytes());
  Put32(pseudo, static_cast<uint32_t>(length));
  Put32(pseudo, protocol);
  return Sum(pseudo);
}

// vnet and Ethernet headers, then IP around the transport.
Bytes WrapIp(const IpAddress& from, const IpAddress& to, uint8_t protocol, const Bytes& transport) {
  Bytes frame(10, 0);
  PutBytes(frame, MacAddress{2, 0, 0, 0, 0, 1});
  PutBytes(frame, FakeSandbox::kMac);
  Put16(frame, from.is_v4() ? 0x0800 : 0x86dd);
  if (from.is_v4()) {
    frame.insert(frame.end(), {0x45, 0});
    Put16(frame, static_cast<uint32_t>(20 + transport.size()));
    Put32(frame, 0x4000);
    frame.insert(frame.end(), {64, protocol, 0, 0});
  } else {
    Put32(frame, 0x60000000);
    Put16(frame, static_cast<uint32_t>(transport.size()));
    frame.insert(frame.end(), {protocol, 64});
  }
  PutBytes(frame, from.bytes());
  PutBytes(frame, to.bytes());
  PutBytes(frame, transport);
  FixChecksums(frame);
  return frame;
}

struct Layout {
  bool v4;
  size_t transport;
  size_t end;
  uint8_t protocol;
  IpAddress source, destination;
};

std::optional<Layout> LayOut(const Bytes& frame) {
  const uint32_t type = Get16(frame, 22);
  if (type == 0x0800 && frame.size() >= 44) {
    const std::span<const uint8_t> b(frame);
    return Layout{true,
                  24 + (frame[24] & 0x0fu) * 4,
                  24 + Get16(frame, 26),
                  frame[33],
                  *IpAddress::FromBytes(b.subspan(36, 4)),
                  *IpAddress::FromBytes(b.subspan(40, 4))};
  }
  if (type == 0x86dd && frame.size() >= 64) {
    const std::span<const uint8_t> b(frame);
    return Layout{false,
                  64,
                  64 + Get16(frame, 28),
                  frame[30],
                  *IpAddress::FromBytes(b.subspan(32, 16)),
                  *IpAddress::FromBytes(b.subspan(48, 16))};
  }
  return std::nullopt;
}

size_t ChecksumOffset(uint8_t protocol) { return protocol == 6 ? 16 : protocol == 17 ? 6 : 2; }

}  // namespace

void FixChecksums(Bytes& frame) {
  const auto layout = LayOut(frame);
  if (!layout || layout->end > frame.size() || layout->transport > layout->end) return;
  if (layout->v4) {
    Set16(frame, 34, 0);
    Set16(frame, 34, ~Sum(std::span(frame).subspan(24, layout->transport - 24)));
  }
  // A fragment's bytes are a part of what was summed up before.
  const bool is_fragment = layout->v4 ? (Get16(frame, 30) & 0x3fff) != 0 : layout->protocol == 44;
  const size_t at = layout->transport + ChecksumOffset(layout->protocol);
  const size_t length = layout->end - layout->transport;
  if (is_fragment || at + 2 > layout->end) return;
  Set16(frame, at, 0);
  const uint32_t pseudo =
      layout->protocol == 1 ? 0
                            : Pseudo(layout->source, layout->destination, layout->protocol, length);
  Set16(frame, at, ~Sum(std::span(frame).subspan(layout->transport, length), pseudo));
}

void SetVnet(Bytes& frame, const VnetFields& vnet) {
  frame[0] = vnet.flags;
  frame[1] = vnet.gso_type;
  std::memcpy(&frame[2], &vnet.header_length, 2);
  std::memcpy(&frame[4], &vnet.gso_size, 2);
  std::memcpy(&frame[6], &vnet.checksum_start, 2);
  std::memcpy(&frame[8], &vnet.checksum_offset, 2);
}

Bytes MakeTcp(const TcpFields& fields) {
  Bytes tcp;
  Put16(tcp, fields.from.port);
  Put16(tcp, fields.to.port);
  Put32(tcp, fields.sequence);
  Put32(tcp, fields.acknowledgment);
  tcp.push_back(static_cast<uint8_t>((5 + fields.options.size() / 4) << 4));
  tcp.push_back(fields.flags);
  Put16(tcp, fields.window);
  Put16(tcp, 0);
  Put16(tcp, fields.urgent);
  PutBytes(tcp, fields.options);
  PutBytes(tcp, fields.payload);
  return WrapIp(fields.from.address, fields.to.address, 6, tcp);
}

Bytes MakeUdp(const Endpoint& from, const Endpoint& to, const Bytes& payload) {
  Bytes udp;
  Put16(udp, from.port);
  Put16(udp, to.port);
  Put16(udp, static_cast<uint32_t>(8 + payload.size()));
  Put16(udp, 0);
  PutBytes(udp, payload);
  return WrapIp(from.address, to.address, 17, udp);
}

std::vector<Bytes> MakeFragments(const Bytes& frame, size_t size, uint32_t identification) {
  const auto layout = LayOut(frame);
  const size_t total = layout->end - layout->transport;
  std::vector<Bytes> fragments;
  for (size_t offset = 0; offset < total; offset += size) {
    const size_t length = std::min(size, total - offset);
    const bool more = offset + length < total;
    Bytes fragment(frame.begin(), frame.begin() + static_cast<ptrdiff_t>(layout->transport));
    if (layout->v4) {
      Set16(fragment, 26, static_cast<uint32_t>(layout->transport - 24 + length));
      Set16(fragment, 28, identification);
      Set16(fragment, 30, static_cast<uint32_t>(offset / 8) | (more ? 0x2000u : 0u));
      Set16(fragment, 34, 0);
      Set16(fragment, 34, ~Sum(std::span(fragment).subspan(24)));
    } else {
      Set16(fragment, 28, static_cast<uint32_t>(8 + length));
      fragment[30] = 44;
      fragment.insert(fragment.end(), {layout->protocol, 0});
      Put16(fragment, static_cast<uint32_t>(offset) | (more ? 1u : 0u));
      Put32(fragment, identification);
    }
    PutBytes(fragment, std::span(frame).subspan(layout->transport + offset, length));
    fragments.push_back(std::move(fragment));
  }
  return fragments;
}

Bytes MakeIcmpEcho(const IpAddress& from, const IpAddress& to, const Bytes& payload,
                   uint16_t identifier, uint16_t sequence) {
  Bytes icmp = {from.is_v4() ? uint8_t{8} : uint8_t{128}, 0, 0, 0};
  Put16(icmp, identifier);
  Put16(icmp, sequence);
  PutBytes(icmp, payload);
  return WrapIp(from, to, from.is_v4() ? 1 : 58, icmp);
}

SeenFrame TakeApart(const Bytes& frame) {
  SeenFrame seen;
  if (frame.size() < 24) return seen;
  seen.vnet.flags = frame[0];
  seen.vnet.gso_type = frame[1];
  std::memcpy(&seen.vnet.header_length, &frame[2], 2);
  std::memcpy(&seen.vnet.gso_size, &frame[4], 2);
  std::memcpy(&seen.vnet.checksum_start, &frame[6], 2);
  std::memcpy(&seen.vnet.checksum_offset, &frame[8], 2);
  seen.ether_type = static_cast<uint16_t>(Get16(frame, 22));
  if (!std::equal(FakeSandbox::kMac.begin(), FakeSandbox::kMac.end(), frame.begin() + 10)) {
    return seen;
  }
  if (seen.ether_type == 0x0806) {
    seen.sound = frame.size() == 24 + 28;
    seen.payload.assign(frame.begin() + 24, frame.end());
    return seen;
  }
  const auto layout = LayOut(frame);
  if (!layout || layout->end != frame.size()) return seen;
  seen.source = layout->source;
  seen.destination = layout->destination;
  seen.protocol = layout->protocol;
  const size_t t = layout->transport;
  const size_t length = layout->end - t;
  seen.ip_length = layout->end - 24;
  if (layout->v4) {
    const uint32_t field = Get16(frame, 30);
    seen.dont_fragment = (field & 0x4000) != 0;
    seen.more_fragments = (field & 0x2000) != 0;
    seen.fragment_offset = (field & 0x1fff) * size_t{8};
    seen.is_fragment = seen.more_fragments || seen.fragment_offset != 0;
    seen.fragment_identification = Get16(frame, 28);
  } else if (layout->protocol == 44 && length >= 8) {
    seen.is_fragment = true;
    seen.protocol = frame[t];
    seen.fragment_offset = Get16(frame, t + 2) & 0xfff8;
    seen.more_fragments = (frame[t + 3] & 1) != 0;
    seen.fragment_identification = Get32(frame, t + 4);
  }
  if (seen.is_fragment) {
    seen.sound = seen.vnet.flags == 0 &&
                 (!layout->v4 || Sum(std::span(frame).subspan(24, t - 24)) == 0xffff);
    seen.payload.assign(frame.begin() + static_cast<ptrdiff_t>(layout->v4 ? t : t + 8),
                        frame.end());
    return seen;
  }
  if (length < 8) return seen;
  const uint32_t pseudo =
      layout->protocol == 1 ? 0
                            : Pseudo(layout->source, layout->destination, layout->protocol, length);
  bool checksum_holds;
  if ((seen.vnet.flags & 1) != 0) {
    const size_t at = t + ChecksumOffset(layout->protocol);
    checksum_holds = seen.vnet.checksum_start == t - 10 &&
                     seen.vnet.checksum_offset == ChecksumOffset(layout->protocol) &&
                     Get16(frame, at) == pseudo;
  } else {
    checksum_holds = Sum(std::span(frame).subspan(t, length), pseudo) == 0xffff;
  }
  const bool ip_holds = !layout->v4 || Sum(std::span(frame).subspan(24, t - 24)) == 0xffff;
  seen.sound = checksum_holds && ip_holds;
  size_t payload = t + 8;
  if (layout->protocol == 6) {
    seen.source_port = static_cast<uint16_t>(Get16(frame, t));
    seen.destination_port = static_cast<uint16_t>(Get16(frame, t + 2));
    seen.sequence = Get32(frame, t + 4);
    seen.acknowledgment = Get32(frame, t + 8);
    payload = t + (frame[t + 12] >> 4) * 4u;
    seen.flags = frame[t + 13];
    seen.window = static_cast<uint16_t>(Get16(frame, t + 14));
    seen.urgent = static_cast<uint16_t>(Get16(frame, t + 18));
    for (size_t at = t + 20; at < payload;) {
      const uint8_t kind = frame[at];
      if (kind == 0) break;
      if (kind == 1) {
        ++at;
        continue;
      }
      if (kind == 2) seen.mss = static_cast<uint16_t>(Get16(frame, at + 2));
      if (kind == 3) seen.window_scale = frame[at + 2];
      at += std::max<size_t>(frame[at + 1], 2);
    }
  } else if (layout->protocol == 17) {
    seen.source_port = static_cast<uint16_t>(Get16(frame, t));
    seen.destination_port = static_cast<uint16_t>(Get16(frame, t + 2));
    if (Get16(frame, t + 4) != length) seen.sound = false;
  } else {
    seen.icmp_type = frame[t];
    seen.icmp_code = frame[t + 1];
    seen.icmp_rest = Get32(frame, t + 4);
  }
  if (payload > frame.size()) {
    seen.sound = false;
    return seen;
  }
  seen.payload.assign(frame.begin() + static_cast<ptrdiff_t>(payload), frame.end());
  return seen;
}

LinkOptions FakeSandbox::MakeLink(uint16_t mtu) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
    std::abort();
  fd_ = UniqueFd(pair[0]);
  const int size = 1 << 20;
  setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  LinkOptions link;
  link.fd = UniqueFd(pair[1]);
  link.sandbox_mac = kMac;
  link.mtu = mtu;
  return link;
}

FakeSandbox::FakeSandbox(FakeSandboxOptions options) {
  LinkOptions link = MakeLink(options.mtu);
  stack_ = options.make_stack ? options.make_stack(std::move(link))
                              : MakeStack(std::move(options), std::move(link));
  thread_ = std::thread([this] { ran_ = stack_->Run(); });
}

std::unique_ptr<Stack> FakeSandbox::MakeStack(FakeSandboxOptions options, LinkOptions link) {
  StackOptions stack_options;
  stack_options.link = std::move(link);
  stack_options.link.udp_segmentation = options.udp_segmentation;
  stack_options.limits = options.limits;
  stack_options.inbound = std::move(options.inbound);
  stack_options.on_notice = std::move(options.on_notice);
  stack_options.resolver = std::move(options.resolver);
  stack_options.verdict_log = std::move(options.verdict_log);
  stack_options.filter.counts_refusals = true;
  stack_options.filter.rules.emplace();
  for (const std::string& rule : options.rules) {
    const Status added = stack_options.filter.rules->AddRule("test", rule);
    EXPECT_TRUE(added.ok()) << added.ToString();
  }
  auto stack = Stack::Create(std::move(stack_options));
  EXPECT_TRUE(stack.ok()) << stack.status().ToString();
  if (!stack.ok()) std::abort();
  return std::move(stack).value();
}

FakeSandbox::~FakeSandbox() { Stop(); }

void FakeSandbox::Stop() {
  if (!thread_.joinable()) return;
  stack_->Stop();
  thread_.join();
}

std::vector<std::string> FakeSandbox::Summary() const {
  return SummaryLines(stack_->refusals(), std::nullopt);
}

void FakeSandbox::Send(const Bytes& frame) {
  while (send(fd_.get(), frame.data(), frame.size(), MSG_NOSIGNAL) < 0) {
    if (errno != EAGAIN && errno != EINTR) {
      ADD_FAILURE() << "send: " << std::strerror(errno);
      return;
    }
    pollfd poll_fd{fd_.get(), POLLOUT, 0};
    if (poll(&poll_fd, 1, 5000) <= 0) {
      ADD_FAILURE() << "the stack takes no frames";
      return;
    }
  }
}

std::optional<SeenFrame> FakeSandbox::Receive(std::chrono::milliseconds patience) {
  pollfd poll_fd{fd_.get(), POLLIN, 0};
  if (poll(&poll_fd, 1, static_cast<int>(patience.count())) <= 0) return std::nullopt;
  Bytes frame(70000);
  const ssize_t length = recv(fd_.get(), frame.data(), frame.size(), 0);
  if (length <= 0) return std::nullopt;
  frame.resize(static_cast<size_t>(length));
  return TakeApart(frame);
}

std::optional<SeenFrame> FakeSandbox::ReceiveFor(uint16_t local_port,
                                                 std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0) return std::nullopt;
    auto frame = Receive(left);
    if (!frame || frame->destination_port == local_port) return frame;
  }
}

std::optional<SeenFrame> FakeSandbox::ReceiveWhole(size_t& fragments) {
  fragments = 1;
  auto first = Receive();
  if (!first || !first->is_fragment) return first;
  Bytes transport = first->payload;
  auto last = first;
  bool sound = first->sound && first->fragment_offset == 0;
  for (; last->more_fragments; ++fragments) {
    last = Receive();
    if (!last) return std::nullopt;
    sound = sound && last->sound && last->is_fragment && last->protocol == first->protocol &&
            last->fragment_identification == first->fragment_identification &&
            last->fragment_offset == transport.size() && last->source == first->source &&
            last->destination == first->destination;
    PutBytes(transport, last->payload);
  }
  // Taken apart as the packet it was, so that its checksum is looked at now.
  Bytes whole = WrapIp(first->source, first->destination, first->protocol, Bytes(transport));
  std::ranges::copy(transport, whole.end() - static_cast<ptrdiff_t>(transport.size()));
  std::ranges::copy(kMac, whole.begin() + 10);
  SeenFrame seen = TakeApart(whole);
  seen.sound = seen.sound && sound;
  return seen;
}

std::vector<SeenFrame> FakeSandbox::Drain() {
  std::vector<SeenFrame> frames;
  // An address nobody else uses tells this ARP reply from others.
  Bytes arp(10, 0);
  PutBytes(arp, MacAddress{255, 255, 255, 255, 255, 255});
  PutBytes(arp, kMac);
  Put16(arp, 0x0806);
  PutBytes(arp, Bytes{0, 1, 8, 0, 6, 4, 0, 1});
  PutBytes(arp, kMac);
  PutBytes(arp, Bytes{198, 18, 0, 1, 0, 0, 0, 0, 0, 0, 203, 0, 113, 254});
  Send(arp);
  const Bytes marker = {203, 0, 113, 254};
  while (auto frame = Receive()) {
    if (frame->ether_type == 0x0806 && frame->payload.size() == 28 &&
        std::equal(marker.begin(), marker.end(), frame->payload.begin() + 14)) {
      return frames;
    }
    frames.push_back(std::move(*frame));
  }
  ADD_FAILURE() << "the stack does not answer any more";
  return frames;
}

TcpFields FakeTcpClient::Fields(uint8_t flags) const {
  TcpFields fields;
  fields.from = from_;
  fields.to = to_;
  fields.sequence = sequence_;
  fields.acknowledgment = (flags & 0x10) != 0 ? expected_ : 0;
  fields.flags = flags;
  fields.window = window_;
  return fields;
}

void FakeTcpClient::SendSyn() {
  SendSyn(from_.address.is_v4() ? Bytes{2, 4, 0x05, 0xb4, 1, 3, 3, 7}
                                : Bytes{2, 4, 0x05, 0xa0, 1, 3, 3, 7});
}

void FakeTcpClient::SendSyn(const Bytes& options) {
  TcpFields syn = Fields(0x02);
  syn.options = options;
  sandbox_.Send(MakeTcp(syn));
}

std::optional<SeenFrame> FakeTcpClient::Connect() {
  SendSyn();
  return Shake();
}

std::optional<SeenFrame> FakeTcpClient::Connect(const Bytes& options) {
  SendSyn(options);
  return Shake();
}

std::optional<SeenFrame> FakeTcpClient::Shake() {
  ++sequence_;
  acknowledged_ = sequence_;
  auto answer = sandbox_.ReceiveFor(from_.port);
  if (!answer || !answer->Is(0x12)) return answer;
  expected_ = answer->sequence + 1;
  peer_scale_ = answer->window_scale.value_or(0);
  peer_window_ = answer->window;
  connected_ = answer->acknowledgment == sequence_;
  SendAck();
  return answer;
}

bool FakeTcpClient::Accept(const SeenFrame& syn) {
  TcpFields answer = Fields(0x12);
  expected_ = answer.acknowledgment = syn.sequence + 1;
  answer.options = from_.address.is_v4() ? Bytes{2, 4, 0x05, 0xb4, 1, 3, 3, 7}
                                         : Bytes{2, 4, 0x05, 0xa0, 1, 3, 3, 7};
  sandbox_.Send(MakeTcp(answer));
  acknowledged_ = ++sequence_;
  const auto done = sandbox_.ReceiveFor(from_.port);
  if (!done || !done->Is(0x10)) return false;
  peer_scale_ = syn.window_scale.value_or(0);
  peer_window_ = uint32_t{done->window} << peer_scale_;
  connected_ = done->acknowledgment == sequence_;
  return connected_;
}

void FakeTcpClient::SendAck() { sandbox_.Send(MakeTcp(Fields(0x10))); }

void FakeTcpClient::Write(const Bytes& data) {
  TcpFields fields = Fields(0x18);
  fields.payload = data;
  sandbox_.Send(MakeTcp(fields));
  sequence_ += static_cast<uint32_t>(data.size());
}

void FakeTcpClient::WriteOffloaded(const Bytes& data, uint16_t gso_size) {
  TcpFields fields = Fields(0x18);
  fields.payload = data;
  Bytes frame = MakeTcp(fields);
  const bool v4 = from_.address.is_v4();
  VnetFields vnet;
  vnet.flags = 1;
  vnet.gso_type = v4 ? 1 : 4;
  vnet.gso_size = gso_size;
  vnet.checksum_start = v4 ? 34 : 54;
  vnet.checksum_offset = 16;
  vnet.header_length = static_cast<uint16_t>(vnet.checksum_start + 20);
  SetVnet(frame, vnet);
  sandbox_.Send(frame);
  sequence_ += static_cast<uint32_t>(data.size());
}

std::optional<SeenFrame> FakeTcpClient::Step(std::chrono::milliseconds patience) {
  auto frame = sandbox_.ReceiveFor(from_.port, patience);
  if (!frame) return frame;
  EXPECT_TRUE(frame->sound);
  seen_flags_ |= frame->flags;
  if ((frame->flags & 0x10) != 0) acknowledged_ = frame->acknowledgment;
  peer_window_ = uint32_t{frame->window} << peer_scale_;
  frames_.push_back(*frame);
  frames_.back().payload.clear();
  const bool fin = (frame->flags & 1) != 0;
  if (frame->sequence == expected_ && (!frame->payload.empty() || fin)) {
    received_.insert(received_.end(), frame->payload.begin(), frame->payload.end());
    expected_ += static_cast<uint32_t>(frame->payload.size()) + (fin ? 1 : 0);
    SendAck();
  }
  return frame;
}

Bytes FakeTcpClient::ReadExactly(size_t size) {
  while (received_.size() < size) {
    if (!Step()) break;
  }
  Bytes data(received_.begin(),
             received_.begin() + static_cast<ptrdiff_t>(std::min(size, received_.size())));
  received_.erase(received_.begin(), received_.begin() + static_cast<ptrdiff_t>(data.size()));
  return data;
}

bool FakeTcpClient::AwaitFlag(uint8_t flag) {
  while ((seen_flags_ & flag) == 0) {
    if (!Step()) return false;
  }
  return true;
}

bool FakeTcpClient::AwaitAcknowledged() {
  while (acknowledged_ != sequence_) {
    if (!Step()) return false;
  }
  return true;
}

bool FakeTcpClient::AwaitWindow(uint32_t size) {
  while (peer_window_ < size) {
    if (!Step()) return false;
  }
  return true;
}

void FakeTcpClient::Finish() {
  sandbox_.Send(MakeTcp(Fields(0x11)));
  ++sequence_;
}

void FakeTcpClient::Reset() { sandbox_.Send(MakeTcp(Fields(0x14))); }

HostServer::HostServer(IpFamily family, int type)
    : fd_(socket(family == IpFamily::kV4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0)) {
  const Endpoint any{*IpAddress::Parse(family == IpFamily::kV4 ? "127.0.0.1" : "::1"), 0};
  sockaddr_storage address;
  socklen_t length = ToSockaddr(any, address);
  EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  if (type == SOCK_STREAM) {
    EXPECT_EQ(listen(fd_.get(), 64), 0);
  }
  length = sizeof address;
  getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length);
  endpoint_ = *FromSockaddr(address);
}

UniqueFd HostServer::Accept() {
  pollfd poll_fd{fd_.get(), POLLIN, 0};
  if (poll(&poll_fd, 1, 5000) <= 0) return UniqueFd();
  return UniqueFd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

Bytes ReadFrom(int fd, size_t size) {
  Bytes data(size);
  size_t got = 0;
  while (got < size) {
    pollfd poll_fd{fd, POLLIN, 0};
    if (poll(&poll_fd, 1, 5000) <= 0) break;
    const ssize_t length = recv(fd, data.data() + got, size - got, 0);
    if (length <= 0) break;
    got += static_cast<size_t>(length);
  }
  data.resize(got);
  return data;
}

bool WriteTo(int fd, const Bytes& bytes) {
  size_t put = 0;
  while (put < bytes.size()) {
    pollfd poll_fd{fd, POLLOUT, 0};
    if (poll(&poll_fd, 1, 5000) <= 0) return false;
    const ssize_t length = send(fd, bytes.data() + put, bytes.size() - put, MSG_NOSIGNAL);
    if (length <= 0) return false;
    put += static_cast<size_t>(length);
  }
  return true;
}

int ReadEnd(int fd) {
  pollfd poll_fd{fd, POLLIN, 0};
  if (poll(&poll_fd, 1, 5000) <= 0) return -ETIMEDOUT;
  uint8_t byte;
  const ssize_t length = recv(fd, &byte, 1, 0);
  return length < 0 ? -errno : static_cast<int>(length);
}

Bytes Pattern(size_t size, uint32_t seed) {
  Bytes bytes(size);
  uint32_t state = seed;
  for (uint8_t& b : bytes) {
    state = state * 1664525 + 1013904223;
    b = static_cast<uint8_t>(state >> 24);
  }
  return bytes;
}

}  // namespace mini::netstack
