#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <thread>

#include "base/unique_fd.h"
#include "network_load.h"

namespace mini::network_load {
namespace {

using load::Die;
using load::Endpoint;

constexpr size_t kBodySize = 16;
constexpr size_t kRoundTripSize = 64;

UniqueFd Socket(const Endpoint& peer) {
  UniqueFd fd(socket(peer.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) Die("socket");
  // What hangs is a failure, and does not hold up the others.
  const timeval patience = {.tv_sec = 5, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  return fd;
}

bool Connect(const UniqueFd& fd, const Endpoint& peer) {
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&peer.address), peer.length) == 0;
}

bool Send(const UniqueFd& fd, std::span<const char> bytes) {
  return send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(bytes.size());
}

bool Receive(const UniqueFd& fd, std::span<char> bytes) {
  return recv(fd.get(), bytes.data(), bytes.size(), MSG_WAITALL) ==
         static_cast<ssize_t>(bytes.size());
}

std::string Request() { return "e" + load::Hex(kBodySize) + std::string(kBodySize, 'x'); }

bool Exchange(const UniqueFd& fd, const Endpoint& peer, const std::string& request) {
  std::array<char, kBodySize> answer;
  return Connect(fd, peer) && Send(fd, request) && Receive(fd, answer) &&
         std::equal(answer.begin(), answer.end(), request.end() - kBodySize);
}

struct Count {
  uint64_t done = 0;
  uint64_t failed = 0;
};

}  // namespace

void PrintLatencies(std::vector<Clock::duration> latencies, uint64_t failed) {
  std::sort(latencies.begin(), latencies.end());
  const auto at = [&](size_t percent) {
    if (latencies.empty()) return 0.0;
    const size_t index = std::min(latencies.size() - 1, latencies.size() * percent / 100);
    return std::chrono::duration<double, std::micro>(latencies[index]).count();
  };
  std::printf("done=%zu failed=%" PRIu64 " p50_us=%.2f p99_us=%.2f max_us=%.2f\n", latencies.size(),
              failed, at(50), at(99), at(100));
}

int ConnectRate(std::chrono::milliseconds duration, size_t threads, const std::string& hosts) {
  // To many pairs of address and port in turn, so that no local port is still in TIME_WAIT.
  const std::vector<Endpoint> peers = load::ParseEndpoints(hosts);
  const std::string request = Request();
  std::vector<Count> counts(threads);
  const auto end = Clock::now() + duration;
  const auto work = [&](size_t number) {
    Count count;
    for (size_t turn = number; Clock::now() < end; turn += threads) {
      const Endpoint& peer = peers[turn % peers.size()];
      const bool done = Exchange(Socket(peer), peer, request);
      // One that waits for a lost SYN to be repeated ends late, and is no part of the rate.
      if (!done) ++count.failed;
      if (done && Clock::now() < end) ++count.done;
    }
    counts[number] = count;
  };
  std::vector<std::thread> workers;
  for (size_t number = 1; number < threads; ++number) workers.emplace_back(work, number);
  work(0);
  for (std::thread& worker : workers) worker.join();
  Count all;
  for (const Count& count : counts) {
    all.done += count.done;
    all.failed += count.failed;
  }
  std::printf("done=%" PRIu64 " failed=%" PRIu64 " seconds=%.6f\n", all.done, all.failed,
              std::chrono::duration<double>(duration).count());
  return 0;
}

int RoundTrips(std::chrono::milliseconds duration, const std::string& hosts) {
  const Endpoint peer = load::ParseEndpoints(hosts).front();
  const UniqueFd fd = Socket(peer);
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (!Connect(fd, peer) || !Send(fd, "e" + load::Hex(uint64_t{1} << 60))) Die("connect");
  std::array<char, kRoundTripSize> message = {};
  std::vector<Clock::duration> latencies;
  const auto begun = Clock::now();
  for (auto now = begun; now < begun + duration;) {
    if (!Send(fd, message) || !Receive(fd, message)) Die("round trip");
    const auto answered = Clock::now();
    latencies.push_back(answered - now);
    now = answered;
  }
  PrintLatencies(std::move(latencies), 0);
  return 0;
}

int Hold(uint64_t count, const std::string& hosts, std::chrono::milliseconds patience) {
  const std::vector<Endpoint> peers = load::ParseEndpoints(hosts);
  std::vector<UniqueFd> held;
  const auto end = Clock::now() + patience;
  while (held.size() < count && Clock::now() < end) {
    const Endpoint& peer = peers[held.size() % peers.size()];
    UniqueFd fd = Socket(peer);
    if (!Exchange(fd, peer, Request())) break;
    held.push_back(std::move(fd));
  }
  const pid_t pid = fork();
  if (pid < 0) Die("fork");
  if (pid == 0) {
    // Whoever reads our output waits for its end.
    close(STDOUT_FILENO);
    while (true) pause();
  }
  std::printf("done=%zu pid=%d\n", held.size(), pid);
  return 0;
}

int Refused(uint64_t count, const std::string& host, uint16_t port) {
  Endpoint peer = load::ParseEndpoints(host).front();
  load::SetPort(peer, port);
  std::vector<Clock::duration> latencies;
  uint64_t failed = 0;
  // One that is not refused may have hung for long: more of them say nothing new.
  while (latencies.size() < count && failed == 0) {
    const UniqueFd fd = Socket(peer);
    const auto begun = Clock::now();
    if (!Connect(fd, peer) && errno == ECONNREFUSED) {
      latencies.push_back(Clock::now() - begun);
    } else {
      ++failed;
    }
  }
  PrintLatencies(std::move(latencies), failed);
  return 0;
}

}  // namespace mini::network_load
