// Theory of operation
//
// A run's file system is made in five phases, and the planner keeps a list of steps for each:
//   before the pivot  detached copies of host trees and new file systems, while host paths resolve
//   the pivot         a read-only copy of "/" becomes the root; the host's tree is gone
//   lowers            descriptors of directories that will be overlaid, before anything covers them
//   scratch           one tmpfs, attached where /dev will cover it, holds every private directory
//                     and every overlay's upper; overlays are created on it
//   covers            things put on paths of the new root, parents before children
// A cover is private (a fresh directory), an overlay, a mask over a secret, or a bind. Sorting
// covers by path, and by kind on the same path, makes the user's binds win over masks and masks
// over overlays, whatever order the user named them in.
#include "plan/mount_plan.h"

#include <sys/mount.h>

#include <algorithm>
#include <set>

#include "base/paths.h"
#include "base/strings.h"
#include "plan/kernel_filesystems.h"
#include "plan/mount_ops.h"
#include "plan/name_files.h"

namespace mini {
namespace {

// Covered by the /dev of the sandbox in the end, and present on every host.
constexpr const char* kScratchPoint = "/dev";

constexpr const char* kEmptyDirectory = "empty";
constexpr const char* kEmptyFile = "empty-file";

enum class CoverKind { kPrivate, kOverlay, kMask, kBind };

struct Cover {
  std::string target;
  CoverKind kind;
  bool is_directory;
  bool is_writable;
  std::vector<MountOp> ops;
  // What lies below may be made freely: it is ours and vanishes.
  bool may_make_points() const {
    return kind == CoverKind::kPrivate || kind == CoverKind::kOverlay;
  }
};

class MountPlanner {
 public:
  MountPlanner(const Policy& policy, const HostFacts& facts, Plan& plan)
      : policy_(policy), facts_(facts), plan_(plan) {}

  Status Run() {
    FindPrivateDirectories();
    MINI_RETURN_IF_ERROR(FindWorkingDirectory());
    PlanRoot();
    PlanKernelFilesystems();
    PlanPrivateDirectories();
    PlanHomes();
    PlanSystemOverlays();
    MINI_RETURN_IF_ERROR(PlanWorkingDirectory());
    MINI_RETURN_IF_ERROR(PlanBinds());
    if (policy_.network == Network::kStack) PlanNameFiles();
    if (policy_.network == Network::kHost) PlanHiddenResolvConf();
    PlanSockets();
    Emit();
    return OkStatus();
  }

 private:
  const PathFact& Fact(std::string_view path) const {
    static const PathFact missing;
    const auto found = facts_.paths.find(path);
    return found == facts_.paths.end() ? missing : found->second;
  }

  int NewSlot() { return plan_.slot_count++; }

  bool IsPrivate(std::string_view path) const {
    return path == "/dev/shm" || std::find(private_directories_.begin(), private_directories_.end(),
                                           path) != private_directories_.end();
  }

  void FindPrivateDirectories() {
    for (const std::string_view path : PrivateDirectories()) {
      const PathFact& fact = Fact(path);
      if (fact.kind != PathKind::kDirectory || IsPrivate(fact.canonical)) continue;
      const auto above =
          std::find_if(private_directories_.begin(), private_directories_.end(),
                       [&](const std::string& known) { return IsBelow(fact.canonical, known); });
      if (above == private_directories_.end()) {
        private_directories_.push_back(fact.canonical);
      } else {
        nested_directories_.push_back(fact.canonical);  // /var/lock is often /run/lock
      }
    }
  }

  Status FindWorkingDirectory() {
    working_directory_ = facts_.working_directory;
    if (!policy_.working_directory) return OkStatus();
    const PathFact& fact = Fact(*policy_.working_directory);
    if (fact.kind != PathKind::kDirectory) {
      return Status(StatusCode::kNotFound, Stage::kPlan,
                    StrCat("-W ", *policy_.working_directory, ": not a directory that exists"));
    }
    working_directory_ = fact.canonical;
    return OkStatus();
  }

