#include "netstack/link/checksum.h"

#include <bit>
#include <cstring>

namespace mini::netstack {

namespace {

// The sum is kept in big-endian words: on a little-endian host it is taken over native words and
// swapped once at the end, which one's complement arithmetic allows (RFC 1071, 2(B)).
uint64_t NativeSum(std::span<const uint8_t> bytes) {
  uint64_t sum = 0;
  while (bytes.size() >= 4) {
    uint32_t word;
    std::memcpy(&word, bytes.data(), sizeof word);
    sum += word;
    bytes = bytes.subspan(4);
  }
  if (bytes.size() >= 2) {
    uint16_t word;
    std::memcpy(&word, bytes.data(), sizeof word);
    sum += word;
    bytes = bytes.subspan(2);
  }
  if (!bytes.empty()) {
    const uint8_t padded[2] = {bytes[0], 0};
    uint16_t word;
    std::memcpy(&word, padded, sizeof word);
    sum += word;
  }
  return sum;
}

}  // namespace

uint16_t ChecksumFold(uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

uint64_t ChecksumAdd(uint64_t sum, std::span<const uint8_t> bytes) {
  uint16_t folded = ChecksumFold(NativeSum(bytes));
  if constexpr (std::endian::native == std::endian::little) {
    folded = static_cast<uint16_t>(folded << 8 | folded >> 8);
  }
  return sum + folded;
}

uint64_t PseudoHeaderSum(const IpAddress& source, const IpAddress& destination, uint8_t protocol,
                         uint32_t length) {
  uint64_t sum = ChecksumAdd(0, source.bytes());
  sum = ChecksumAdd(sum, destination.bytes());
  return sum + protocol + (length >> 16) + (length & 0xffff);
}

}  // namespace mini::netstack
