// Theory of operation: one thread, one epoll. A connection holds what it has still to send in one
// buffer of a block; while that is not empty nothing is read, so memory is bounded by the peers.
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <unordered_map>

#include "base/unique_fd.h"
#include "load.h"

namespace mini::load {
namespace {

class Connection {
 public:
  explicit Connection(UniqueFd fd) : fd_(std::move(fd)) {}

  // Goes on as far as it can; false when the connection is over.
  bool Advance() {
    while (true) {
      if (!pending_.empty()) {
        const ssize_t sent = send(fd_.get(), pending_.data(), pending_.size(), MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN;
        pending_ = pending_.subspan(static_cast<size_t>(sent));
      } else if (kind_ == 'd' && left_ > 0) {
        pending_ = std::span(buffer_).first(std::min<uint64_t>(left_, kBlock));
        FillPattern(produced_, std::span(buffer_).first(pending_.size()));
        produced_ += pending_.size();
        left_ -= pending_.size();
      } else {
        const ssize_t got = recv(fd_.get(), buffer_.data(), buffer_.size(), 0);
        if (got < 0) return errno == EAGAIN;
        if (got == 0) return false;
        if (!Take(std::span(buffer_).first(static_cast<size_t>(got)))) return false;
      }
    }
  }

 private:
  bool Take(std::span<uint8_t> bytes) {
    if (request_.size() < kRequestSize) {
      const size_t count = std::min(kRequestSize - request_.size(), bytes.size());
      request_.append(bytes.begin(), bytes.begin() + static_cast<ssize_t>(count));
      bytes = bytes.subspan(count);
      if (request_.size() < kRequestSize) return true;
      kind_ = request_[0];
      left_ = std::strtoull(request_.c_str() + 1, nullptr, 16);
      if (kind_ != 'e' && kind_ != 'd' && kind_ != 'u') return false;
    }
    if (bytes.empty()) return true;
    if (kind_ == 'd' || bytes.size() > left_) return false;
    left_ -= bytes.size();
    if (kind_ == 'e') pending_ = bytes;
    if (kind_ == 'u') {
      hash_ = Hash(hash_, bytes);
      if (left_ == 0) {
        const std::string answer = Hex(hash_);
        std::copy(answer.begin(), answer.end(), buffer_.begin());
        pending_ = std::span(buffer_).first(answer.size());
      }
    }
    return true;
  }

  UniqueFd fd_;
  std::string request_;
  char kind_ = 0;
  uint64_t left_ = 0;
  uint64_t produced_ = 0;
  uint64_t hash_ = kHashStart;
  std::span<const uint8_t> pending_;  // of buffer_
  std::array<uint8_t, kBlock> buffer_;
};

class Server {
 public:
  Server() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_.valid()) Die("epoll_create1");
    for (uint16_t port = kFirstPort; port < kFirstPort + kPorts; ++port) {
      listeners_.push_back(Bind(SOCK_STREAM, port));
      if (listen(listeners_.back().get(), 4096) != 0) Die("listen");
      datagrams_.push_back(Bind(SOCK_DGRAM, port));
    }
  }

  [[noreturn]] void Run() {
    std::array<epoll_event, 256> events;
    while (true) {
      const int count = epoll_wait(epoll_.get(), events.data(), events.size(), -1);
      for (int i = 0; i < count; ++i) Handle(events[static_cast<size_t>(i)].data.fd);
    }
  }

 private:
  UniqueFd Bind(int type, uint16_t port) {
    UniqueFd fd(socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    const int off = 0;
    const int buffer = 4 << 20;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (type == SOCK_DGRAM) {
      // The answer has to come from the address that was asked, which is local by its route alone.
      setsockopt(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
      setsockopt(fd.get(), IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on));
      setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
    }
    sockaddr_in6 any = {};
    any.sin6_family = AF_INET6;
    any.sin6_port = htons(port);
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof(any)) != 0) Die("bind");
    Watch(fd.get(), EPOLLIN);
    return fd;
  }

  void Watch(int fd, uint32_t events) {
    epoll_event event = {};
    event.events = events;
    event.data.fd = fd;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) Die("epoll_ctl");
  }

  void Handle(int fd) {
    if (const auto found = connections_.find(fd); found != connections_.end()) {
      if (!found->second->Advance()) connections_.erase(found);
    } else if (Is(listeners_, fd)) {
      Accept(fd);
    } else if (Is(datagrams_, fd)) {
      Echo(fd);
    }
  }

  static bool Is(const std::vector<UniqueFd>& fds, int fd) {
    return std::any_of(fds.begin(), fds.end(),
                       [&](const UniqueFd& one) { return one.get() == fd; });
  }

  void Accept(int listener) {
    while (true) {
      UniqueFd fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!fd.valid()) return;
      const int number = fd.get();
      connections_[number] = std::make_unique<Connection>(std::move(fd));
      Watch(number, EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP);
    }
  }

  void Echo(int fd) {
    static std::array<uint8_t, kBlock> data;  // on the stack it would be zeroed every time
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> control;
    for (int i = 0; i < 64; ++i) {
      sockaddr_in6 peer = {};
      iovec piece = {data.data(), data.size()};
      msghdr message = {};
      message.msg_name = &peer;
      message.msg_namelen = sizeof(peer);
      message.msg_iov = &piece;
      message.msg_iovlen = 1;
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      const ssize_t got = recvmsg(fd, &message, 0);
      if (got < 0) return;
      piece.iov_len = static_cast<size_t>(got);
      // Back with the same control message: its address is now the source; the interface is left
      // to the routes.
      if (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr) {
        const unsigned any = 0;
        std::memcpy(CMSG_DATA(header) + offsetof(in6_pktinfo, ipi6_ifindex), &any, sizeof(any));
      }
      sendmsg(fd, &message, MSG_NOSIGNAL);
    }
  }

  UniqueFd epoll_;
  std::vector<UniqueFd> listeners_;
  std::vector<UniqueFd> datagrams_;
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
};

}  // namespace

int Serve() { Server().Run(); }

}  // namespace mini::load
