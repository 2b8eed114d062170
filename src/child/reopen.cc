// Theory of operation
//
// A descriptor keeps the mount it was opened on, and that is the host's. So the file is looked up
// by the name that /proc gives it, compared by device and inode, and opened on a detached copy of
// that one mount point, made read-only.
#include "child/reopen.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/unique_fd.h"

namespace mini::child {

bool MayBeChanged(int fd, const struct stat& status, bool is_own) {
  if (status.st_nlink == 0) return false;  // gone when the last descriptor is
  // Only the owner changes a mode, and only who may write changes the rest.
  return is_own || faccessat(AT_FDCWD, DescriptorPath(fd).get(), W_OK, AT_EACCESS) == 0;
}

int OpenExpected(const char* name, const struct stat& expected) {
  open_how how = {};
  how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  UniqueFd object(static_cast<int>(syscall(SYS_openat2, AT_FDCWD, name, &how, sizeof how)));
  struct stat found;
  if (!object || fstat(object.get(), &found) != 0) return -1;
  if (found.st_dev != expected.st_dev || found.st_ino != expected.st_ino) {
    object.reset();
    errno = ESTALE;
    return -1;
  }
  return object.release();
}

int OpenReadOnly(int fd, const struct stat& status, int flags) {
  char name[PATH_MAX];
  const ssize_t length = readlink(DescriptorPath(fd).get(), name, sizeof name - 1);
  if (length < 0) return -1;
  name[length] = '\0';
  const UniqueFd object(OpenExpected(name, status));
  if (!object) return -1;
  const UniqueFd mount(static_cast<int>(
      open_tree(object.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH)));
  mount_attr attr = {};
  attr.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
  attr.propagation = MS_PRIVATE;
  if (!mount || mount_setattr(mount.get(), "", AT_EMPTY_PATH, &attr, sizeof attr) != 0) return -1;
  return open(DescriptorPath(mount.get()).get(), flags | O_NOCTTY | O_CLOEXEC);
}

}  // namespace mini::child
