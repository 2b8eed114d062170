// Theory of operation: a Session carries out one order on one socket, which is watched edge by
// edge; Advance() goes on as far as it can. Sessions that pause or are late are looked for every 10
// ms.
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/unique_fd.h"
#include "load.h"

namespace mini::load {
namespace {

constexpr auto kPatience = std::chrono::seconds(60);
constexpr auto kDatagramPatience = std::chrono::seconds(5);
constexpr auto kTick = std::chrono::milliseconds(10);
constexpr size_t kDatagramSize = 600;

enum class Progress { kGoesOn, kDone, kFailed };

// One thread, one session at a time. Not on the stack, where they would be zeroed at every call.
std::array<uint8_t, kBlock> buffer;
std::array<uint8_t, kBlock> expected;

class Session {
 public:
  Session(const Order& order, const Endpoint& peer) : order_(order), begun_(Clock::now()) {
    const bool datagrams = order.kind == Kind::kDatagrams;
    fd_ =
        UniqueFd(socket(peer.address.ss_family,
                        (datagrams ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd_.valid()) Die("socket");
    if (connect(fd_.get(), reinterpret_cast<const sockaddr*>(&peer.address), peer.length) != 0 &&
        errno != EINPROGRESS) {
      Fail(errno);
    }
    deadline_ = begun_ + kPatience;
    if (datagrams) return;
    const char letter = order.kind == Kind::kDownload ? 'd'
                        : order.kind == Kind::kUpload ? 'u'
                                                      : 'e';
    head_ = letter + Hex(order.size);
    body_size_ = order.kind == Kind::kDownload ? 0 : order.size;
    answer_size_ = order.kind == Kind::kUpload ? 16 : order.size;
  }

  int fd() const { return fd_.get(); }
  Clock::time_point begun() const { return begun_; }
  const std::string& failure() const { return failure_; }
  uint64_t bytes() const { return sent_ + received_; }
  uint64_t datagrams() const { return order_.kind == Kind::kDatagrams ? sent_ : 0; }
  uint64_t lost() const { return lost_; }

  Progress Advance(bool ready) {
    if (!failure_.empty()) return Progress::kFailed;
    if (!ready && Clock::now() < deadline_ && !(paused_ && Clock::now() >= begun_ + order_.pause)) {
      return Progress::kGoesOn;
    }
    if (ready && !connected_ && !FinishConnect()) return Progress::kFailed;
    if (connected_) {
      if (order_.kind == Kind::kConnectOnly) return Progress::kDone;
      if (order_.kind == Kind::kDatagrams) return ExchangeDatagrams();
      const Progress sending = Send();
      if (sending == Progress::kFailed) return sending;
      const Progress receiving = Receive();
      if (receiving != Progress::kGoesOn) return receiving;
    }
    return Clock::now() < deadline_ ? Progress::kGoesOn : Fail("timeout");
  }

 private:
  Progress Fail(int error) { return Fail(strerrorname_np(error)); }
  Progress Fail(const char* what) {
    failure_ = what;
    return Progress::kFailed;
  }

  bool FinishConnect() {
    int error = 0;
    socklen_t length = sizeof(error);
    if (getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
    if (error != 0) Fail(error);
    connected_ = error == 0;
    return connected_;
  }

  Progress Send() {
    while (head_sent_ < head_.size() || sent_ < body_size_) {
      std::span<const uint8_t> piece;
      if (head_sent_ < head_.size()) {
        const std::string_view rest = std::string_view(head_).substr(head_sent_);
        std::copy(rest.begin(), rest.end(), buffer.begin());
        piece = std::span(buffer).first(rest.size());
      } else {
        uint64_t limit = body_size_;
        if (order_.pause.count() > 0 && Clock::now() < begun_ + order_.pause) limit /= 2;
        paused_ = sent_ >= limit;
        if (paused_) break;
        piece = std::span(buffer).first(std::min<uint64_t>(kBlock, limit - sent_));
        FillPattern(sent_, std::span(buffer).first(piece.size()));
      }
      const ssize_t taken = send(fd_.get(), piece.data(), piece.size(), MSG_NOSIGNAL);
      if (taken < 0) return errno == EAGAIN ? Progress::kGoesOn : Fail(errno);
      const auto count = static_cast<size_t>(taken);
      if (head_sent_ < head_.size()) {
        head_sent_ += count;
      } else {
        if (order_.kind == Kind::kUpload) hash_ = Hash(hash_, piece.first(count));
        sent_ += count;
      }
    }
    return Progress::kGoesOn;
  }

  Progress Receive() {
    while (received_ < answer_size_) {
      const ssize_t got = recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (got < 0) return errno == EAGAIN ? Progress::kGoesOn : Fail(errno);
      if (got == 0) return Fail("early_end");
      const auto piece = std::span(buffer).first(static_cast<size_t>(got));
      if (received_ + piece.size() > answer_size_) return Fail("wrong_data");
      const auto wanted = std::span(expected).first(piece.size());
      if (order_.kind == Kind::kUpload) {
        const std::string text = Hex(hash_).substr(received_, piece.size());
        std::copy(text.begin(), text.end(), wanted.begin());
      } else {
        FillPattern(received_, wanted);
      }
      if (!std::equal(piece.begin(), piece.end(), wanted.begin())) return Fail("wrong_data");
      received_ += piece.size();
    }
    return Progress::kDone;
  }

  // One datagram after the other, each with its number in front; one that does not come back is
  // lost, and what comes back again or too late is nothing.
  Progress ExchangeDatagrams() {
    const auto wanted = std::span(expected).first(kDatagramSize);
    while (true) {
      FillPattern(sent_ * 8, wanted);
      std::memcpy(wanted.data(), &sent_, sizeof(sent_));
      if (!waiting_) {
        if (sent_ == order_.size) return Progress::kDone;
        if (send(fd_.get(), wanted.data(), wanted.size(), MSG_NOSIGNAL) < 0) {
          return errno == EAGAIN ? Progress::kGoesOn : Fail(errno);
        }
        waiting_ = true;
        deadline_ = Clock::now() + kDatagramPatience;
      }
      const ssize_t got = recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (got < 0 && errno != EAGAIN) return Fail(errno);
      if (got < 0) {
        if (Clock::now() < deadline_) return Progress::kGoesOn;
        ++lost_;
      } else {
        uint64_t number = 0;
        std::memcpy(&number, buffer.data(), sizeof(number));
        if (got == kDatagramSize && number < sent_) continue;
        const auto piece = std::span(buffer).first(static_cast<size_t>(got));
        if (!std::equal(piece.begin(), piece.end(), wanted.begin(), wanted.end())) {
          return Fail("wrong_data");
        }
        ++received_;
      }
      ++sent_;
      waiting_ = false;
    }
  }

  Order order_;
  UniqueFd fd_;
  Clock::time_point begun_;
  Clock::time_point deadline_;
  bool connected_ = false;
  bool waiting_ = false;
  bool paused_ = false;
  std::string head_;
  size_t head_sent_ = 0;
  uint64_t body_size_ = 0;
  uint64_t answer_size_ = 0;
  uint64_t sent_ = 0;
  uint64_t received_ = 0;
  uint64_t lost_ = 0;
  uint64_t hash_ = kHashStart;
  std::string failure_;
};

class Driver {
 public:
  explicit Driver(const std::vector<Endpoint>& endpoints)
      : endpoints_(endpoints), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_.valid()) Die("epoll_create1");
  }

  Tally Run(size_t at_once, const std::function<std::optional<Order>()>& next) {
    auto tick = Clock::now();
    bool more = true;
    while (more || !sessions_.empty()) {
      while (more && sessions_.size() < at_once) {
        const std::optional<Order> order = next();
        more = order.has_value();
        if (order) Start(*order);
      }
      std::array<epoll_event, 256> events;
      const int count = epoll_wait(epoll_.get(), events.data(), events.size(), 10);
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<size_t>(i)].data.fd;
        if (const auto found = sessions_.find(fd); found != sessions_.end()) Advance(found, true);
      }
      if (Clock::now() < tick) continue;
      tick = Clock::now() + kTick;
      for (auto it = sessions_.begin(); it != sessions_.end();) Advance(it++, false);
    }
    return std::move(tally_);
  }

