// A link to the stack, whose other end is read and written here.
#ifndef MINI_SANDBOX_TESTS_FUZZ_FUZZ_LINK_H_
#define MINI_SANDBOX_TESTS_FUZZ_FUZZ_LINK_H_

#include <sys/socket.h>

#include <optional>
#include <utility>

#include "netstack/link/link.h"
#include "netstack/link/packet.h"
#include "script.h"

namespace mini::netstack {

class FuzzLink {
 public:
  static constexpr MacAddress kMac = {2, 0, 0, 0, 0, 9};
  static constexpr uint16_t kMtu = 1500;

  FuzzLink() {
    int pair[2];
    Require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    sandbox_ = UniqueFd(pair[0]);
    stack_ = UniqueFd(pair[1]);
  }
  LinkOptions Link() {
    LinkOptions options;
    options.fd = std::move(stack_);
    options.sandbox_mac = kMac;
    options.mtu = kMtu;
    return options;
  }
  bool Write(const Bytes& frame) {
    return send(sandbox_.get(), frame.data(), frame.size(), MSG_NOSIGNAL) >= 0;
  }
  std::optional<Bytes> Read() {
    Bytes frame(kMaxFrameSize + 1);
    const ssize_t length = recv(sandbox_.get(), frame.data(), frame.size(), 0);
    if (length < 0) return std::nullopt;
    frame.resize(static_cast<size_t>(length));
    return frame;
  }

 private:
  UniqueFd sandbox_;
  UniqueFd stack_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_TESTS_FUZZ_FUZZ_LINK_H_
