// Theory of operation
//
// The kernel refuses a lower directory with a mount in it that was there before the sandbox
// (EINVAL: the mount may hide what lies below its point). Such a directory is split, and only along
// the way to the mount: a fresh directory with the mode of the first takes its place, and its
// entries are put there anew: symlinks made again, small files of the caller copied, other files
// bound read-only, directories without a mount overlaid, those with one split in turn. The mount
// itself stays what it is in the read-only tree. Credentials in a home are left out.
//
// A split directory whose entries cannot be known, or are too many, or one of which may not answer
// when it is looked at, is left out: it stays read-only, as a whole.
#include <algorithm>
#include <utility>

#include "base/paths.h"
#include "base/strings.h"
#include "plan/host_layout.h"
#include "plan/mount_ops.h"
#include "plan/mount_parts.h"
#include "plan/overlay_facts.h"

namespace mini {
namespace {

// Together, for one directory that is wanted as an overlay. Each costs about 0.2 ms. A container's
// /etc, in which the runtime mounts single files, has 30 to 80 directories.
constexpr size_t kMaxOverlays = 128;

class OverlayPlanner {
 public:
  OverlayPlanner(std::string root, MountDraft& draft)
      : root_(std::move(root)),
        draft_(draft),
        scratch_(ScratchDirectoryOf(draft.policy, draft.facts)),
        obstacles_(OverlayObstacles(root_, draft.policy, draft.facts)) {}

  bool Run() {
    if (FateOf(root_) == Fate::kKept) return false;
    UseUppers(draft_);
    AddDirectory(root_);
    if (!kept_.empty()) {
      draft_.Notice(StrCat("read-only inside, because mounts in them cannot be overlaid: ", kept_));
    }
    return true;
  }

 private:
  enum class Fate { kWhole, kSplit, kKept };

  Fate FateOf(const std::string& directory) const {
    if (overlay_count_ >= kMaxOverlays) return Fate::kKept;
    if (!HasObstacleBelow(directory, obstacles_)) return Fate::kWhole;
    const std::vector<DirectoryEntry>* entries = EntriesOf(directory);
    if (!entries || entries->size() > kMaxSplitEntries) return Fate::kKept;
    const bool may_hang = std::any_of(entries->begin(), entries->end(), [&](const auto& entry) {
      const std::string path = JoinPath(directory, entry.name);
      return IsObstacle(path) && MayHang(path, draft_.facts.mounts);
    });
    return may_hang ? Fate::kKept : Fate::kSplit;
  }

  const std::vector<DirectoryEntry>* EntriesOf(const std::string& directory) const {
    const auto found = draft_.facts.listings.find(directory);
    return found == draft_.facts.listings.end() ? nullptr : &found->second;
  }

  bool IsObstacle(const std::string& path) const {
    return std::binary_search(obstacles_.begin(), obstacles_.end(), path);
  }

  // Something of ours lies, or will lie, there, and needs nothing of the host's below it.
  bool IsCovered(const std::string& path) const {
    return std::any_of(draft_.covers().begin(), draft_.covers().end(), [&](const Cover& cover) {
      return cover.target == path && cover.kind != CoverKind::kKept;
    });
  }

  // Credentials are not put into a split directory at all.
  bool IsSecret(const std::string& path) const {
    const std::vector<std::string>& here = draft_.secrets_in_working_directory;
    if (std::find(here.begin(), here.end(), path) != here.end()) return true;
    for (const std::string& home : draft_.facts.homes) {
      if (!IsBelow(path, home)) continue;
      const auto secrets = SecretsOfHome();
      const std::string_view name = std::string_view(path).substr(home.size() + 1);
      if (std::find(secrets.begin(), secrets.end(), name) != secrets.end()) return true;
    }
    return false;
  }

  int OpenLower(MountOpKind kind, const std::string& path) {
    const int slot = draft_.NewSlot();
    draft_.phases.lowers.push_back({.kind = kind, .source = path, .slot = slot});
    return slot;
  }

  // The one that was asked for, or a part of it.
  CoverKind KindOf(const std::string& directory) const {
    return directory == root_ ? CoverKind::kOverlay : CoverKind::kPart;
  }

  void AddDirectory(const std::string& directory) {
    switch (FateOf(directory)) {
      case Fate::kWhole:
        return AddWhole(directory);
      case Fate::kSplit:
        return AddSplit(directory);
      case Fate::kKept:
        kept_ += StrCat(kept_.empty() ? "" : ", ", directory);
        return AddKept(directory, true);
    }
  }

