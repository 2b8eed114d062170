#include "lwip_hooks.h"

#include <array>
#include <chrono>
#include <cstring>

#include "base/sip_hash.h"
#include "lwip/sys.h"

namespace {

const mini::SipHashKey& IsnKey() {
  static const mini::SipHashKey key = mini::RandomSipHashKey();
  return key;
}

uint64_t MonotonicMicroseconds() {
  using std::chrono::steady_clock;
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now().time_since_epoch())
          .count());
}

}  // namespace

extern "C" u32_t mini_netstack_tcp_isn(const ip_addr_t* local_ip, u16_t local_port,
                                       const ip_addr_t* remote_ip, u16_t remote_port) {
  std::array<uint8_t, 36> tuple{};
  std::memcpy(tuple.data(), &local_ip->u_addr, 16);
  std::memcpy(tuple.data() + 16, &remote_ip->u_addr, 16);
  std::memcpy(tuple.data() + 32, &local_port, 2);
  std::memcpy(tuple.data() + 34, &remote_port, 2);
  // RFC 9293, 3.4.1: the clock ticks every four microseconds.
  return static_cast<u32_t>(mini::SipHash(IsnKey(), tuple) + MonotonicMicroseconds() / 4);
}

extern "C" u32_t sys_now(void) { return static_cast<u32_t>(MonotonicMicroseconds() / 1000); }
