// Changing the mount tree, by the old calls and by the new ones.
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "attempt.h"
#include "mount_calls.h"

namespace mini::probe {
namespace {

int MountTmpfs() { return ErrnoOf(mount("none", "/tmp", "tmpfs", 0, nullptr)); }
int MountBind() { return ErrnoOf(mount("/", "/tmp", nullptr, kBind, nullptr)); }
int RemountRoot() { return ErrnoOf(mount(nullptr, "/", nullptr, kRemount | kBind, nullptr)); }
int RemountProc() { return ErrnoOf(mount(nullptr, "/proc", nullptr, kRemount | kBind, nullptr)); }
int MountProc() { return ErrnoOf(mount("proc", "/tmp", "proc", 0, nullptr)); }
int UmountProc() { return ErrnoOf(umount2("/proc", kDetach)); }
int UmountTmp() { return ErrnoOf(umount2("/tmp", kDetach)); }
int PivotRoot() { return ErrnoOf(syscall(SYS_pivot_root, ".", ".")); }
int Chroot() { return ErrnoOf(chroot("/")); }

int OpenTreeClone() {
  return ErrnoOf(syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
}

int MoveMount() {
  int tree = static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, "/tmp", OPEN_TREE_CLOEXEC));
  if (tree == -1) return errno;
  return ErrnoOf(syscall(SYS_move_mount, tree, "", AT_FDCWD, "/dev/shm", MOVE_MOUNT_F_EMPTY_PATH));
}

int MountSetattr() {
  mount_attr attr = {};
  attr.attr_clr = MOUNT_ATTR_RDONLY;
  return ErrnoOf(syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attr, sizeof attr));
}

int Fsopen() { return ErrnoOf(syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC)); }
int Fspick() { return ErrnoOf(syscall(SYS_fspick, AT_FDCWD, "/tmp", FSPICK_CLOEXEC)); }

constexpr Attempt kAttempts[] = {
    {"mount-tmpfs", MountTmpfs},
    {"mount-bind", MountBind},
    {"mount-proc", MountProc},
    {"remount-root", RemountRoot},
    {"remount-proc", RemountProc},
    {"umount-proc", UmountProc},
    {"umount-tmp", UmountTmp},
    {"pivot_root", PivotRoot},
    {"chroot", Chroot},
    {"open_tree-clone", OpenTreeClone},
    {"move_mount", MoveMount},
    {"mount_setattr", MountSetattr},
    {"fsopen", Fsopen},
    {"fspick", Fspick},
};

}  // namespace

std::span<const Attempt> MountAttempts() { return kAttempts; }

}  // namespace mini::probe
