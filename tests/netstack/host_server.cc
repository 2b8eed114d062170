#include "host_server.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <cerrno>

namespace mini::netstack {

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

}  // namespace mini::netstack
