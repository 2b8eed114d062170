// What the TCP flows of a sandbox are bounded by.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_TCP_LIMITS_H_
#define MINI_SANDBOX_NETSTACK_FLOW_TCP_LIMITS_H_

#include <chrono>
#include <cstddef>

namespace mini::netstack {

struct TcpLimits {
  // Beyond these a newcomer takes the place of the flow that has been idle for longest, if one has
  // been idle for `min_idle`; else it is refused.
  size_t max_flows = 8192;
  // Of these, whose host has not answered yet. Beyond it, who has most of them to one destination
  // gives way (connect_limits.h).
  size_t max_pending_connects = 2048;
  // Of these, to our DNS server: each holds up to 68 KB of queries and answers (RFC 7766, 6.2.2,
  // has few of them).
  size_t max_dns_flows = 128;
  std::chrono::milliseconds min_idle{10'000};
  size_t max_time_wait = 1024;  // besides

  // Connects of the host that fail, or are not answered yet: further SYNs are not taken, and the
  // sandbox's kernel sends them again, which slows a scan down and loses nobody a connection.
  double failed_connects_per_second = 2000;
  double failed_connects_burst = 10'000;

  // RFC 5382, REQ-5, wants two hours and four minutes at least. Any segment from the sandbox counts
  // as activity, so a program's keep-alive does.
  std::chrono::seconds idle_timeout = std::chrono::hours(24);
  // When one direction has ended. RFC 5382, REQ-5, wants four minutes at least.
  std::chrono::seconds half_closed_timeout = std::chrono::minutes(30);
  // After that long without a segment from the sandbox, its kernel is asked whether it still knows
  // the connection: its RST may have been lost. The answer is no activity.
  std::chrono::milliseconds probe_after = std::chrono::minutes(1);
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_TCP_LIMITS_H_