  void PlanRoot() {
    const int root = NewSlot();
    const bool points_exist =
        Fact("/proc").kind == PathKind::kDirectory && Fact("/dev").kind == PathKind::kDirectory;
    if (points_exist) {
      before_pivot_.push_back(CloneTree("/", root, kReadOnly));
    } else {
      PlanSkeletonRoot(root);
    }
    pivot_.push_back({.kind = MountOpKind::kPivotRoot, .slot = root});
  }

  // A host without /proc or /dev cannot be covered there, and must not be changed: its top-level
  // entries go into an empty root that has both.
  void PlanSkeletonRoot(int root) {
    before_pivot_.push_back(NewFilesystem("tmpfs", "mode", "755", root, kUntrusted));
    for (const DirectoryEntry& entry : facts_.root_entries) {
      const std::string path = JoinPath("/", entry.name);
      if (entry.kind == DirectoryEntry::Kind::kSymlink) {
        pivot_covers_.push_back(MakeSymlink(path, entry.symlink_target));
        continue;
      }
      const int slot = NewSlot();
      before_pivot_.push_back(CloneTree(path, slot, kReadOnly));
      pivot_covers_.push_back(MakePoint(path, entry.kind == DirectoryEntry::Kind::kDirectory));
      pivot_covers_.push_back(Attach(slot, path));
    }
    pivot_covers_.push_back(MakePoint("/proc", true));
    pivot_covers_.push_back(MakePoint("/dev", true));
    last_.push_back(
        {.kind = MountOpKind::kSetAttributes, .target = "/", .attributes = MOUNT_ATTR_RDONLY});
  }

  void PlanKernelFilesystems() {
    KernelFilesystems kernel = MakeKernelFilesystems(facts_.uid, plan_.slot_count);
    before_pivot_.insert(before_pivot_.end(), kernel.before_pivot.begin(),
                         kernel.before_pivot.end());
    kernel_ = std::move(kernel.inside);
    sealed_ = std::move(kernel.sealed);
    scratch_slot_ = NewSlot();
    before_pivot_.push_back(NewFilesystem("tmpfs", "mode", "755", scratch_slot_, kUntrusted));
    plan_.scratch_point = kScratchPoint;
    scratch_.push_back(
        {.kind = MountOpKind::kScratch, .target = plan_.scratch_point, .slot = scratch_slot_});
    AddPrivate("/dev/shm", 01777);
  }

