// What of the host has to be known before directories are overlaid. Pure.
#ifndef MINI_SANDBOX_PLAN_OVERLAY_FACTS_H_
#define MINI_SANDBOX_PLAN_OVERLAY_FACTS_H_

#include <string>
#include <string_view>
#include <vector>

#include "plan/host_facts.h"
#include "policy/policy.h"

namespace mini {

// Where a run keeps the changes of its overlays on disk; empty: it does not.
std::string ScratchDirectoryOf(const Policy& policy, const HostFacts& facts);

// What no overlay's lower may hold: mount points (the kernel answers EINVAL), and the uppers
// (ELOOP). Those strictly below that directory, sorted: a host may have thousands elsewhere.
std::vector<std::string> OverlayObstacles(std::string_view directory, const Policy& policy,
                                          const HostFacts& facts);

// Whether one of them lies strictly below.
bool HasObstacleBelow(std::string_view directory, const std::vector<std::string>& obstacles);

}  // namespace mini

#endif  // MINI_SANDBOX_PLAN_OVERLAY_FACTS_H_