  void AddWhole(const std::string& directory) {
    ++overlay_count_;
    const std::string name = draft_.NewScratchName("overlay");
    const std::string place = JoinPath(draft_.upper_point, name);
    const int lower = OpenLower(MountOpKind::kOpenLower, directory);
    const int slot = draft_.NewSlot();
    std::vector<MountOp>& scratch = draft_.phases.scratch;
    scratch.push_back(DirectoryIn(draft_.upper_slot, name, 0755));
    scratch.push_back(DirectoryIn(draft_.upper_slot, name + "/upper", 0755));
    scratch.push_back(DirectoryIn(draft_.upper_slot, name + "/work", 0755));
    scratch.push_back({.kind = MountOpKind::kOverlay,
                       .source = place + "/upper",
                       .target = directory,
                       .data = place + "/work",
                       .slot = slot,
                       .lower_slot = lower,
                       .attributes = kUntrusted});
    draft_.AddCover({directory, KindOf(directory), true, true, {Attach(slot, directory)}});
  }

  void AddSplit(const std::string& directory) {
    const std::string name = draft_.NewScratchName("split");
    const int lower = OpenLower(MountOpKind::kOpenLower, directory);
    draft_.AddFresh(directory, name, 0755, KindOf(directory));
    draft_.phases.scratch.push_back({.kind = MountOpKind::kCopyMode,
                                     .source = JoinPath(draft_.plan.scratch_point, name),
                                     .lower_slot = lower});
    const bool is_of_runs =
        !scratch_.empty() && scratch_ == JoinPath(directory, draft_.facts.scratch_name);
    for (const DirectoryEntry& entry : *EntriesOf(directory)) {
      // Another run's, which may be gone in a moment.
      if (is_of_runs && entry.name.starts_with(kScratchPrefix)) continue;
      AddEntry(directory, entry);
    }
  }

  void AddEntry(const std::string& directory, const DirectoryEntry& entry) {
    const std::string path = JoinPath(directory, entry.name);
    const bool is_directory = entry.kind == DirectoryEntry::Kind::kDirectory;
    if (IsCovered(path) || IsSecret(path)) return;
    if (IsObstacle(path)) return AddKept(path, is_directory);
    if (is_directory) return AddDirectory(path);
    if (entry.kind == DirectoryEntry::Kind::kSymlink) {
      AddPlace(path, MakeSymlink(path, entry.symlink_target));
    } else {
      const int file = OpenLower(MountOpKind::kOpenFile, path);
      AddPlace(path, {.kind = MountOpKind::kShowFile, .target = path, .slot = file});
    }
  }

  void AddPlace(const std::string& path, MountOp step) {
    draft_.AddCover({path, CoverKind::kKept, false, false, {std::move(step)}});
  }

  // As the host has it, with what is mounted there.
  void AddKept(const std::string& path, bool is_directory) {
    const int slot = draft_.NewSlot();
    draft_.phases.on_host.push_back(CloneTree(path, slot, kReadOnly));
    draft_.AddCover({path, CoverKind::kKept, is_directory, false, {Attach(slot, path)}});
  }

  const std::string root_;
  MountDraft& draft_;
  const std::string scratch_;
  const std::vector<std::string> obstacles_;
  size_t overlay_count_ = 0;
  std::string kept_;
};

std::string KeptNotice(const std::string& path) {
  return StrCat(path, " is read-only inside, because mounts in it cannot be overlaid");
}

}  // namespace

bool AddOverlay(const std::string& path, MountDraft& draft) {
  return OverlayPlanner(path, draft).Run();
}

void PlanSystemOverlays(MountDraft& draft) {
  for (const std::string& path : draft.facts.writable_system_directories) {
    if (!AddOverlay(path, draft)) draft.Notice(KeptNotice(path));
  }
}

// The kernel copies a directory up with its owner, and inside exists the caller only (EOVERFLOW):
// so it is the outermost parent below which all belong to him.
//
// Programs write beside their working directory ("../build"): what they write there is discarded.
void PlanParents(MountDraft& draft) {
  const std::string& topmost = draft.facts.writable_parent;
  if (topmost.empty()) return;
  const std::string& path = draft.working_directory;
  for (std::string parent = topmost; parent != path;
       parent = path.substr(0, path.find('/', parent.size() + 1))) {
    // A home under another name, say, or a system directory that is an overlay already. Below such
    // an overlay the caller's own directories may lie in somebody else's, which that cannot copy.
    const Cover* cover = draft.CoverAtOrAbove(parent);
    const bool is_decided = cover && cover->kind != CoverKind::kKept &&
                            (cover->target == parent || cover->kind == CoverKind::kPrivate);
    if (is_decided || AddOverlay(parent, draft)) return;
  }
  draft.Notice(KeptNotice(topmost));
}

}  // namespace mini
