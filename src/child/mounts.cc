// Theory of operation
//
// Each step is one function over its frozen operands. No path is ever followed through a symlink
// but where the object is to be covered wherever it lies (kMask): what the plan saw as a directory
// cannot become a symlink before it is used, so nothing outside the plan is mounted on, copied or
// created. Paths of several components are opened by openat2(2), RESOLVE_NO_SYMLINKS, and used by
// their descriptor; those of one go to the mount calls, with the flags that do not follow it.
//
// What a step opens for a moment is a TemporaryFd: closed together with all else, as a rule.
#include "child/mounts.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/unique_fd.h"
#include "child/mount_calls.h"

namespace mini::child {
namespace {

constexpr off_t kMaxCopiedFile = 1 << 20;

class Mounter {
 public:
  Mounter(const FrozenPlan& plan, const Control& control, Closing closing)
      : plan_(plan), control_(control), closing_(closing) {}

  // False: errno says why.
  bool Apply(const FrozenMountOp& op, uint32_t index) {
    switch (op.kind) {
      case MountOpKind::kCloneTree:
        return CloneTree(op);
      case MountOpKind::kCloneNode:
        return CloneNode(op);
      case MountOpKind::kCloneOwnDirectory:
        return CloneOwnDirectory(op);
      case MountOpKind::kNewFilesystem:
        return NewFilesystem(op, index);
      case MountOpKind::kMountIn:
        return MountIn(op);
      case MountOpKind::kPivotRoot:
        return PivotRoot(op);
      case MountOpKind::kOpenFile:
        return OpenFile(op);
      case MountOpKind::kOpenLower:
        return OpenLower(op);
      case MountOpKind::kScratch:
        return Scratch(op);
      case MountOpKind::kDirectoryIn:
        return mkdirat(plan_.slots[op.slot], op.source, op.mode) == 0;
      case MountOpKind::kFileIn:
        return FileIn(op);
      case MountOpKind::kSymlinkIn:
        return symlinkat(op.data, plan_.slots[op.slot], op.source) == 0;
      case MountOpKind::kAttachIn:
        return AttachIn(op);
      case MountOpKind::kCloneScratch:
        return Keep(op, CloneScratch(op.source, op.attributes));
      case MountOpKind::kTestOverlay:
        return TestOverlay(op);
      case MountOpKind::kOverlay:
        return Overlay(op, index);
      case MountOpKind::kCopyMode:
        return CopyMode(op.lower_slot, op.source);
      case MountOpKind::kShowFile:
        return ShowFile(op);
      case MountOpKind::kMakeDirectories:
        return MakePoint(PlaceOf(op), /*directory=*/true, closing_);
      case MountOpKind::kMakeFile:
        return MakePoint(PlaceOf(op), /*directory=*/false, closing_);
      case MountOpKind::kMakeSymlink:
        return symlink(op.source, op.target) == 0 || errno == EEXIST;
      case MountOpKind::kAttach:
        return Attach(op);
      case MountOpKind::kDetach:
        return umount2(op.target, MNT_DETACH | UMOUNT_NOFOLLOW) == 0;
      case MountOpKind::kMask:
        return Mask(op);
      case MountOpKind::kReadOnlyBind:
        return ReadOnlyBind(op);
      case MountOpKind::kSetAttributes:
        return SetAttributesAt(PlaceOf(op), op.attributes, /*recursive=*/false, closing_);
      case MountOpKind::kSetTreeAttributes:
        return SetAttributesAt(PlaceOf(op), op.attributes, /*recursive=*/true, closing_);
    }
    errno = EINVAL;
    return false;
  }

 private:
  bool Keep(const FrozenMountOp& op, int descriptor) {
    if (descriptor < 0) return false;
    plan_.slots[op.slot] = descriptor;
    return true;
  }

  // Where a step that has a target does its work. In a file system that a slot holds, names are
  // looked up from there. (Without one, what was to be there is missing, or will be.)
  Place PlaceOf(const FrozenMountOp& op) const {
    const int base = op.base_slot < 0 ? -1 : plan_.slots[op.base_slot];
    return base < 0 ? Place{AT_FDCWD, op.target} : Place{base, op.below_base};
  }

  bool CloneTree(const FrozenMountOp& op) {
    return Keep(op, CloneTreeAt({AT_FDCWD, op.source}, op.attributes, closing_));
  }

  // Nobody else can have put such a one in the place of the one that was made for us.
  bool CloneOwnDirectory(const FrozenMountOp& op) {
    const TemporaryFd source(OpenObject({AT_FDCWD, op.source}), closing_);
    struct stat status;
    if (!source.valid() || fstat(source.get(), &status) != 0) return false;
    if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() ||
        (status.st_mode & 07777) != 0700) {
      errno = ESTALE;
      return false;
    }
    const int tree = CloneMount(source.get(), /*recursive=*/false);
    return Keep(op, tree) && SetAttributes(tree, op.attributes, /*recursive=*/false);
  }

