// Theory of operation
//
// A run's file system is made in five phases, and the draft keeps a list of steps for each:
//   before the pivot  detached copies of host trees and new file systems, while host paths resolve
//   the pivot         the new root becomes "/"; the host's tree is gone
//   lowers            descriptors of directories that will be overlaid, before anything covers them
//   scratch           one tmpfs, attached where /dev will cover it, holds every private directory
//                     and every overlay's upper; overlays are created on it
//   covers            things put on paths of the new root, parents before children
#include "plan/mount_plan.h"

#include "plan/mount_draft.h"
#include "plan/mount_parts.h"

namespace mini {

Status PlanMounts(const Policy& policy, const HostFacts& facts, Plan& plan) {
  MountDraft draft(policy, facts, plan);
  const PrivatePaths private_paths = FindPrivateDirectories(draft);
  MINI_RETURN_IF_ERROR(FindWorkingDirectory(draft));
  PlanRoot(draft);
  PlanKernelFilesystems(draft);
  MINI_RETURN_IF_ERROR(CheckScratchDirectory(draft));
  PlanPrivateDirectories(private_paths, draft);
  PlanHomes(private_paths, draft);
  PlanSystemOverlays(draft);
  MINI_RETURN_IF_ERROR(PlanWorkingDirectory(private_paths, draft));
  PlanParents(draft);
  MINI_RETURN_IF_ERROR(PlanBinds(draft));
  MINI_RETURN_IF_ERROR(HideScratchDirectory(draft));
  if (policy.network == Network::kStack) PlanNameFiles(draft);
  PlanSockets(draft);
  draft.Emit();
  return OkStatus();
}

}  // namespace mini
