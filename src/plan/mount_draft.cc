// Theory of operation
//
// Everything that shows inside beside the root itself is a cover: private (a fresh directory), an
// overlay, a mask over a secret, or a bind. Covers are collected in any order and sorted by path,
// so that parents come before children, and by kind on the same path. Where a cover lies in one
// that is ours and vanishes, its mount point is made first; anywhere else it has to exist.
#include "plan/mount_draft.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "base/paths.h"
#include "base/strings.h"
#include "plan/host_layout.h"
#include "plan/mount_ops.h"

namespace mini {
namespace {

// Covered by the /dev of the sandbox in the end, and present on every host.
constexpr const char* kScratchPoint = "/dev";

// Pages larger than 4 KB where the file is long enough to fill them (tmpfs(5)): overlayfs copies a
// file up in less than half of the time. Linux appends such pages since 6.14; it may be built
// without any. Never "always", which takes 2 MB for a file of one byte.
constexpr const char* kLargePages = "?huge=within_size";

constexpr uint64_t kBytesPerInode = 4096;
constexpr uint64_t kFreeInodes = 1024;  // what the sandbox itself makes, and a little more

// Steps that make the place of what they show, or need none.
bool MakesItsPlace(const MountOp& op) {
  return op.kind == MountOpKind::kMask || op.kind == MountOpKind::kShowFile ||
         op.kind == MountOpKind::kMakeSymlink;
}

// Where the host's tree lies in an empty root as long as overlays are made; then /proc is put
// there.
constexpr const char* kHostPoint = "/proc";

// What masks are made of.
constexpr const char* kEmptyDirectory = "empty";
constexpr const char* kEmptyFile = "empty-file";

}  // namespace

const PathFact& MountDraft::Fact(std::string_view path) const {
  static const PathFact missing;
  const auto found = facts.paths.find(path);
  return found == facts.paths.end() ? missing : found->second;
}

std::string MountDraft::Resolve(const std::string& path) const {
  for (std::string_view known = path; !known.empty(); known = known.substr(0, known.rfind('/'))) {
    const std::string& canonical = Fact(known).canonical;
    if (canonical.empty()) continue;
    return known.size() == path.size() ? canonical
                                       : JoinPath(canonical, path.substr(known.size() + 1));
  }
  return path;
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
  // Of any mode: only directories in it show.
  MountOp scratch = NewFilesystem("tmpfs", "", "", scratch_slot_, kUntrusted);
  scratch.source = kLargePages;
  if (policy.scratch_size) {
    // A large page counts as a whole, even where most of it is a hole in the file.
    // Empty files and directories take kernel memory that the size does not count.
    const uint64_t inodes = *policy.scratch_size / kBytesPerInode + kFreeInodes;
    scratch.source = StrCat("size=", *policy.scratch_size, ",nr_inodes=", inodes);
  }
  phases.on_host.push_back(std::move(scratch));
  plan.scratch_size = policy.scratch_size;
  plan.scratch_point = upper_point = kScratchPoint;
  upper_slot = scratch_slot_;
  phases.scratch.push_back(
      {.kind = MountOpKind::kScratch, .target = plan.scratch_point, .slot = scratch_slot_});
}

void MountDraft::AddFresh(const std::string& target, const std::string& name, mode_t mode,
                          CoverKind kind) {
  const int slot = NewSlot();
  phases.scratch.push_back(ScratchDirectory(name, mode));
  covers_.push_back({target,
                     kind,
                     true,
                     true,
                     {{.kind = MountOpKind::kCloneScratch,
                       .source = name,
                       .slot = slot,
                       .attributes = kUntrusted},
                      Attach(slot, target)}});
}

std::string MountDraft::AddPrivate(const std::string& target, mode_t mode) {
  std::string name = NewScratchName("private");
  AddFresh(target, name, mode, CoverKind::kPrivate);
  return name;
}

void MountDraft::AddEmpty(const std::string& target) {
  AddFresh(target, NewScratchName("empty"), 0755, CoverKind::kEmpty);
}

void MountDraft::AddMaskBy(const std::string& target, const std::string& directory,
                           CoverKind kind) {
  if (masked_.empty()) {
    phases.scratch.push_back(ScratchDirectory(kEmptyDirectory, 0555));
    phases.scratch.push_back(ScratchFile(kEmptyFile, "", 0444));
  }
  if (!masked_.insert(target).second) return;
  const bool is_private = kind == CoverKind::kPrivate;
  covers_.push_back({target,
                     kind,
                     true,
                     is_private,
                     {{.kind = MountOpKind::kMask,
                       .source = directory,
                       .target = target,
                       .data = kEmptyFile,
                       .attributes = is_private ? kUntrusted : kReadOnly}}});
}

void MountDraft::AddMask(const std::string& target) {
  AddMaskBy(target, kEmptyDirectory, CoverKind::kMask);
}

void MountDraft::AddPrivateMask(const std::string& target, mode_t mode) {
  const std::string name = NewScratchName("private");
  phases.scratch.push_back(ScratchDirectory(name, mode));
  AddMaskBy(target, name, CoverKind::kPrivate);
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
  phases.on_host.push_back(CloneTree(source, slot, attributes));
  const bool is_writable = (attributes & MOUNT_ATTR_RDONLY) == 0;
  covers_.push_back(
      {target, CoverKind::kBind, is_directory, is_writable, {Attach(slot, target)}, source});
  if (IsDevice(target)) phases.device_points.push_back(MakePoint(target, is_directory));
}

void MountDraft::AddLink(std::string link, std::string target) {
  links_.insert_or_assign(std::move(link), std::move(target));
}

void MountDraft::AddLinksOnTheWayTo(std::string_view path) {
  std::string current = "/";
  for (size_t end = 0; end != std::string_view::npos;) {
    const size_t begin = end + 1;
    end = path.find('/', begin);
    std::string expected = JoinPath(current, path.substr(begin, end - begin));
    const PathFact& fact = Fact(path.substr(0, end));
    if (!fact.canonical.empty() && fact.canonical != expected) AddLink(expected, fact.canonical);
    current = fact.canonical.empty() ? std::move(expected) : fact.canonical;
  }
}

const Cover* MountDraft::CoverAtOrAbove(std::string_view path) const {
  const Cover* deepest = nullptr;
  for (const Cover& cover : covers_) {
    if (!IsSameOrBelow(path, cover.target)) continue;
    const auto depth = [](const Cover& c) { return std::pair(c.target.size(), c.kind); };
    if (!deepest || depth(cover) >= depth(*deepest)) deepest = &cover;
  }
  return deepest;
}

const Cover* MountDraft::CoverAbove(std::string_view path) const {
  const size_t slash = path.rfind('/');
  if (path == "/" || slash == std::string_view::npos) return nullptr;
  return CoverAtOrAbove(slash == 0 ? "/" : path.substr(0, slash));
}

bool MountDraft::CanMakePointsAt(std::string_view path) const {
  const Cover* above = CoverAbove(path);
  return above ? above->may_make_points() : root_is_empty && !IsBelow(path, "/dev");
}

bool MountDraft::ShowsHostAt(std::string_view path) const {
  const Cover* above = CoverAbove(path);
  return above ? above->shows_host() : !root_is_empty;
}

// The cover right above is in place when the steps of this one come, and nothing lies between.
void MountDraft::NameBase(MountOp& op) const {
  if (op.kind != MountOpKind::kAttach && op.kind != MountOpKind::kMakeDirectories &&
      op.kind != MountOpKind::kMakeFile && op.kind != MountOpKind::kShowFile) {
    return;
  }
  std::string_view place;
  if (const Cover* above = CoverAbove(op.target)) {
    const MountOp& last = above->ops.back();
    if (last.kind != MountOpKind::kAttach || above->target == "/") return;
    place = above->target;
    op.base_slot = last.slot;
  } else if (IsBelow(op.target, "/dev")) {
    place = "/dev";
    op.base_slot = dev_slot;
  } else {
    return;
  }
  op.below_base = op.target.substr(place.size() + 1);
}

void MountDraft::EmitCovers() {
  std::stable_sort(covers_.begin(), covers_.end(), [](const Cover& a, const Cover& b) {
    return a.target != b.target ? a.target < b.target : a.kind < b.kind;
  });
  for (const Cover& cover : covers_) {
    if (!MakesItsPlace(cover.ops.front()) && CanMakePointsAt(cover.target)) {
      phases.covers.push_back(MakePoint(cover.target, cover.is_directory));
      NameBase(phases.covers.back());
    }
    for (const MountOp& op : cover.ops) {
      phases.covers.push_back(op);
      NameBase(phases.covers.back());
    }
  }
}

void MountDraft::EmitLinks() {
  for (const auto& [link, target] : links_) {
    if (!CanMakePointsAt(link)) continue;
    const std::string directory = link.substr(0, link.rfind('/'));
    const Cover* above = CoverAbove(link);
    if (!directory.empty() && (!above || directory != above->target)) {
      phases.covers.push_back(MakePoint(directory, /*directory=*/true));
    }
    phases.covers.push_back(MakeSymlink(link, target));
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

// Overlays need their lowers in this mount namespace until they are made (overlayfs clones them).
// An empty root has none of the host's paths, so a copy of the whole tree lies in it meanwhile.
void MountDraft::LendHostTree() {
  const int host = NewSlot();
  phases.on_host.push_back(CloneTree("/", host, kReadOnly));
  phases.root.push_back(Attach(host, kHostPoint));
  for (MountOp& lower : phases.lowers) lower.source = kHostPoint + lower.source;
  phases.scratch.push_back({.kind = MountOpKind::kDetach, .target = kHostPoint});
}

void MountDraft::Emit() {
  if (root_is_empty && !phases.lowers.empty()) LendHostTree();
  EmitCovers();
  EmitLinks();
  ListWritableRoots();
  FindScratchView();
  const std::array all = {
      &phases.on_host, &phases.root_change,   &phases.root,   &phases.lowers, &phases.scratch,
      &phases.kernel,  &phases.device_points, &phases.sealed, &phases.covers, &phases.last};
  size_t count = 0;
  for (const auto* phase : all) count += phase->size();
  plan.mounts.reserve(count);
  for (auto* phase : all) {
    std::move(phase->begin(), phase->end(), std::back_inserter(plan.mounts));
  }
}

}  // namespace mini
