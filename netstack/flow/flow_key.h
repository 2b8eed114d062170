// What tells one flow from another: the 5-tuple, seen from the sandbox.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_FLOW_KEY_H_
#define MINI_SANDBOX_NETSTACK_FLOW_FLOW_KEY_H_

#include <array>
#include <cstdint>
#include <cstring>

#include "base/ip_address.h"
#include "base/sip_hash.h"

namespace mini::netstack {

struct FlowKey {
  Endpoint sandbox;
  Endpoint remote;

  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};

// Keyed, so that the sandbox cannot choose tuples that collide.
class FlowKeyHash {
 public:
  FlowKeyHash() : key_(RandomSipHashKey()) {}
  size_t operator()(const FlowKey& flow) const {
    std::array<uint8_t, 36> tuple{};
    std::memcpy(tuple.data(), flow.sandbox.address.bytes().data(),
                flow.sandbox.address.bytes().size());
    std::memcpy(tuple.data() + 16, flow.remote.address.bytes().data(),
                flow.remote.address.bytes().size());
    std::memcpy(tuple.data() + 32, &flow.sandbox.port, 2);
    std::memcpy(tuple.data() + 34, &flow.remote.port, 2);
    return SipHash(key_, tuple);
  }

 private:
  SipHashKey key_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_FLOW_KEY_H_
