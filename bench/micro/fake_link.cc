#include "fake_link.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "micro.h"
#include "tests/netstack/test_frames.h"

namespace mini::micro {

FakeLink::FakeLink() {
  int pair[2];
  OrDie(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0,
        "a socket pair is made");
  kernel_ = UniqueFd(pair[0]);
  stack_ = UniqueFd(pair[1]);
  const int size = 1 << 20;
  for (const int end : pair) setsockopt(end, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

netstack::LinkOptions FakeLink::TakeStackEnd() {
  netstack::LinkOptions options;
  options.fd = std::move(stack_);
  options.sandbox_mac = netstack::kSandboxMac;
  return options;
}

void FakeLink::Write(std::span<const uint8_t> frame) {
  OrDie(send(kernel_.get(), frame.data(), frame.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(frame.size()),
        "the link takes a frame");
}

std::span<const uint8_t> FakeLink::Read() {
  const ssize_t length = recv(kernel_.get(), frame_.data(), frame_.size(), 0);
  OrDie(length > 0 || (length < 0 && errno == EAGAIN), "the link is there");
  return std::span<const uint8_t>(frame_).first(length > 0 ? static_cast<size_t>(length) : 0);
}

}  // namespace mini::micro
