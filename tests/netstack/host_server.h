// The host's side of a flow.
#ifndef MINI_SANDBOX_TESTS_NETSTACK_HOST_SERVER_H_
#define MINI_SANDBOX_TESTS_NETSTACK_HOST_SERVER_H_

#include <sys/socket.h>

#include <string>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "test_frames.h"

namespace mini::netstack {

// A listening socket of the host's, on loopback.
class HostServer {
 public:
  explicit HostServer(IpFamily family = IpFamily::kV4, int type = SOCK_STREAM);
  Endpoint endpoint() const { return endpoint_; }
  std::string rule() const { return endpoint_.ToString(); }
  UniqueFd Accept();
  int fd() const { return fd_.get(); }
  void Close() { fd_.reset(); }

 private:
  UniqueFd fd_;
  Endpoint endpoint_;
};

// Blocking, for five seconds at most; what came.
Bytes ReadFrom(int fd, size_t size);
bool WriteTo(int fd, const Bytes& bytes);
// recv() of nothing: end of file (0), or an error (-errno).
int ReadEnd(int fd);

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_TESTS_NETSTACK_HOST_SERVER_H_
