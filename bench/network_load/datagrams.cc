#include <arpa/inet.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>

#include "base/unique_fd.h"
#include "network_load.h"

namespace mini::network_load {
namespace {

using load::Die;
using load::Endpoint;

constexpr size_t kBatch = 32;  // datagrams in one system call
constexpr size_t kLargest = 2048;
constexpr auto kFirstAnswer = std::chrono::seconds(10);

UniqueFd Socket(int family) {
  UniqueFd fd(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) Die("socket");
  const int buffer = 4 << 20;  // as far as net.core.rmem_max lets it
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
  return fd;
}

UniqueFd Listening(uint16_t port) {
  UniqueFd fd = Socket(AF_INET);
  sockaddr_in any = {};
  any.sin_family = AF_INET;
  any.sin_port = htons(port);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof(any)) != 0) Die("bind");
  return fd;
}

UniqueFd Dialing(const std::string& host, uint16_t port) {
  Endpoint peer = load::ParseEndpoints(host).front();
  load::SetPort(peer, port);
  UniqueFd fd = Socket(peer.address.ss_family);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&peer.address), peer.length) != 0) {
    Die("connect");
  }
  return fd;
}

bool Readable(const UniqueFd& fd, std::chrono::milliseconds limit) {
  pollfd watched = {fd.get(), POLLIN, 0};
  return poll(&watched, 1, static_cast<int>(limit.count())) == 1;
}

// Room for a batch of datagrams. Its messages point into it, so it stays where it is.
class Batch {
 public:
  explicit Batch(size_t size) {
    for (size_t i = 0; i < kBatch; ++i) {
      pieces_[i] = {data_[i].data(), size};
      messages_[i].msg_hdr.msg_iov = &pieces_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  mmsghdr* messages() { return messages_.data(); }

 private:
  std::array<std::array<char, kLargest>, kBatch> data_ = {};
  std::array<iovec, kBatch> pieces_ = {};
  std::array<mmsghdr, kBatch> messages_ = {};
};

void Print(uint64_t done, Clock::duration took) {
  std::printf("done=%" PRIu64 " seconds=%.6f\n", done, std::chrono::duration<double>(took).count());
}

void Blast(const UniqueFd& fd, std::chrono::milliseconds duration, size_t size) {
  if (size > kLargest) {
    errno = EMSGSIZE;
    Die("size");
  }
  static Batch batch(size);
  uint64_t done = 0;
  const auto begun = Clock::now();
  while (Clock::now() < begun + duration) {
    const int sent = sendmmsg(fd.get(), batch.messages(), kBatch, 0);
    if (sent > 0) done += static_cast<uint64_t>(sent);
    // ENOBUFS: a queue is full. ECONNREFUSED: the other end has counted enough and is gone.
    if (sent < 0 && errno != ENOBUFS && errno != ECONNREFUSED) Die("sendmmsg");
  }
  Print(done, Clock::now() - begun);
}

// From the first datagram on, which is waited for already, to the last one within the duration.
void CountArrivals(const UniqueFd& fd, std::chrono::milliseconds duration) {
  static Batch batch(kLargest);
  uint64_t done = 0;
  const auto begun = Clock::now();
  auto last = begun;
  while (last < begun + duration) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(begun + duration - Clock::now());
    if (left.count() <= 0 || !Readable(fd, left)) break;
    const int got = recvmmsg(fd.get(), batch.messages(), kBatch, MSG_DONTWAIT, nullptr);
    if (got < 0 && errno != EAGAIN && errno != ECONNREFUSED) Die("recvmmsg");
    if (got > 0) {
      done += static_cast<uint64_t>(got);
      last = Clock::now();
    }
  }
  Print(done, last - begun);
}

// A socket at that port, to which the first datagram has come. "ready" says that it may.
UniqueFd AwaitFirst(uint16_t port) {
  UniqueFd fd = Listening(port);
  std::puts("ready");
  std::fflush(stdout);
  if (!Readable(fd, kFirstAnswer)) {
    errno = ETIMEDOUT;
    Die("the first datagram");
  }
  return fd;
}

}  // namespace

int SendDatagrams(std::chrono::milliseconds duration, size_t size, const std::string& host,
                  uint16_t port) {
  Blast(Dialing(host, port), duration, size);
  return 0;
}

int SinkDatagrams(std::chrono::milliseconds duration, uint16_t port) {
  const UniqueFd fd = AwaitFirst(port);
  CountArrivals(fd, duration);
  return 0;
}

int SourceDatagrams(std::chrono::milliseconds duration, size_t size, uint16_t port) {
  const UniqueFd fd = AwaitFirst(port);
  sockaddr_storage peer = {};
  socklen_t length = sizeof(peer);
  char byte = 0;
  if (recvfrom(fd.get(), &byte, 1, 0, reinterpret_cast<sockaddr*>(&peer), &length) < 0 ||
      connect(fd.get(), reinterpret_cast<const sockaddr*>(&peer), length) != 0) {
    Die("connect");
  }
  Blast(fd, duration, size);
  return 0;
}

int ReceiveDatagrams(std::chrono::milliseconds duration, const std::string& host, uint16_t port) {
  const UniqueFd fd = Dialing(host, port);
  const auto begun = Clock::now();
  do {
    if (Clock::now() > begun + kFirstAnswer) {
      errno = ETIMEDOUT;
      Die("the first datagram");
    }
    // Again until it is heard: the first one may be lost.
    if (send(fd.get(), "", 1, 0) < 0 && errno != ECONNREFUSED) Die("send");
  } while (!Readable(fd, std::chrono::milliseconds(100)));
  CountArrivals(fd, duration);
  return 0;
}

}  // namespace mini::network_load
