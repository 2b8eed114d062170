// Plan -> FrozenPlan: every string and array that the child needs, in one arena.
#ifndef MINI_SANDBOX_PLAN_FREEZE_H_
#define MINI_SANDBOX_PLAN_FREEZE_H_

#include <linux/filter.h>

#include <memory>
#include <span>

#include "plan/frozen_plan.h"
#include "plan/plan.h"

namespace mini {

class FrozenPlanOwner {
 public:
  FrozenPlanOwner(FrozenPlanOwner&&) noexcept;
  FrozenPlanOwner& operator=(FrozenPlanOwner&&) noexcept;
  ~FrozenPlanOwner();

  const FrozenPlan& get() const;

 private:
  friend FrozenPlanOwner Freeze(const Plan&, std::span<const sock_filter>, const sigset_t&);
  struct Arena;
  explicit FrozenPlanOwner(std::unique_ptr<Arena> arena);
  std::unique_ptr<Arena> arena_;
};

// `filter` must outlive the result; `command_signal_mask` is what the command starts with.
FrozenPlanOwner Freeze(const Plan& plan, std::span<const sock_filter> filter,
                       const sigset_t& command_signal_mask);

}  // namespace mini

#endif  // MINI_SANDBOX_PLAN_FREEZE_H_
