// The Internet checksum (RFC 1071): one's complement sum of 16-bit words.
#ifndef MINI_SANDBOX_NETSTACK_LINK_CHECKSUM_H_
#define MINI_SANDBOX_NETSTACK_LINK_CHECKSUM_H_

#include <cstdint>
#include <span>

#include "base/ip_address.h"

namespace mini::netstack {

// Adds `bytes` (an odd last byte counts as the high half of a word) to a running sum. Only the last
// piece of a sum may have an odd length.
uint64_t ChecksumAdd(uint64_t sum, std::span<const uint8_t> bytes);

// Folds a running sum to 16 bits; not complemented.
uint16_t ChecksumFold(uint64_t sum);

inline uint16_t Checksum(std::span<const uint8_t> bytes) {
  return static_cast<uint16_t>(~ChecksumFold(ChecksumAdd(0, bytes)));
}

// Of the pseudo header of TCP, UDP (RFC 9293, 3.1) and ICMPv6 (RFC 8200, 8.1).
uint64_t PseudoHeaderSum(const IpAddress& source, const IpAddress& destination, uint8_t protocol,
                         uint32_t length);

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_LINK_CHECKSUM_H_