  // Covers `target` by a fresh directory; returns its name in the scratch file system.
  std::string AddPrivate(const std::string& target, mode_t mode) {
    const std::string name = StrCat("private-", private_count_++);
    const int slot = NewSlot();
    scratch_.push_back(DirectoryIn(scratch_slot_, name, mode));
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

  void PlanPrivateDirectories() {
    for (const std::string& path : private_directories_) {
      const bool shared = path.ends_with("/tmp") || path.ends_with("/lock");
      const std::string name = AddPrivate(path, shared ? 01777 : 0755);
      for (const std::string& nested : nested_directories_) {
        if (!IsBelow(nested, path)) continue;
        scratch_.push_back(DirectoryIn(scratch_slot_, name + nested.substr(path.size()), 01777));
      }
      // A part of it that was mounted elsewhere was put there to be seen; its sockets are covered.
      HideAliases(path, Parts::kLeftOut);
      if (path != "/run") continue;
      // What XDG_RUNTIME_DIR names on most hosts, and what it would name for who shows inside.
      scratch_.push_back(DirectoryIn(scratch_slot_, StrCat(name, "/user"), 0755));
      for (const uid_t uid : std::set<uid_t>{plan_.uid.inside, plan_.uid.outside}) {
        scratch_.push_back(DirectoryIn(scratch_slot_, StrCat(name, "/user/", uid), 0700));
      }
    }
  }

  void AddMask(const std::string& target, const std::string& directory) {
    if (!has_masks_) {
      scratch_.push_back(DirectoryIn(scratch_slot_, kEmptyDirectory, 0555));
      scratch_.push_back(FileIn(scratch_slot_, kEmptyFile, "", 0444));
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

  void PlanHomes() {
    for (const std::string& home : facts_.homes) {
      if (IsPrivate(home)) continue;
      if (home != working_directory_) AddPrivate(home, 0700);
      HideAliases(home, Parts::kIncluded);
    }
  }

  // Another mount may show a directory that is private here under a second name.
  void HideAliases(const std::string& directory, Parts parts) {
    for (const std::string& alias : AliasesOf(directory, parts, facts_.mounts)) {
      if (IsSystemTree(alias) || IsPrivate(alias)) continue;
      const std::string name = StrCat("private-", private_count_++);
      scratch_.push_back(DirectoryIn(scratch_slot_, name, 0700));
      AddMask(alias, name);
      // Unlike the mask of a secret it is a place like the directory itself: binds go into it.
      covers_.back().kind = CoverKind::kPrivate;
      covers_.back().is_writable = true;
    }
  }

  // An overlay on `path` whose changes vanish; `path` must be free of mounts.
  void AddOverlay(const std::string& path) {
    const std::string name = StrCat("overlay-", overlay_count_++);
    const int lower = NewSlot();
    const int slot = NewSlot();
    lowers_.push_back({.kind = MountOpKind::kOpenLower, .source = path, .slot = lower});
    scratch_.push_back(DirectoryIn(scratch_slot_, name, 0755));
    scratch_.push_back(DirectoryIn(scratch_slot_, name + "/upper", 0755));
    scratch_.push_back(DirectoryIn(scratch_slot_, name + "/work", 0755));
    scratch_.push_back({.kind = MountOpKind::kOverlay,
                        .source = StrCat(plan_.scratch_point, "/", name, "/upper"),
                        .target = path,
                        .data = StrCat(plan_.scratch_point, "/", name, "/work"),
                        .slot = slot,
                        .lower_slot = lower,
                        .attributes = kUntrusted});
    covers_.push_back({path, CoverKind::kOverlay, true, true, {Attach(slot, path)}});
  }

  void PlanSystemOverlays() {
    for (const std::string& path : facts_.writable_system_directories) {
      // The kernel refuses a lower with mounts in it (EINVAL); such a directory stays read-only.
      if (!HasMountBelow(path, facts_.mounts)) AddOverlay(path);
    }
  }

  // Where a bind of the user goes.
  std::string TargetOf(const BindRequest& bind) const {
    const std::string& known = Fact(bind.target).canonical;
    return known.empty() ? bind.target : known;
  }

  // Whether `directory` shows at all at `path` inside, or something private lies between them.
  bool IsHiddenBetween(std::string_view directory, std::string_view path) const {
    return std::any_of(covers_.begin(), covers_.end(), [&](const Cover& cover) {
      return cover.kind == CoverKind::kPrivate && IsBelow(cover.target, directory) &&
             IsSameOrBelow(path, cover.target);
    });
  }

  // Whether the user's binds already decide about the working directory: one of it, or a writable
  // one above it.
  bool IsBoundByUser(const std::string& path) const {
    return std::any_of(policy_.binds.begin(), policy_.binds.end(), [&](const BindRequest& bind) {
      const std::string target = TargetOf(bind);
      return path == target || (bind.access == Access::kWritable && bind.source == bind.target &&
                                IsBelow(path, target) && !IsHiddenBetween(target, path));
    });
  }

  // What of any home the path is: by its name, or by way of another mount. As PartOf().
  std::vector<std::string> PartsOfHomes(const std::string& path) const {
    std::vector<std::string> parts;
    for (const std::string& home : facts_.homes) {
      if (IsSameOrBelow(path, home)) parts.push_back(path.substr(home.size()));
      if (auto part = PartOf(path, home, facts_.mounts)) parts.push_back(std::move(*part));
    }
    return parts;
  }

  // The secrets below the working directory; an error when it is one itself.
  Result<std::vector<std::string>> SecretsInWorkingDirectory() const {
    std::vector<std::string> secrets;
    for (const std::string& part : PartsOfHomes(working_directory_)) {
      for (const std::string_view name : SecretsOfHome()) {
        const std::string secret = JoinPath("/", name);
        if (!part.empty() && IsSameOrBelow(part, secret)) {
          return Status(StatusCode::kInvalidArgument, Stage::kPlan,
                        StrCat("the working directory ", working_directory_, " holds credentials"))
              .WithHint(
                  StrCat("run from another directory, or open it with -w ", working_directory_));
        }
        if (IsBelow(secret, part.empty() ? "/" : part)) {
          secrets.push_back(working_directory_ + secret.substr(part.size()));
        }
      }
    }
    std::sort(secrets.begin(), secrets.end());
    secrets.erase(std::unique(secrets.begin(), secrets.end()), secrets.end());
    return secrets;
  }

  Status PlanWorkingDirectory() {
    const std::string& path = working_directory_;
    plan_.working_directory = path;
    if (IsBoundByUser(path)) return OkStatus();
    MINI_ASSIGN_OR_RETURN(const std::vector<std::string> secrets, SecretsInWorkingDirectory());
    if (IsPrivate(path)) {
      plan_.notices.push_back(StrCat("the working directory ", path,
                                     " is private and empty inside; run from a directory below "
                                     "it to see your files"));
      return OkStatus();
    }
    if (!secrets.empty()) {
      PlanWorkingInHome(path, secrets);
    } else if (IsSystemDirectory(path)) {
      plan_.notices.push_back(SystemDirectoryNotice(path));
    } else {
      AddBind(path, path, true, kUntrusted);
    }
    return OkStatus();
  }

  static std::string SystemDirectoryNotice(const std::string& path) {
    const std::string notice = StrCat("the working directory ", path,
                                      " belongs to the system: nothing is written through");
    const bool can_be_opened = path != "/" && !IsSameOrBelow(path, "/proc") &&
                               !IsSameOrBelow(path, "/sys") && !IsSameOrBelow(path, "/dev");
    return can_be_opened
               ? StrCat(notice, "; -w ", path, " opens what you may write there")
               : StrCat(notice, "; run from the directory you want to change, or name it with -w");
  }

  void PlanWorkingInHome(const std::string& path, const std::vector<std::string>& secrets) {
    if (HasMountBelow(path, facts_.mounts)) {
      AddBind(path, path, true, kReadOnly);
      plan_.notices.push_back(
          StrCat("the working directory ", path,
                 " holds credentials and a mount: it is read-only, and files "
                 "that hold credentials are hidden; work in a directory below"));
    } else {
      AddOverlay(path);
      plan_.notices.push_back(StrCat("the working directory ", path,
                                     " may hold credentials: those are hidden and changes are "
                                     "discarded; work in a directory below it to keep them"));
    }
    for (const std::string& secret : secrets) AddMask(secret, kEmptyDirectory);
  }

  // Connecting to a socket needs no write access to the mount it lies on (unix(7): only to the
  // socket itself), so read-only does not keep the command from a program that listens there.
  void PlanSockets() {
    for (const std::string& socket : facts_.unix_sockets) {
      MaskSocket(socket);
      for (const std::string& alias : AliasesOf(socket, Parts::kLeftOut, facts_.mounts)) {
        MaskSocket(alias);
      }
      for (const BindRequest& bind : policy_.binds) {
        // Where the bind of a directory shows it under another name. One that is bound by itself
        // is meant to be used.
        const std::string& source = Fact(bind.source).canonical;
        const std::string target = TargetOf(bind);
        if (source == target || !IsBelow(socket, source)) continue;
        MaskSocket(JoinPath(target, socket.substr(source == "/" ? 1 : source.size() + 1)));
      }
    }
  }

  void MaskSocket(const std::string& path) {
    const Cover* above = CoverAbove(path);
    if (!above || above->kind != CoverKind::kPrivate) AddMask(path, kEmptyDirectory);
  }

  void AddBind(const std::string& source, const std::string& target, bool is_directory,
               uint64_t attributes) {
    const int slot = NewSlot();
    before_pivot_.push_back(CloneTree(source, slot, attributes));
    const bool is_writable = (attributes & MOUNT_ATTR_RDONLY) == 0;
    covers_.push_back(
        {target, CoverKind::kBind, is_directory, is_writable, {Attach(slot, target)}});
    if (IsDevice(target)) device_points_.push_back(MakePoint(target, is_directory));
  }

  static bool IsDevice(std::string_view path) {
    return IsBelow(path, "/dev") && !IsSameOrBelow(path, "/dev/shm");
  }

  // What would undo the sandbox, or cannot be mounted.
  Status CheckBind(const BindRequest& bind, const PathFact& fact, const std::string& target) const {
    const bool writable = bind.access == Access::kWritable;
    const auto refuse = [&](std::string_view why) {
      return InvalidArgument(Stage::kArguments,
                             StrCat(writable ? "-w " : "-M ", bind.source, ": ", why));
    };
    const std::string& source = fact.canonical;
    if (source == "/" && writable) return refuse("the whole system cannot be writable");
    if (IsSameOrBelow(source, "/proc") || IsSameOrBelow(target, "/proc")) {
      return refuse("the sandbox has a /proc of its own");
    }
    if (writable && IsSameOrBelow(source, "/sys")) {
      return refuse("what is in /sys belongs to the whole machine");
    }
    if (source == "/dev" || target == "/dev") {
      return refuse("the sandbox has a /dev of its own; name single devices");
    }
    const PathKind there = bind.source == bind.target ? fact.kind : Fact(bind.target).kind;
    const bool is_directory = fact.kind == PathKind::kDirectory;
    if (there != PathKind::kMissing && (there == PathKind::kDirectory) != is_directory) {
      return refuse(is_directory ? StrCat("a directory cannot lie on ", target, ", which is none")
                                 : StrCat("a file cannot lie on ", target, ", a directory"));
    }
    return OkStatus();
  }

  Status PlanBinds() {
    for (const BindRequest& bind : policy_.binds) {
      const bool writable = bind.access == Access::kWritable;
      const PathFact& fact = Fact(bind.source);
      if (fact.kind == PathKind::kMissing) {
        return Status(StatusCode::kNotFound, Stage::kPlan,
                      StrCat(writable ? "-w " : "-M ", bind.source, ": no such file or directory"))
            .WithHint(writable ? "make it first: mkdir -p or touch" : "");
      }
      if (fact.canonical.empty()) {
        return Status(StatusCode::kPermissionDenied, Stage::kPlan,
                      StrCat(writable ? "-w " : "-M ", bind.source, ": permission denied"));
      }
      const bool renamed = bind.target != bind.source;
      const std::string target = renamed ? TargetOf(bind) : fact.canonical;
      MINI_RETURN_IF_ERROR(CheckBind(bind, fact, target));
      uint64_t attributes = writable ? kUntrusted : kReadOnly;
      // A device that the user names is meant to be used.
      if (IsDevice(fact.canonical)) attributes &= ~uint64_t{MOUNT_ATTR_NODEV};
      AddBind(fact.canonical, target, fact.kind == PathKind::kDirectory, attributes);
      // The name the user typed may be a symlink in a directory that is private inside.
      if (!renamed && bind.source != fact.canonical) links_.push_back({bind.source, target});
    }
    return OkStatus();
  }

  void PlanNameFiles() {
    AddNameFile(kResolvConf, ResolvConfInside(facts_.resolv_conf));
    AddNameFile(kHosts, HostsInside(facts_.hosts));
  }

  // /etc/resolv.conf is often a symlink into /run, which is empty inside.
  void PlanHiddenResolvConf() {
    const PathFact& fact = Fact(kResolvConf);
    if (fact.canonical.empty()) return;
    const Cover* above = CoverAbove(fact.canonical);
    if (above && above->kind == CoverKind::kPrivate) AddNameFile(kResolvConf, facts_.resolv_conf);
  }

  void AddNameFile(const char* path, std::string text) {
    const PathFact& fact = Fact(path);
    if (fact.kind == PathKind::kMissing) {
      plan_.notices.push_back(
          StrCat("this host has no ", path, ", so names may not resolve inside"));
      return;
    }
    const std::string name = StrCat("file-", file_count_++);
    const int slot = NewSlot();
    scratch_.push_back(FileIn(scratch_slot_, name, std::move(text), 0444));
    covers_.push_back({fact.canonical,
                       CoverKind::kMask,
                       false,
                       false,
                       {{.kind = MountOpKind::kCloneScratch,
                         .source = name,
                         .slot = slot,
                         .attributes = kReadOnly},
                        Attach(slot, fact.canonical)}});
  }

  // The deepest cover strictly above `path`, if any.
  const Cover* CoverAbove(std::string_view path) const {
    const Cover* above = nullptr;
    for (const Cover& cover : covers_) {
      if (!IsBelow(path, cover.target)) continue;
      if (!above || cover.target.size() >= above->target.size()) above = &cover;
    }
    return above;
  }

  // After sorting: a root comes before what lies below it.
  void ListWritableRoots() {
    std::vector<std::string>& roots = plan_.writable_roots;
    roots = {"/dev", "/proc"};
    for (const Cover& cover : covers_) {
      const bool known = std::any_of(roots.begin(), roots.end(), [&](const std::string& root) {
        return IsSameOrBelow(cover.target, root);
      });
      if (cover.is_writable && !known) roots.push_back(cover.target);
    }
  }

  void Emit() {
    std::stable_sort(covers_.begin(), covers_.end(), [](const Cover& a, const Cover& b) {
      return a.target != b.target ? a.target < b.target : a.kind < b.kind;
    });
    std::vector<MountOp> covers;
    for (const Cover& cover : covers_) {
      const Cover* above = CoverAbove(cover.target);
      if (cover.ops.front().kind != MountOpKind::kMask && above && above->may_make_points()) {
        covers.push_back(MakePoint(cover.target, cover.is_directory));
      }
      covers.insert(covers.end(), cover.ops.begin(), cover.ops.end());
    }
    for (const auto& [link, target] : links_) {
      const Cover* above = CoverAbove(link);
      if (above && above->may_make_points()) covers.push_back(MakeSymlink(link, target));
    }
    ListWritableRoots();
    for (const auto* phase : {&before_pivot_, &pivot_, &pivot_covers_, &lowers_, &scratch_,
                              &kernel_, &device_points_, &sealed_, &covers, &last_}) {
      plan_.mounts.insert(plan_.mounts.end(), phase->begin(), phase->end());
    }
  }

  const Policy& policy_;
  const HostFacts& facts_;
  Plan& plan_;
  std::string working_directory_;
  std::vector<std::string> private_directories_;  // canonical, none below another
  std::vector<std::string> nested_directories_;   // below one of those, wanted inside
  int scratch_slot_ = -1;
  bool has_masks_ = false;
  int private_count_ = 0;
  int overlay_count_ = 0;
  int file_count_ = 0;
  std::vector<MountOp> before_pivot_, pivot_, pivot_covers_, lowers_, scratch_, kernel_,
      device_points_, sealed_, last_;
  std::vector<Cover> covers_;
  std::vector<std::pair<std::string, std::string>> links_;
};

}  // namespace

Status PlanMounts(const Policy& policy, const HostFacts& facts, Plan& plan) {
  return MountPlanner(policy, facts, plan).Run();
}

}  // namespace mini
