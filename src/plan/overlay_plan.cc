#include "base/strings.h"
#include "plan/host_layout.h"
#include "plan/mount_ops.h"
#include "plan/mount_parts.h"

namespace mini {

// An overlay on `path` whose changes vanish; `path` must be free of mounts.
void AddOverlay(const std::string& path, MountDraft& draft) {
  const std::string name = draft.NewScratchName("overlay");
  const int lower = draft.NewSlot();
  const int slot = draft.NewSlot();
  MountPhases& phases = draft.phases;
  phases.lowers.push_back({.kind = MountOpKind::kOpenLower, .source = path, .slot = lower});
  phases.scratch.push_back(draft.ScratchDirectory(name, 0755));
  phases.scratch.push_back(draft.ScratchDirectory(name + "/upper", 0755));
  phases.scratch.push_back(draft.ScratchDirectory(name + "/work", 0755));
  phases.scratch.push_back({.kind = MountOpKind::kOverlay,
                            .source = StrCat(draft.plan.scratch_point, "/", name, "/upper"),
                            .target = path,
                            .data = StrCat(draft.plan.scratch_point, "/", name, "/work"),
                            .slot = slot,
                            .lower_slot = lower,
                            .attributes = kUntrusted});
  draft.AddOverlayCover(path, slot);
}

void PlanSystemOverlays(MountDraft& draft) {
  for (const std::string& path : draft.facts.writable_system_directories) {
    // The kernel refuses a lower with mounts in it (EINVAL); such a directory stays read-only.
    if (!HasMountBelow(path, draft.facts.mounts)) AddOverlay(path, draft);
  }
}

}  // namespace mini
