// The plan of a run where namespaces are refused (--allow-degraded): what landlock(7) lets the
// command open. Landlock only allows, so what is hidden is left out, and its siblings are listed.
#ifndef MINI_SANDBOX_PLAN_DEGRADED_PLAN_H_
#define MINI_SANDBOX_PLAN_DEGRADED_PLAN_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "plan/plan.h"

namespace mini {

// The first version of landlock that keeps files from being truncated.
inline constexpr int kOldestLandlockForDegraded = 3;
// The first that keeps signals inside; before, the command may send none at all.
inline constexpr int kLandlockWithSignalScope = 6;

// The directories whose entries the plan needs (DegradedFacts::listings): those above what is
// hidden.
std::vector<std::string> DirectoriesAboveHidden(const HostFacts& facts);

// Fills degraded, writable_roots, working_directory and notices of `plan`; facts.degraded is set.
// An error where something was asked for that only namespaces give.
Status PlanDegraded(const Policy& policy, const HostFacts& facts, Plan& plan);

}  // namespace mini

#endif  // MINI_SANDBOX_PLAN_DEGRADED_PLAN_H_
