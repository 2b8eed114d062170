// The input of a fuzz target, read as a script.
#ifndef MINI_SANDBOX_TESTS_FUZZ_SCRIPT_H_
#define MINI_SANDBOX_TESTS_FUZZ_SCRIPT_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

namespace mini::netstack {

using Bytes = std::vector<uint8_t>;

// What has to hold.
inline void Require(bool condition) {
  if (!condition) std::abort();
}

// Reads zeros behind the end.
class Script {
 public:
  explicit Script(std::span<const uint8_t> bytes) : left_(bytes) {}
  bool empty() const { return left_.empty(); }
  uint8_t U8() {
    if (left_.empty()) return 0;
    const uint8_t value = left_.front();
    left_ = left_.subspan(1);
    return value;
  }
  uint16_t U16() {
    const uint16_t high = U8();
    return static_cast<uint16_t>(high << 8 | U8());
  }
  Bytes Take(size_t size) {
    const auto taken = left_.first(std::min(size, left_.size()));
    left_ = left_.subspan(taken.size());
    return {taken.begin(), taken.end()};
  }
  // Small numbers, and the few large ones at which sequence arithmetic changes its mind.
  uint32_t Offset() {
    constexpr std::array<uint32_t, 8> kLarge = {1,          0xffffffff, 0x7fffffff, 0x80000000,
                                                0x00200000, 65536,      1460,       0xfffff000};
    const uint8_t value = U8();
    if (value < 128) return 0;
    return value < 136 ? kLarge[value - 128] : static_cast<uint32_t>(value - 192);
  }

 private:
  std::span<const uint8_t> left_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_TESTS_FUZZ_SCRIPT_H_
