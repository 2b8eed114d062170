// Theory of operation
//
// A run's file system is made in five phases, and the draft keeps a list of steps for each:
//   on the host      detached copies of host trees and new file systems, while all is as it was
//   change of root   the whole tree becomes read-only; or an empty root takes its place, and the
//                    host's tree is gone
//   lowers           descriptors of directories that will be overlaid, before anything covers them
//   scratch          one tmpfs, attached where /dev will cover it, holds every private directory
//                    and every overlay's upper; overlays are created on it
//   covers           things put on paths of the root, parents before children
#include "plan/mount_plan.h"

#include "plan/mount_draft.h"
#include "plan/mount_parts.h"

namespace mini {
namespace {

// -x and read-only mode: the host's tree, with things put on it.
Status PlanInHostTree(MountDraft& draft) {
  const PrivatePaths private_paths = FindPrivateDirectories(draft);
  const bool is_default = draft.policy.mode == Mode::kDefault;
  MINI_RETURN_IF_ERROR(FindWorkingDirectory(draft));
  PlanHostRoot(draft);
  PlanKernelFilesystems(draft);
  PlanPrivateDirectories(private_paths, draft);
  if (is_default) PlanPrivateHomes(private_paths, draft);
  if (is_default) PlanSystemOverlays(draft);
  MINI_RETURN_IF_ERROR(PlanWorkingDirectory(private_paths, draft));
  if (is_default) PlanParents(draft);
  MINI_RETURN_IF_ERROR(PlanBinds(draft));
  MINI_RETURN_IF_ERROR(PlanEmptyDirectories(draft));
  PlanSecrets(draft);
  return OkStatus();
}

// -o and -h: an empty root, with what is named put into it.
Status PlanInEmptyRoot(MountDraft& draft) {
  MINI_RETURN_IF_ERROR(PlanEmptyRoot(draft));
  PlanKernelFilesystems(draft);
  MINI_RETURN_IF_ERROR(PlanNamedOverlays(draft));
  MINI_RETURN_IF_ERROR(PlanBinds(draft));
  MINI_RETURN_IF_ERROR(PlanEmptyDirectories(draft));
  const PrivatePaths private_paths = FindPrivateDirectories(draft);
  PlanPrivateDirectories(private_paths, draft);
  PlanHomesNotNamed(draft);
  PlanSecrets(draft);
  MINI_RETURN_IF_ERROR(PlanStart(draft));
  PlanTopLevelLinks(draft);
  return OkStatus();
}

}  // namespace

Status PlanMounts(const Policy& policy, const HostFacts& facts, Plan& plan) {
  MountDraft draft(policy, facts, plan);
  MINI_RETURN_IF_ERROR(CheckScratchDirectory(draft));
  MINI_RETURN_IF_ERROR(HasEmptyRoot(policy) ? PlanInEmptyRoot(draft) : PlanInHostTree(draft));
  if (policy.network == Network::kStack) PlanNameFiles(draft);
  if (policy.network == Network::kHost) PlanHiddenNameFiles(draft);
  PlanForeignProc(draft);
  PlanSockets(draft);
  MINI_RETURN_IF_ERROR(HideScratchDirectory(draft));
  MINI_RETURN_IF_ERROR(HideVerdictLog(draft));
  draft.Emit();
  return OkStatus();
}

}  // namespace mini