 private:
  using Sessions = std::map<int, std::unique_ptr<Session>>;

  void Start(const Order& order) {
    auto session = std::make_unique<Session>(order, endpoints_[started_++ % endpoints_.size()]);
    const int fd = session->fd();
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.fd = fd;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) Die("epoll_ctl");
    sessions_.emplace(fd, std::move(session));
  }

  void Advance(Sessions::iterator at, bool ready) {
    const Session& session = *at->second;
    const Progress progress = at->second->Advance(ready);
    if (progress == Progress::kGoesOn) return;
    tally_.bytes += session.bytes();
    tally_.datagrams += session.datagrams();
    tally_.lost_datagrams += session.lost();
    if (progress == Progress::kDone) {
      ++tally_.done;
      tally_.microseconds.push_back(static_cast<uint32_t>(
          std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - session.begun())
              .count()));
    } else {
      ++tally_.failures[session.failure()];
    }
    sessions_.erase(at);
  }

  const std::vector<Endpoint>& endpoints_;
  UniqueFd epoll_;
  Sessions sessions_;
  size_t started_ = 0;
  Tally tally_;
};

}  // namespace

Tally Run(const std::vector<Endpoint>& endpoints, size_t at_once,
          const std::function<std::optional<Order>()>& next) {
  return Driver(endpoints).Run(at_once, next);
}

}  // namespace mini::load
