#include "sys/seccomp_generator/search_tree.h"

#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace mini::seccomp {
namespace {

struct Interval {
  uint32_t first;  // up to the next interval's first
  size_t weight;   // how many calls exist in it, at least 1; more where it runs often
  Code code;
};

// The whole range of 32 bits, cut where the treatment changes.
std::vector<Interval> Intervals(const CallTable& table) {
  constexpr uint32_t kCallsInUse = 480;  // a weight only: no architecture of ours has many more
  std::vector<Interval> intervals;
  const auto append = [&](uint32_t first, const Code& code) {
    if (intervals.empty() || !IsSameCode(intervals.back().code, code)) {
      intervals.push_back({first, 1, code});
    }
  };
  uint32_t next = 0;
  for (const auto& [number, code] : table.calls()) {
    if (number > next) append(next, table.otherwise());
    append(number, code);
    next = number + 1;
  }
  append(next, table.otherwise());
  // x32 calls carry this bit. A kernel without x32 answers ENOSYS, and so do we. The same goes for
  // call -1, which some programs make to see what happens.
  constexpr uint32_t kX32 = 0x40000000;
  if (table.arch() == SCMP_ARCH_X86_64 && IsSameCode(table.otherwise(), {Allow()})) {
    append(kX32, {ReturnErrno(ENOSYS)});
  }

  // What is decided by arguments is not in the kernel's cache: the program runs at every such call.
  constexpr size_t kUncached = 8;
  for (size_t i = 0; i < intervals.size(); ++i) {
    const uint32_t end = i + 1 < intervals.size() ? intervals[i + 1].first : kCallsInUse;
    const uint32_t last = std::min(end, kCallsInUse);
    if (last > intervals[i].first) intervals[i].weight = last - intervals[i].first;
    if (intervals[i].code.size() > 1) intervals[i].weight *= kUncached;
  }
  return intervals;
}

// A program written from its end to its start, since jumps only lead forwards. A place is a
// distance from the end.
class Layout {
 public:
  // `code`, which ends by returning; where it is there already and near enough, that one.
  size_t Block(const Code& code) {
    for (size_t place = code.size(); place <= reversed_.size(); ++place) {
      const auto end = reversed_.begin() + static_cast<ptrdiff_t>(place - code.size());
      const bool same = std::equal(code.rbegin(), code.rend(), end, IsSame);
      if (same && reversed_.size() - place < kReach) return place;
    }
    reversed_.insert(reversed_.end(), code.rbegin(), code.rend());
    return reversed_.size();
  }

  // To `right` when the accumulator is at least `number`, else to `left`.
  size_t Branch(uint32_t number, size_t right, size_t left) {
    // Each is one jump away, or, where a conditional one does not reach it, two.
    right = Near(right);
    left = Near(left);
    right = Near(right);
    reversed_.push_back(Jump(BPF_JGE, number, reversed_.size() - right, reversed_.size() - left));
    return reversed_.size();
  }

  Code Take() { return Code(reversed_.rbegin(), reversed_.rend()); }

 private:
  static constexpr size_t kReach = UINT8_MAX - 1;

  size_t Near(size_t place) {
    const size_t distance = reversed_.size() - place;
    if (distance <= UINT8_MAX - 1) return place;
    reversed_.push_back(Statement(BPF_JMP | BPF_JA, static_cast<uint32_t>(distance)));
    return reversed_.size();
  }

  Code reversed_;
};

// The optimal alphabetic tree over all intervals by dynamic programming: split(i, j) is the first
// interval of the right half of the best tree over i..j.
class SearchTree {
 public:
  explicit SearchTree(std::vector<Interval> intervals)
      : intervals_(std::move(intervals)),
        cost_(intervals_.size(), std::vector<size_t>(intervals_.size(), 0)),
        split_(cost_) {
    for (size_t length = 2; length <= intervals_.size(); ++length) {
      for (size_t i = 0; i + length <= intervals_.size(); ++i) Solve(i, i + length - 1);
    }
  }

  Code Emit() const {
    Layout layout;
    Emit(0, intervals_.size() - 1, layout);
    return layout.Take();
  }

 private:
  void Solve(size_t i, size_t j) {
    size_t weight = 0;
    for (size_t k = i; k <= j; ++k) weight += intervals_[k].weight;
    cost_[i][j] = SIZE_MAX;
    for (size_t k = i + 1; k <= j; ++k) {
      const size_t cost = cost_[i][k - 1] + cost_[k][j] + weight;
      if (cost < cost_[i][j]) {
        cost_[i][j] = cost;
        split_[i][j] = k;
      }
    }
  }

  // Yields where the subtree begins.
  size_t Emit(size_t i, size_t j, Layout& layout) const {
    if (i == j) return layout.Block(intervals_[i].code);
    const size_t k = split_[i][j];
    const size_t right = Emit(k, j, layout);
    const size_t left = Emit(i, k - 1, layout);
    return layout.Branch(intervals_[k].first, right, left);
  }

  std::vector<Interval> intervals_;
  std::vector<std::vector<size_t>> cost_;
  std::vector<std::vector<size_t>> split_;
};

}  // namespace

Code SearchTreeOf(const CallTable& table) { return SearchTree(Intervals(table)).Emit(); }

}  // namespace mini::seccomp
