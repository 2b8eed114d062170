// Undoing mounts from a user namespace of one's own, with every capability there: each path given
// is a mount point of the sandbox. What is under it shows when one of these succeeds.
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "attempt.h"
#include "mount_calls.h"

namespace mini::probe {
namespace {

constexpr const char* kElsewhere = "/tmp/elsewhere";
constexpr const char* kElsewhereFile = "/tmp/elsewhere-file";

// Something of the same kind to move a mount to.
const char* PlaceFor(const char* path) {
  struct stat status = {};
  stat(path, &status);
  return S_ISDIR(status.st_mode) ? kElsewhere : kElsewhereFile;
}

int Move(const char* path) { return ErrnoOf(mount(path, PlaceFor(path), nullptr, kMove, nullptr)); }

int MoveMount(const char* path) {
  const auto tree = static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLOEXEC));
  if (tree == -1) return errno;
  const int error =
      ErrnoOf(syscall(SYS_move_mount, tree, "", AT_FDCWD, PlaceFor(path), MOVE_MOUNT_F_EMPTY_PATH));
  close(tree);
  return error;
}

int Clear(const char* path, uint64_t attributes, unsigned flags) {
  mount_attr attr = {};
  attr.attr_clr = attributes;
  return ErrnoOf(syscall(SYS_mount_setattr, AT_FDCWD, path, flags, &attr, sizeof attr));
}

// A copy without the mounts below would show what they cover.
int CloneParentAlone(const char* path) {
  const std::string text = path;
  const std::string parent = text.substr(0, text.rfind('/') + 1);
  return ErrnoOf(
      syscall(SYS_open_tree, AT_FDCWD, parent.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
}

void Print(const char* name, const char* path, int error) {
  std::printf("%s %s: %s%s\n", name, path, error == 0 ? "allowed" : "refused ",
              error == 0 ? "" : strerrorname_np(error));
}

bool IsReadOnly(const char* path) {
  struct statvfs status = {};
  return statvfs(path, &status) == 0 && (status.f_flag & ST_RDONLY) != 0;
}

}  // namespace

int UndoCovers(int count, char** paths) {
  mkdir(kElsewhere, 0700);
  close(open(kElsewhereFile, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  for (int i = 0; i < count; ++i) {
    const char* path = paths[i];
    Print("umount", path, ErrnoOf(umount2(path, 0)));
    Print("umount-detach", path, ErrnoOf(umount2(path, kDetach)));
    Print("move", path, Move(path));
    Print("move_mount", path, MoveMount(path));
    Print("clone-parent", path, CloneParentAlone(path));
    Print("clear-nosuid", path, Clear(path, MOUNT_ATTR_NOSUID, 0));
    if (!IsReadOnly(path)) continue;
    Print("remount", path, ErrnoOf(mount(nullptr, path, nullptr, kRemount | kBind, nullptr)));
    Print("clear-read-only", path, Clear(path, MOUNT_ATTR_RDONLY, 0));
    Print("clear-read-only-below", path, Clear(path, MOUNT_ATTR_RDONLY, AT_RECURSIVE));
  }
  return 0;
}

}  // namespace mini::probe
