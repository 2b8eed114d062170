// The DNS the sandbox sees: policy first, then a rebuilt query through c-ares on the host's side.
#ifndef MINI_SANDBOX_NETSTACK_DNS_DNS_SERVER_H_
#define MINI_SANDBOX_NETSTACK_DNS_DNS_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "netstack/dns/host_config.h"
#include "netstack/event_loop.h"
#include "netstack/filter/filter.h"

namespace mini::netstack {

enum class DnsTransport : uint8_t { kUdp, kTcp };

class DnsServer {
 public:
  // Called exactly once for each query that was accepted, on the loop's thread, possibly before
  // HandleQuery returns. An empty reply means: say nothing (the query was no DNS message). Only
  // destroying the server ends queries without a call.
  using Reply = std::function<void(std::vector<uint8_t> message)>;

  static Result<std::unique_ptr<DnsServer>> Create(ResolverConfig config, Filter* filter,
                                                   EventLoop* loop);
  virtual ~DnsServer() = default;

  // One message without TCP's length prefix. A reply for kUdp fits the client's advertised size
  // (EDNS0, else 512 bytes) or has TC set.
  virtual void HandleQuery(std::span<const uint8_t> query, DnsTransport transport, Reply reply) = 0;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_DNS_DNS_SERVER_H_
