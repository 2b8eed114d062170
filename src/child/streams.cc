// Theory of operation
//
// A descriptor keeps the mount it was opened on, and that is the host's. So the file is looked up
// by the name that /proc gives it, compared by device and inode, and opened on a detached copy of
// that one mount point, made read-only. When there is a name but not this file behind it, the step
// fails: leaving the stream as it is would leave the hole.
#include "child/streams.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace mini::child {
namespace {

// "/proc/self/fd/N", without the formatting functions, which may allocate.
class DescriptorPath {
 public:
  explicit DescriptorPath(int fd) {
    char* end = text_ + sizeof kPrefix - 1;
    for (int power = 1'000'000'000; power > 0; power /= 10) {
      if (fd >= power || power == 1) *end++ = static_cast<char>('0' + fd / power % 10);
    }
    *end = '\0';
  }
  const char* get() const { return text_; }

 private:
  static constexpr char kPrefix[] = "/proc/self/fd/";
  char text_[sizeof kPrefix + 12] = "/proc/self/fd/";
};

bool NeedsProtection(int stream, int flags, const struct stat& status) {
  const bool is_terminal = S_ISCHR(status.st_mode) && isatty(stream);
  const bool is_source = S_ISREG(status.st_mode) && (flags & O_ACCMODE) == O_RDONLY;
  if (!is_terminal && !is_source) return false;
  if (status.st_nlink == 0) return false;  // gone when the last descriptor is
  // Only the owner changes a mode, and only who may write changes the rest.
  return status.st_uid == geteuid() ||
         faccessat(AT_FDCWD, DescriptorPath(stream).get(), W_OK, AT_EACCESS) == 0;
}

// The object that the stream's name leads to, when it is the same.
int OpenByName(int stream, const struct stat& expected) {
  char path[PATH_MAX];
  const ssize_t length = readlink(DescriptorPath(stream).get(), path, sizeof path - 1);
  if (length < 0) return -1;
  path[length] = '\0';
  open_how how = {};
  how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const auto object = static_cast<int>(syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how));
  struct stat found;
  if (object < 0 || fstat(object, &found) != 0) return -1;
  if (found.st_dev != expected.st_dev || found.st_ino != expected.st_ino) {
    errno = ESTALE;
    return -1;
  }
  return object;
}

bool ReopenReadOnly(int stream, int flags, const struct stat& status) {
  const int object = OpenByName(stream, status);
  if (object < 0) return false;
  const int mount = open_tree(object, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  mount_attr attr = {};
  attr.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
  attr.propagation = MS_PRIVATE;
  if (mount < 0 || mount_setattr(mount, "", AT_EMPTY_PATH, &attr, sizeof attr) != 0) return false;
  const int kept = flags & (O_ACCMODE | O_APPEND | O_NONBLOCK);
  const int opened = open(DescriptorPath(mount).get(), kept | O_NOCTTY | O_CLOEXEC);
  if (opened < 0) return false;
  const off_t offset = lseek(stream, 0, SEEK_CUR);
  if (offset > 0 && S_ISREG(status.st_mode) && lseek(opened, offset, SEEK_SET) < 0) return false;
  const bool replaced = dup2(opened, stream) >= 0;
  close(opened);
  close(mount);
  close(object);
  return replaced;
}

}  // namespace

Step ProtectStreams() {
  for (int stream = 0; stream <= 2; ++stream) {
    const int flags = fcntl(stream, F_GETFL);
    struct stat status;
    if (flags < 0 || fstat(stream, &status) != 0) continue;
    if (!NeedsProtection(stream, flags, status)) continue;
    if (!ReopenReadOnly(stream, flags, status)) {
      return FailedAt(ChildStage::kStreams, static_cast<uint32_t>(stream));
    }
  }
  return Done();
}

}  // namespace mini::child
