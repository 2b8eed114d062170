// Symlinks where commands may write, which an earlier one may have left for this run to follow.
#ifndef MINI_SANDBOX_PLAN_PLANTED_LINKS_H_
#define MINI_SANDBOX_PLAN_PLANTED_LINKS_H_

#include "base/status.h"
#include "plan/host_facts.h"
#include "policy/policy.h"

namespace mini {

// An error when the way to a path that the user named leads through the working directory or a path
// of -w, and out of them by a symlink: `-w build` means a directory of the project, and not what a
// command has put in its place. Whoever means it names the true path.
//
// The files of -D and --log are opened before there are facts, and written to by this program
// itself: the same places, but no symlink at all is followed there (supervise/log_file.h).
Status CheckPlantedLinks(const Policy& policy, const HostFacts& facts);

}  // namespace mini

#endif  // MINI_SANDBOX_PLAN_PLANTED_LINKS_H_
