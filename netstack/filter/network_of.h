// The network an address lies in. Internal to filter/.
#ifndef MINI_SANDBOX_NETSTACK_FILTER_NETWORK_OF_H_
#define MINI_SANDBOX_NETSTACK_FILTER_NETWORK_OF_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/ip_address.h"

namespace mini::netstack {

// The address with every bit after the first `length` cleared.
inline IpAddress NetworkOf(const IpAddress& address, size_t length) {
  std::array<uint8_t, 16> bytes{};
  const auto from = address.bytes();
  const size_t whole = std::min(length / 8, from.size());
  std::copy_n(from.begin(), whole, bytes.begin());
  if (whole < from.size()) {
    const auto kept = static_cast<uint8_t>(0xff00u >> (length % 8));
    bytes[whole] = static_cast<uint8_t>(from[whole] & kept);
  }
  return *IpAddress::FromBytes(std::span(bytes).first(from.size()));
}

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FILTER_NETWORK_OF_H_