  // Device nodes: their directory belongs to the host's root, so a plain path does.
  bool CloneNode(const FrozenMountOp& op) {
    const int node =
        open_tree(AT_FDCWD, op.source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
    return Keep(op, node) || errno == ENOENT;
  }

  bool NewFilesystem(const FrozenMountOp& op, uint32_t index) {
    const TemporaryFd filesystem(fsopen(op.data, FSOPEN_CLOEXEC), closing_);
    if (!filesystem.valid() || !SetOptions(filesystem.get(), op.source) ||
        fsconfig(filesystem.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
      return false;
    }
    const auto attributes = static_cast<unsigned>(op.attributes);
    int mount = fsmount(filesystem.get(), FSMOUNT_CLOEXEC, attributes);
    // Inside a sandbox of the host's root the kernel lets us have a read-only /proc and no other
    // (plan/root_plan.cc, PlanProcForNesting).
    if (mount < 0 && errno == EPERM && (attributes & MOUNT_ATTR_RDONLY) == 0) {
      mount = fsmount(filesystem.get(), FSMOUNT_CLOEXEC, attributes | MOUNT_ATTR_RDONLY);
      if (mount >= 0) control_.ReportDegraded(ChildStage::kMounts, index, EPERM);
    }
    return Keep(op, mount);
  }

  // One call, by a path on which everything is of this process's own making.
  static bool MountIn(const FrozenMountOp& op) {
    unsigned long flags = 0;
    if ((op.attributes & MOUNT_ATTR_RDONLY) != 0) flags |= MS_RDONLY;
    if ((op.attributes & MOUNT_ATTR_NOSUID) != 0) flags |= MS_NOSUID;
    if ((op.attributes & MOUNT_ATTR_NODEV) != 0) flags |= MS_NODEV;
    if ((op.attributes & MOUNT_ATTR_NOEXEC) != 0) flags |= MS_NOEXEC;
    return mount(op.data, op.target, op.data, flags, op.source) == 0;
  }

  bool PivotRoot(const FrozenMountOp& op) {
    const int root = plan_.slots[op.slot];
    const UniqueFd old_root(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    return old_root.valid() && MoveMount(root, old_root.get()) && fchdir(root) == 0 &&
           // pivot_root(2), NOTES: with both arguments ".", the old root ends up on top of the new
           // one, where umount2 finds it.
           syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 &&
           chdir("/") == 0;
  }

  bool Scratch(const FrozenMountOp& op) {
    scratch_ = plan_.slots[op.slot];
    for (size_t i = 0; i < plan_.mount_count; ++i) {
      const FrozenMountOp& made = plan_.mounts[i];
      if (made.kind == MountOpKind::kNewFilesystem && made.slot == op.slot) {
        scratch_attributes_ = made.attributes;
      }
    }
    return Attach(op);
  }

  bool FileIn(const FrozenMountOp& op) {
    const int directory = plan_.slots[op.slot];
    if (op.data_size == 0) return mknodat(directory, op.source, S_IFREG | op.mode, 0) == 0;
    const UniqueFd file(
        openat(directory, op.source, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, op.mode));
    if (!file.valid()) return false;
    size_t written = 0;
    while (written < op.data_size) {
      const ssize_t count = write(file.get(), op.data + written, op.data_size - written);
      if (count < 0 && errno != EINTR) return false;
      if (count > 0) written += static_cast<size_t>(count);
    }
    return true;
  }

  // A copy of a mount has its attributes, and is private where that is: nothing is shared in a
  // mount namespace of another user namespace than its parent's (mount_namespaces(7)).
  int CloneScratch(const char* name, uint64_t attributes) {
    const int mount = CloneMountAt({scratch_, name}, /*recursive=*/false, closing_);
    if (mount < 0 || (attributes & ~scratch_attributes_) == 0 ||
        SetAttributes(mount, attributes, /*recursive=*/false)) {
      return mount;
    }
    close(mount);
    return -1;
  }

  // On kernels and file systems that cannot hold an upper, a run that asked for it there ends.
  bool TestOverlay(const FrozenMountOp& op) const {
    const UniqueFd lower(
        openat(plan_.slots[op.slot], "test/lower", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!lower.valid()) return false;
    const UniqueFd overlay(CreateOverlay(lower.get(), op.source, op.data, op.attributes));
    return overlay.valid() && chdir("/") == 0;
  }

  // One that has vanished since the plan was made is left out, with what was to be made of it.
  bool OpenLower(const FrozenMountOp& op) {
    const int lower = OpenAt2(AT_FDCWD, op.source, O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
    return Keep(op, lower) || errno == ENOENT;
  }

  bool CopyMode(int lower_slot, const char* to) const {
    const int from = plan_.slots[lower_slot];
    struct stat status;
    return from < 0 || (fstat(from, &status) == 0 && chmod(to, status.st_mode & 07777) == 0);
  }

  // Where the kernel or the lower's file system cannot be overlaid, the directory stays read-only,
  // as its copy from the root already is: stricter, and the user is told.
  bool Overlay(const FrozenMountOp& op, uint32_t index) {
    // The upper's root gives the overlay's root its mode.
    const int lower = plan_.slots[op.lower_slot];
    if (lower < 0) return true;
    if (!CopyMode(op.lower_slot, op.source)) return false;
    int mount = CreateOverlay(lower, op.source, op.data, op.attributes);
    if (mount < 0) {
      control_.ReportDegraded(ChildStage::kMounts, index, errno);
      mount = CloneMount(lower, /*recursive=*/true);
    }
    return chdir("/") == 0 && Keep(op, mount);
  }

  // A file that lies beside a mount, so that its directory cannot be overlaid. What belongs to
  // others, is large, or is no file, will be shown as it is: an owner cannot be copied.
  bool OpenFile(const FrozenMountOp& op) {
    const TemporaryFd object(OpenObject({AT_FDCWD, op.source}), closing_);
    if (!object.valid()) return errno == ENOENT;
    struct stat status;
    if (fstat(object.get(), &status) != 0) return false;
    if (S_ISREG(status.st_mode) && status.st_uid == geteuid() && status.st_gid == getegid() &&
        status.st_size <= kMaxCopiedFile) {
      const int file =
          OpenAt2(AT_FDCWD, op.source, O_RDONLY | O_NONBLOCK | O_NOCTTY, RESOLVE_NO_SYMLINKS);
      if (file >= 0) return Keep(op, file);
    }
    return Keep(op, CloneMount(object.get(), /*recursive=*/false));
  }

  bool ShowFile(const FrozenMountOp& op) const {
    const int file = plan_.slots[op.slot];
    if (file < 0) return true;  // it was missing
    const bool is_mount = (fcntl(file, F_GETFL) & O_PATH) != 0;
    if (!is_mount) return CopyFile(file, op.target);
    if (!MakePoint(PlaceOf(op), /*directory=*/false, closing_)) return false;
    if (AttachTo(file, PlaceOf(op), closing_)) return true;
    // Kernels (6.18, for one) mount nothing that has lost its name: it was removed or replaced
    // since it was opened.
    return errno == ENOENT && unlink(op.target) == 0;
  }

  // Only within a file system that this process has just made.
  bool AttachIn(const FrozenMountOp& op) const {
    const int mount = plan_.slots[op.slot];
    if (mount < 0) return true;  // a node that the host does not have
    return move_mount(mount, "", plan_.slots[op.lower_slot], op.source, MOVE_MOUNT_F_EMPTY_PATH) ==
           0;
  }

  bool Attach(const FrozenMountOp& op) const {
    const int mount = plan_.slots[op.slot];
    return mount < 0 || AttachTo(mount, PlaceOf(op), closing_);  // a lower that has vanished
  }

  bool Mask(const FrozenMountOp& op) {
    const TemporaryFd target(OpenAt2(AT_FDCWD, op.target, O_PATH, 0), closing_);
    // What this process cannot reach, the command, which has fewer rights, cannot reach either.
    if (!target.valid()) {
      return errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == ELOOP;
    }
    struct stat status;
    if (fstat(target.get(), &status) != 0) return false;
    // ~/.bash_history is a symlink to /dev/null for some: a device keeps no secret.
    if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) return true;
    const TemporaryFd cover(
        CloneScratch(S_ISDIR(status.st_mode) ? op.source : op.data, op.attributes), closing_);
    return cover.valid() && MoveMount(cover.get(), target.get());
  }

  bool ReadOnlyBind(const FrozenMountOp& op) const {
    const TemporaryFd copy(CloneTreeAt(PlaceOf(op), MOUNT_ATTR_RDONLY, closing_), closing_);
    return copy.valid() ? AttachTo(copy.get(), PlaceOf(op), closing_) : errno == ENOENT;
  }

  const FrozenPlan& plan_;
  const Control& control_;
  const Closing closing_;
  int scratch_ = -1;
  uint64_t scratch_attributes_ = 0;
};

}  // namespace

Step ApplyMounts(const FrozenPlan& plan, const Control& control, Closing closing) {
  Mounter mounter(plan, control, closing);
  for (uint32_t index = 0; index < plan.mount_count; ++index) {
    if (!mounter.Apply(plan.mounts[index], index)) return FailedAt(ChildStage::kMounts, index);
  }
  return Done();
}

}  // namespace mini::child
