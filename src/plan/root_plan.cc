#include <sys/mount.h>

#include <algorithm>
#include <utility>

#include "base/paths.h"
#include "base/strings.h"
#include "plan/kernel_filesystems.h"
#include "plan/mount_ops.h"
#include "plan/mount_parts.h"

namespace mini {
namespace {

// A file system of our own, with the two mount points that everything else needs. In the end it is
// read-only.
void PlanSkeleton(MountDraft& draft) {
  MountPhases& phases = draft.phases;
  const int root = draft.NewSlot();
  phases.on_host.push_back(NewFilesystem("tmpfs", "mode", "755", root, kUntrusted));
  phases.root_change.push_back({.kind = MountOpKind::kPivotRoot, .slot = root});
  phases.root.push_back(MakePoint("/proc", true));
  phases.root.push_back(MakePoint("/dev", true));
  phases.last.push_back(
      {.kind = MountOpKind::kSetAttributes, .target = "/", .attributes = MOUNT_ATTR_RDONLY});
}

// A host without /proc or /dev cannot be covered there, and must not be changed: its top-level
// entries go into an empty root that has both.
void PlanCopiedRoot(MountDraft& draft) {
  PlanSkeleton(draft);
  MountPhases& phases = draft.phases;
  for (const DirectoryEntry& entry : draft.facts.root_entries) {
    const std::string path = JoinPath("/", entry.name);
    if (entry.kind == DirectoryEntry::Kind::kSymlink) {
      phases.root.push_back(MakeSymlink(path, entry.symlink_target));
      continue;
    }
    const int slot = draft.NewSlot();
    phases.on_host.push_back(CloneTree(path, slot, kReadOnly));
    phases.root.push_back(MakePoint(path, entry.kind == DirectoryEntry::Kind::kDirectory));
    phases.root.push_back(Attach(slot, path));
  }
}

// The kernel lets a user namespace mount a /proc of its own only where a complete one is mounted
// already (mount_too_revealing() in fs/namespace.c), and ours has covers. So a complete one lies
// where nobody reaches it: in the scratch file system, which /dev covers. To the host's root, under
// whatever number it shows, /proc/sys of a /proc that it can write would be open: then the complete
// one is read-only, and so, by the same rule, is every other that is mounted inside.
void PlanProcForNesting(MountDraft& draft) {
  const int proc = draft.NewSlot();
  uint64_t attributes = kUntrusted | MOUNT_ATTR_NOEXEC;
  if (draft.facts.uid == 0) attributes |= MOUNT_ATTR_RDONLY;
  draft.phases.on_host.push_back(NewFilesystem("proc", "", "", proc, attributes));
  const MountOp place = draft.ScratchDirectory("proc", 0555);
  draft.phases.scratch.push_back(place);
  draft.phases.scratch.push_back({.kind = MountOpKind::kAttachIn,
                                  .source = place.source,
                                  .slot = proc,
                                  .lower_slot = place.slot});
}

// Whether something shows at `path`, or has to for what shows below it.
bool Shows(std::string_view path, const MountDraft& draft) {
  return std::any_of(draft.covers().begin(), draft.covers().end(), [&](const Cover& cover) {
    return IsSameOrBelow(path, cover.target) || IsBelow(cover.target, path);
  });
}

}  // namespace

void PlanHostRoot(MountDraft& draft) {
  const bool points_exist = draft.Fact("/proc").kind == PathKind::kDirectory &&
                            draft.Fact("/dev").kind == PathKind::kDirectory;
  if (!points_exist) return PlanCopiedRoot(draft);
  // The mount namespace is a copy of the host's, of this sandbox alone: it is closed as it is. (A
  // caller in a chroot, whose "/" is not the namespace's, gets no user namespace: clone(2), EPERM.)
  draft.phases.root_change.push_back(
      {.kind = MountOpKind::kSetTreeAttributes, .target = "/", .attributes = kReadOnly});
}

Status PlanEmptyRoot(MountDraft& draft) {
  const std::string& named = *draft.policy.root_directory;
  const SettingNames& names = draft.policy.names;
  const std::string setting =
      StrCat(draft.policy.mode == Mode::kCustom ? names.custom_mode : names.hermetic_mode, " ",
             EscapeForTerminal(named));
  if (draft.Fact(named).kind != PathKind::kDirectory) {
    return Status(StatusCode::kNotFound, Stage::kPlan,
                  StrCat(setting, ": not a directory that exists"))
        .WithHint("the root of the sandbox starts empty: any directory will do, mkdir one");
  }
  if (!draft.facts.listed_directory_is_empty) {
    draft.Notice(StrCat(setting,
                        ": the directory is not empty; nothing of it shows inside, and nothing is "
                        "written to it"));
  }
  draft.root_is_empty = true;
  PlanSkeleton(draft);
  return OkStatus();
}

void PlanTopLevelLinks(MountDraft& draft) {
  std::vector<std::string> made;
  const auto leads_somewhere = [&](const std::string& target) {
    return Shows(target, draft) || std::any_of(made.begin(), made.end(), [&](const auto& link) {
             return IsSameOrBelow(target, link);
           });
  };
  // A link may lead to another, and that one come later.
  for (size_t known = 0, pass = 0; pass == 0 || known != made.size(); ++pass) {
    known = made.size();
    for (const DirectoryEntry& entry : draft.facts.root_entries) {
      const std::string link = JoinPath("/", entry.name);
      if (entry.kind != DirectoryEntry::Kind::kSymlink ||
          std::find(made.begin(), made.end(), link) != made.end() || Shows(link, draft) ||
          !leads_somewhere(NormalizePath(JoinPath("/", entry.symlink_target)))) {
        continue;
      }
      draft.AddLink(link, entry.symlink_target);
      made.push_back(link);
    }
  }
}

void PlanKernelFilesystems(MountDraft& draft) {
  MountPhases& phases = draft.phases;
  const bool nesting = draft.policy.nesting == Nesting::kAllowed;
  const bool has_tun = draft.Fact(kTunDevice).kind == PathKind::kOther;
  KernelFilesystems kernel = MakeKernelFilesystems(
      draft.facts.uid, nesting && has_tun ? TunDevice::kShown : TunDevice::kHidden,
      draft.plan.slot_count);
  phases.on_host.insert(phases.on_host.end(), kernel.on_host.begin(), kernel.on_host.end());
  phases.kernel = std::move(kernel.inside);
  phases.sealed = std::move(kernel.sealed);
  draft.dev_slot = kernel.dev_slot;
  draft.MakeScratch();
  if (nesting) PlanProcForNesting(draft);
  draft.AddPrivate("/dev/shm", 01777);
}

}  // namespace mini
