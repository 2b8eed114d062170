#include "fake_sandbox.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace mini::netstack {

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
  link.sandbox_mac = kSandboxMac;
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
    transport.insert(transport.end(), last->payload.begin(), last->payload.end());
  }
  SeenFrame seen = TakeApartWhole(*first, transport);
  seen.sound = seen.sound && sound;
  return seen;
}

std::vector<SeenFrame> FakeSandbox::Drain() {
  std::vector<SeenFrame> frames;
  // An address nobody else uses tells this ARP reply from others.
  const IpAddress marker_address = IpAddress::V4(203, 0, 113, 254);
  Send(MakeArpRequest(IpAddress::V4(198, 18, 0, 1), marker_address));
  const auto marker = marker_address.bytes();
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

}  // namespace mini::netstack
