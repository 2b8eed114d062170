// Theory of operation
//
// Everything that shows inside beside the root itself is a cover: private (a fresh directory), an
// overlay, a mask over a secret, or a bind. Covers are collected in any order and sorted by path,
// so that parents come before children, and by kind on the same path. Where a cover lies in one
// that is ours and vanishes, its mount point is made first; anywhere else it has to exist.
#include "plan/mount_draft.h"

#include <algorithm>

#include "base/paths.h"
#include "base/strings.h"
#include "plan/host_layout.h"
#include "plan/mount_ops.h"

namespace mini {
namespace {

// Covered by the /dev of the sandbox in the end, and present on every host.
constexpr const char* kScratchPoint = "/dev";

constexpr uint64_t kBytesPerInode = 4096;
constexpr uint64_t kFreeInodes = 1024;  // what the sandbox itself makes, and a little more

// Steps that make the place of what they show, or need none.
bool MakesItsPlace(const MountOp& op) {
  return op.kind == MountOpKind::kMask || op.kind == MountOpKind::kShowFile ||
         op.kind == MountOpKind::kMakeSymlink;
}

}  // namespace

const PathFact& MountDraft::Fact(std::string_view path) const {
  static const PathFact missing;
  const auto found = facts.paths.find(path);
  return found == facts.paths.end() ? missing : found->second;
}

std::string MountDraft::NewScratchName(const std::string& kind) {
  return StrCat(kind, "-", scratch_names_[kind]++);
}

MountOp MountDraft::ScratchDirectory(std::string name, mode_t mode) const {
  return DirectoryIn(scratch_slot_, std::move(name), mode);
}

MountOp MountDraft::ScratchFile(std::string name, std::string text, mode_t mode) const {
  return FileIn(scratch_slot_, std::move(name), std::move(text), mode);
}

void MountDraft::MakeScratch() {
  scratch_slot_ = NewSlot();
  std::string options = "755";
  if (policy.scratch_size) {
    // Empty files and directories take kernel memory that the size does not count.
    const uint64_t inodes = *policy.scratch_size / kBytesPerInode + kFreeInodes;
    options += StrCat(",size=", *policy.scratch_size, ",nr_inodes=", inodes);
  }
  phases.before_pivot.push_back(NewFilesystem("tmpfs", "mode", options, scratch_slot_, kUntrusted));
  plan.scratch_size = policy.scratch_size;
  plan.scratch_point = upper_point = kScratchPoint;
  upper_slot = scratch_slot_;
  phases.scratch.push_back(
      {.kind = MountOpKind::kScratch, .target = plan.scratch_point, .slot = scratch_slot_});
}

std::string MountDraft::AddPrivate(const std::string& target, mode_t mode) {
  const std::string name = NewScratchName("private");
  const int slot = NewSlot();
  phases.scratch.push_back(ScratchDirectory(name, mode));
  covers_.push_back({target,
                     CoverKind::kPrivate,
                     true,
                     true,
                     {{.kind = MountOpKind::kCloneScratch,
                       .source = name,
                       .slot = slot,
                       .attributes = kUntrusted},
                      Attach(slot, target)}});
  return name;
}

void MountDraft::AddMask(const std::string& target, const std::string& directory) {
  if (!has_masks_) {
    phases.scratch.push_back(ScratchDirectory(kEmptyDirectory, 0555));
    phases.scratch.push_back(ScratchFile(kEmptyFile, "", 0444));
    has_masks_ = true;
  }
  covers_.push_back({target,
                     CoverKind::kMask,
                     true,
                     false,
                     {{.kind = MountOpKind::kMask,
                       .source = directory,
                       .target = target,
                       .data = kEmptyFile,
                       .attributes = directory == kEmptyDirectory ? kReadOnly : kUntrusted}}});
}

void MountDraft::AddPrivateMask(const std::string& target) {
  const std::string name = NewScratchName("private");
  phases.scratch.push_back(ScratchDirectory(name, 0700));
  AddMask(target, name);
  covers_.back().kind = CoverKind::kPrivate;
  covers_.back().is_writable = true;
}

void MountDraft::AddFile(const std::string& target, std::string text) {
  const std::string name = NewScratchName("file");
  const int slot = NewSlot();
  phases.scratch.push_back(ScratchFile(name, std::move(text), 0444));
  covers_.push_back(
      {target,
       CoverKind::kMask,
       false,
       false,
       {{.kind = MountOpKind::kCloneScratch, .source = name, .slot = slot, .attributes = kReadOnly},
        Attach(slot, target)}});
}

void MountDraft::AddBind(const std::string& source, const std::string& target, bool is_directory,
                         uint64_t attributes) {
  const int slot = NewSlot();
  phases.before_pivot.push_back(CloneTree(source, slot, attributes));
  const bool is_writable = (attributes & MOUNT_ATTR_RDONLY) == 0;
  covers_.push_back({target, CoverKind::kBind, is_directory, is_writable, {Attach(slot, target)}});
  if (IsDevice(target)) phases.device_points.push_back(MakePoint(target, is_directory));
}

void MountDraft::AddOverlayCover(const std::string& target, int slot) {
  covers_.push_back({target, CoverKind::kOverlay, true, true, {Attach(slot, target)}});
}

void MountDraft::AddLink(std::string link, std::string target) {
  links_.emplace_back(std::move(link), std::move(target));
}

const Cover* MountDraft::CoverAbove(std::string_view path) const {
  const Cover* above = nullptr;
  for (const Cover& cover : covers_) {
    if (!IsBelow(path, cover.target)) continue;
    if (!above || cover.target.size() >= above->target.size()) above = &cover;
  }
  return above;
}

void MountDraft::EmitCovers() {
  std::stable_sort(covers_.begin(), covers_.end(), [](const Cover& a, const Cover& b) {
    return a.target != b.target ? a.target < b.target : a.kind < b.kind;
  });
  std::vector<MountOp>& steps = phases.covers;
  for (const Cover& cover : covers_) {
    const Cover* above = CoverAbove(cover.target);
    if (!MakesItsPlace(cover.ops.front()) && above && above->may_make_points()) {
      steps.push_back(MakePoint(cover.target, cover.is_directory));
    }
    steps.insert(steps.end(), cover.ops.begin(), cover.ops.end());
  }
  for (const auto& [link, target] : links_) {
    const Cover* above = CoverAbove(link);
    if (above && above->may_make_points()) steps.push_back(MakeSymlink(link, target));
  }
}

// After sorting: a root comes before what lies below it.
void MountDraft::ListWritableRoots() {
  std::vector<std::string>& roots = plan.writable_roots;
  roots = {"/dev", "/proc"};
  for (const Cover& cover : covers_) {
    const bool known = std::any_of(roots.begin(), roots.end(), [&](const std::string& root) {
      return IsSameOrBelow(cover.target, root);
    });
    if (cover.is_writable && !known) roots.push_back(cover.target);
  }
}

void MountDraft::FindScratchView() {
  for (const Cover& cover : covers_) {
    const bool is_on_top = std::none_of(covers_.begin(), covers_.end(), [&](const Cover& other) {
      return other.target == cover.target && other.kind > cover.kind;
    });
    if (is_on_top && cover.is_directory && cover.ops.front().kind == MountOpKind::kCloneScratch) {
      plan.scratch_view = cover.target;
      return;
    }
  }
}

void MountDraft::Emit() {
  EmitCovers();
  ListWritableRoots();
  FindScratchView();
  for (const auto* phase :
       {&phases.before_pivot, &phases.pivot, &phases.root, &phases.lowers, &phases.scratch,
        &phases.kernel, &phases.device_points, &phases.sealed, &phases.covers, &phases.last}) {
    plan.mounts.insert(plan.mounts.end(), phase->begin(), phase->end());
  }
}

}  // namespace mini
