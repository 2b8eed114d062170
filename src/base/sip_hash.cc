#include "base/sip_hash.h"

#include <sys/random.h>

#include <bit>
#include <cerrno>
#include <cstdlib>

namespace mini {

namespace {

struct SipState {
  uint64_t v0, v1, v2, v3;

  void Round() {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }
  void Absorb(uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }
};

uint64_t LittleEndian(std::span<const uint8_t> bytes) {
  uint64_t word = 0;
  for (size_t i = 0; i < bytes.size(); ++i) word |= uint64_t{bytes[i]} << (8 * i);
  return word;
}

}  // namespace

SipHashKey RandomSipHashKey() {
  SipHashKey key;
  ssize_t got;
  do {
    got = getrandom(key.data(), sizeof key, 0);
  } while (got < 0 && errno == EINTR);
  // Sixteen bytes are never cut short (getrandom(2)); a kernel without getrandom is not supported.
  if (got != ssize_t{sizeof key}) std::abort();
  return key;
}

uint64_t SipHash(const SipHashKey& key, std::span<const uint8_t> bytes) {
  SipState state{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                 key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
  const uint64_t length = bytes.size();
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) state.Absorb(LittleEndian(bytes.first(8)));
  state.Absorb(length << 56 | LittleEndian(bytes));
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) state.Round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace mini
