#include <utility>

#include "base/paths.h"
#include "plan/kernel_filesystems.h"
#include "plan/mount_ops.h"
#include "plan/mount_parts.h"

namespace mini {
namespace {

// A host without /proc or /dev cannot be covered there, and must not be changed: its top-level
// entries go into an empty root that has both.
void PlanSkeletonRoot(int root, MountDraft& draft) {
  MountPhases& phases = draft.phases;
  phases.before_pivot.push_back(NewFilesystem("tmpfs", "mode", "755", root, kUntrusted));
  for (const DirectoryEntry& entry : draft.facts.root_entries) {
    const std::string path = JoinPath("/", entry.name);
    if (entry.kind == DirectoryEntry::Kind::kSymlink) {
      phases.root.push_back(MakeSymlink(path, entry.symlink_target));
      continue;
    }
    const int slot = draft.NewSlot();
    phases.before_pivot.push_back(CloneTree(path, slot, kReadOnly));
    phases.root.push_back(MakePoint(path, entry.kind == DirectoryEntry::Kind::kDirectory));
    phases.root.push_back(Attach(slot, path));
  }
  phases.root.push_back(MakePoint("/proc", true));
  phases.root.push_back(MakePoint("/dev", true));
  phases.last.push_back(
      {.kind = MountOpKind::kSetAttributes, .target = "/", .attributes = MOUNT_ATTR_RDONLY});
}

}  // namespace

void PlanRoot(MountDraft& draft) {
  const int root = draft.NewSlot();
  const bool points_exist = draft.Fact("/proc").kind == PathKind::kDirectory &&
                            draft.Fact("/dev").kind == PathKind::kDirectory;
  if (points_exist) {
    draft.phases.before_pivot.push_back(CloneTree("/", root, kReadOnly));
  } else {
    PlanSkeletonRoot(root, draft);
  }
  draft.phases.pivot.push_back({.kind = MountOpKind::kPivotRoot, .slot = root});
}

void PlanKernelFilesystems(MountDraft& draft) {
  MountPhases& phases = draft.phases;
  KernelFilesystems kernel = MakeKernelFilesystems(draft.facts.uid, draft.plan.slot_count);
  phases.before_pivot.insert(phases.before_pivot.end(), kernel.before_pivot.begin(),
                             kernel.before_pivot.end());
  phases.kernel = std::move(kernel.inside);
  phases.sealed = std::move(kernel.sealed);
  draft.MakeScratch();
  draft.AddPrivate("/dev/shm", 01777);
}

}  // namespace mini
