#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <random>

#include "base/unique_fd.h"
#include "load.h"

namespace mini::load {
namespace {

constexpr uint64_t kKilobyte = 1024;

// The same in every run.
class Dice {
 public:
  uint64_t Below(uint64_t limit) { return engine_() % limit; }
  // One where the server is not: a flow that gets an answer is kept for longer.
  uint16_t Port() { return static_cast<uint16_t>(kFirstPort + kPorts + Below(50'000)); }

 private:
  std::mt19937_64 engine_{20260101};
};

// What 2000 programs might do at the same time: most of them little and slowly, some of them much.
Order Any(Dice& dice, bool datagrams) {
  Order order;
  switch (dice.Below(datagrams ? 10 : 9)) {
    case 9:
      order.kind = Kind::kDatagrams;
      order.size = 1 + dice.Below(50);
      break;
    case 0:
      order.kind = Kind::kDownload;
      order.size = 1 + dice.Below(512 * kKilobyte);
      break;
    case 1:
      order.kind = Kind::kUpload;
      order.size = 1 + dice.Below(512 * kKilobyte);
      break;
    case 2:
      order.size = 64 * kKilobyte;
      break;
    default:
      order.size = 2 + dice.Below(2000);
      order.pause = std::chrono::milliseconds(500 + dice.Below(2000));
      break;
  }
  return order;
}

UniqueFd Dialing(const Endpoint& peer, int type) {
  UniqueFd fd(socket(peer.address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) Die("socket");
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&peer.address), peer.length) != 0 &&
      errno != EINPROGRESS) {
    fd.reset();
  }
  return fd;
}

}  // namespace

int Connections(uint64_t count, size_t at_once, const std::string& hosts, Kind kind) {
  const auto begun = Clock::now();
  Order order;
  order.kind = kind;
  const Tally tally = Run(ParseEndpoints(hosts), at_once, [&]() {
    return count-- > 0 ? std::optional<Order>(order) : std::nullopt;
  });
  tally.Print(Clock::now() - begun);
  return 0;
}

int Mixed(std::chrono::seconds duration, size_t at_once, const std::string& hosts, bool datagrams) {
  const auto begun = Clock::now();
  Dice dice;
  const Tally tally = Run(ParseEndpoints(hosts), at_once, [&]() {
    return Clock::now() < begun + duration ? std::optional<Order>(Any(dice, datagrams))
                                           : std::nullopt;
  });
  tally.Print(Clock::now() - begun);
  return 0;
}

int FloodDatagrams(std::chrono::seconds duration, const std::string& hosts) {
  const auto begun = Clock::now();
  std::vector<Endpoint> peers = ParseEndpoints(hosts);
  Dice dice;
  uint64_t sent = 0;
  uint64_t refused = 0;
  const std::array<char, 200> data = {};
  while (Clock::now() < begun + duration) {
    // A few from each source port, to other ports each, so that most of them open a flow.
    Endpoint peer = peers[dice.Below(peers.size())];
    const UniqueFd fd(socket(peer.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) Die("socket");
    for (int i = 0; i < 16; ++i) {
      SetPort(peer, dice.Port());
      const ssize_t taken = sendto(fd.get(), data.data(), data.size(), MSG_NOSIGNAL,
                                   reinterpret_cast<const sockaddr*>(&peer.address), peer.length);
      ++(taken < 0 ? refused : sent);
    }
  }
  std::printf("sent=%" PRIu64 " refused=%" PRIu64 " seconds=%.2f\n", sent, refused,
              std::chrono::duration<double>(Clock::now() - begun).count());
  return 0;
}

int FloodConnects(std::chrono::seconds duration, const std::string& hosts) {
  const auto begun = Clock::now();
  std::vector<Endpoint> peers = ParseEndpoints(hosts);
  Dice dice;
  uint64_t sent = 0;
  // Closed before they are answered, the kernel forgets them and their SYN is on its way alone.
  while (Clock::now() < begun + duration) {
    Endpoint peer = peers[dice.Below(peers.size())];
    SetPort(peer, dice.Port());
    sent += Dialing(peer, SOCK_STREAM).valid();
  }
  std::printf("sent=%" PRIu64 " seconds=%.2f\n", sent,
              std::chrono::duration<double>(Clock::now() - begun).count());
  return 0;
}

// One connection that says a number twenty times a second and gets it back, whatever the path does
// meanwhile: how many, and the longest silence.
int Steady(std::chrono::seconds duration, const std::string& hosts) {
  const auto begun = Clock::now();
  const UniqueFd fd = Dialing(ParseEndpoints(hosts).front(), SOCK_STREAM);
  const auto wait_for = [&](short events) {
    pollfd watched = {fd.get(), events, 0};
    return poll(&watched, 1, 60'000) == 1;
  };
  const std::string head = "e" + Hex(1 << 30);
  if (!fd.valid() || !wait_for(POLLOUT) ||
      send(fd.get(), head.data(), head.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(head.size())) {
    Die("connect");
  }
  uint64_t exchanged = 0;
  Clock::duration longest{};
  while (Clock::now() < begun + duration) {
    const auto asked = Clock::now();
    uint64_t answer = 0;
    if (send(fd.get(), &exchanged, sizeof(exchanged), MSG_NOSIGNAL) != sizeof(exchanged)) {
      Die("send");
    }
    if (!wait_for(POLLIN)) Die("no answer within a minute");
    if (recv(fd.get(), &answer, sizeof(answer), MSG_WAITALL) != sizeof(answer)) Die("recv");
    if (answer != exchanged) Die("another answer");
    ++exchanged;
    longest = std::max(longest, Clock::now() - asked);
    usleep(50'000);
  }
  std::printf("done=%" PRIu64 " longest_silence=%.2f\n", exchanged,
              std::chrono::duration<double>(longest).count());
  return 0;
}

}  // namespace mini::load
