// Source ports of inbound flows, as the sandbox sees them: one for each client of the host.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_INBOUND_PORTS_H_
#define MINI_SANDBOX_NETSTACK_FLOW_INBOUND_PORTS_H_

#include <cstdint>
#include <optional>

namespace mini::netstack {

class InboundPorts {
 public:
  explicit InboundPorts(uint16_t start) : next_(start) {}

  // One that `is_taken(port)` denies. In turn, so that one is not used again soon after its
  // connection: the kernel inside may still hold it in TIME-WAIT.
  template <typename IsTaken>
  std::optional<uint16_t> Next(IsTaken is_taken) {
    for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
      // Below 1024 some servers take a client for a privileged one (rcmd(3)).
      const uint16_t port = next_ < kFirst ? kFirst : next_;
      next_ = static_cast<uint16_t>(port + 1);
      if (!is_taken(port)) return port;
    }
    return std::nullopt;
  }

 private:
  static constexpr uint16_t kFirst = 1024;
  static constexpr int kMaxAttempts = 1024;
  uint16_t next_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_INBOUND_PORTS_H_
