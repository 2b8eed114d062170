// Symlinks in the working directory, which an earlier command may have left for this run to follow.
#ifndef MINI_SANDBOX_PLAN_PLANTED_LINKS_H_
#define MINI_SANDBOX_PLAN_PLANTED_LINKS_H_

#include "base/status.h"
#include "plan/host_facts.h"
#include "policy/policy.h"

namespace mini {

// An error when a path that the user named lies below the working directory by its name, and in
// truth somewhere else: `-w build` means a directory of the project, and not what a command has
// put in its place. Whoever means it names the true path.
Status CheckPlantedLinks(const Policy& policy, const HostFacts& facts);

}  // namespace mini

#endif  // MINI_SANDBOX_PLAN_PLANTED_LINKS_H_
