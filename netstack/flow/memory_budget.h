// How much the sandbox can make the stack hold in buffers.
//
// Theory of operation. Every buffer that outlives a batch is charged. A flow may hold half of what
// is free (the dynamic threshold of shared-memory switches, Choudhury and Hahne 1998): while
// few flows hold data, each may hold much; when many do, each gets little, but a newcomer always
// gets something, so that a few flows that nobody reads cannot starve the others.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_MEMORY_BUDGET_H_
#define MINI_SANDBOX_NETSTACK_FLOW_MEMORY_BUDGET_H_

#include <algorithm>
#include <cstddef>

namespace mini::netstack {

class MemoryBudget {
 public:
  static constexpr size_t kMinPerFlow = 4096;
  static constexpr size_t kMaxPerFlow = size_t{2} << 20;

  explicit MemoryBudget(size_t limit) : limit_(limit) {}

  void Charge(size_t bytes) {
    used_ += bytes;
    peak_ = std::max(peak_, used_);
  }
  void Release(size_t bytes) { used_ -= std::min(bytes, used_); }
  size_t used() const { return used_; }
  // How much of the most that was used since ForgetPeak() is not any more.
  size_t Decline() const { return peak_ - used_; }
  void ForgetPeak() { peak_ = used_; }
  bool exhausted() const { return used_ >= limit_; }
  size_t left() const { return exhausted() ? 0 : limit_ - used_; }
  // What one flow may hold now, in one direction.
  size_t FlowLimit() const { return std::clamp(left() / 2, kMinPerFlow, kMaxPerFlow); }

 private:
  size_t limit_;
  size_t used_ = 0;
  size_t peak_ = 0;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_MEMORY_BUDGET_H_
