// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash that the sandbox cannot steer, for hash
// tables over what it sends and for initial sequence numbers.
#ifndef MINI_SANDBOX_BASE_SIP_HASH_H_
#define MINI_SANDBOX_BASE_SIP_HASH_H_

#include <array>
#include <cstdint>
#include <span>

namespace mini {

using SipHashKey = std::array<uint64_t, 2>;

// From getrandom(2); ends the process when the kernel has none to give.
SipHashKey RandomSipHashKey();

uint64_t SipHash(const SipHashKey& key, std::span<const uint8_t> bytes);

}  // namespace mini

#endif  // MINI_SANDBOX_BASE_SIP_HASH_H_
