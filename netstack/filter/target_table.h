// A hash table from the targets of rules to their groups. Internal to filter/.
#ifndef MINI_SANDBOX_NETSTACK_FILTER_TARGET_TABLE_H_
#define MINI_SANDBOX_NETSTACK_FILTER_TARGET_TABLE_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace mini::netstack {

// Theory of operation. A list of ten thousand targets is read at every start, so it costs one
// allocation here instead of one for each: the table holds numbers of groups, and whoever has the
// groups says whether one is meant. Open addressing, linear probing, half of the slots stay empty.
// Nothing is ever removed.
class TargetTable {
 public:
  bool empty() const { return count_ == 0; }

  // The group of that hash for which `is_meant(group)` holds.
  template <typename IsMeant>
  std::optional<uint32_t> Find(size_t hash, IsMeant is_meant) const {
    if (count_ == 0) return std::nullopt;
    const uint32_t folded = Fold(hash);
    for (size_t i = Home(folded); slots_[i].group != kNone; i = Next(i)) {
      if (slots_[i].hash == folded && is_meant(slots_[i].group)) return slots_[i].group;
    }
    return std::nullopt;
  }

  // A target that is not there yet.
  void Add(size_t hash, uint32_t group) {
    if ((count_ + 1) * 2 > slots_.size()) Reserve(count_ + 1);
    ++count_;
    Put({Fold(hash), group});
  }

  // Makes room for `count` targets.
  void Reserve(size_t count) {
    constexpr size_t kSmallest = 16;
    const size_t size = std::bit_ceil(std::max(count * 2, kSmallest));
    if (size <= slots_.size()) return;
    std::vector<Slot> before(size);
    before.swap(slots_);
    for (const Slot& slot : before) {
      if (slot.group != kNone) Put(slot);
    }
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Slot {
    uint32_t hash = 0;
    uint32_t group = kNone;
  };

  static uint32_t Fold(size_t hash) {
    const uint64_t wide = hash;
    return static_cast<uint32_t>(wide ^ wide >> 32);
  }
  size_t Home(uint32_t hash) const { return hash & (slots_.size() - 1); }
  size_t Next(size_t i) const { return (i + 1) & (slots_.size() - 1); }
  void Put(const Slot& slot) {
    size_t i = Home(slot.hash);
    while (slots_[i].group != kNone) i = Next(i);
    slots_[i] = slot;
  }

  std::vector<Slot> slots_;  // a power of two of them, or none
  size_t count_ = 0;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FILTER_TARGET_TABLE_H_
