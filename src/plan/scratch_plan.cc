// Uppers on disk (-d). The directory that is made for a run in the user's directory is shown to
// overlayfs below the scratch file system while mounts are made, and hidden from the command.
#include "base/paths.h"
#include "base/strings.h"
#include "plan/host_layout.h"
#include "plan/mount_ops.h"
#include "plan/mount_parts.h"
#include "plan/overlay_facts.h"

namespace mini {
namespace {

constexpr const char* kDisk = "disk";

std::string Named(const Policy& policy) {
  return StrCat(policy.names.scratch_directory, " ", EscapeForTerminal(*policy.scratch_directory));
}

Status Refuse(const MountDraft& draft, std::string_view why) {
  return InvalidArgument(Stage::kArguments, StrCat(Named(draft.policy), why));
}

}  // namespace

Status CheckScratchDirectory(const MountDraft& draft) {
  if (!draft.policy.scratch_directory) return OkStatus();
  const PathFact& fact = draft.Fact(*draft.policy.scratch_directory);
  if (fact.kind != PathKind::kDirectory || fact.canonical.empty()) {
    const bool is_missing = fact.kind == PathKind::kMissing;
    return Status(is_missing ? StatusCode::kNotFound : StatusCode::kInvalidArgument, Stage::kPlan,
                  StrCat(Named(draft.policy), ": not a directory that exists"));
  }
  for (const std::string_view kernels : {"/proc", "/sys"}) {
    if (IsSameOrBelow(fact.canonical, kernels)) return Refuse(draft, " is not on a disk");
  }
  return OkStatus();
}

void UseUppers(MountDraft& draft) {
  if (!draft.policy.scratch_directory || !draft.plan.scratch_directory.empty()) return;
  draft.plan.scratch_directory = draft.Fact(*draft.policy.scratch_directory).canonical;
  const int slot = draft.NewSlot();
  draft.upper_slot = slot;
  draft.upper_point = JoinPath(draft.plan.scratch_point, kDisk);
  draft.phases.on_host.push_back({.kind = MountOpKind::kCloneOwnDirectory,
                                  .source = ScratchDirectoryOf(draft.policy, draft.facts),
                                  .slot = slot,
                                  .attributes = kUntrusted});
  std::vector<MountOp>& scratch = draft.phases.scratch;
  scratch.push_back(draft.ScratchDirectory(kDisk, 0700));
  scratch.push_back(Attach(slot, draft.upper_point));
  for (const char* name : {"test", "test/lower", "test/upper", "test/work"}) {
    scratch.push_back(DirectoryIn(slot, name, 0700));
  }
  scratch.push_back({.kind = MountOpKind::kTestOverlay,
                     .source = JoinPath(draft.upper_point, "test/upper"),
                     .target = draft.plan.scratch_directory,
                     .data = JoinPath(draft.upper_point, "test/work"),
                     .slot = slot});
}

// An upper that changes under its overlay, or is read past it, is none of the command's business.
Status HideScratchDirectory(MountDraft& draft) {
  const std::string path = ScratchDirectoryOf(draft.policy, draft.facts);
  if (path.empty()) return OkStatus();
  const WritableReach reach = WritableReachOf(path, draft);
  if (reach.by_another_mount || !reach.root.empty()) {
    return Refuse(draft, " lies where the command may write");
  }
  if (!draft.plan.scratch_directory.empty()) MaskEverywhere(path, draft);
  return OkStatus();
}

}  // namespace mini
