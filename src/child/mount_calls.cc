#include "child/mount_calls.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"

namespace mini::child {

int OpenAt2(int directory, const char* path, uint64_t flags, uint64_t resolve) {
  open_how how = {};
  how.flags = flags | O_CLOEXEC;
  how.resolve = resolve | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(syscall(SYS_openat2, directory, path, &how, sizeof how));
}

namespace {

unsigned CloneFlags(bool recursive) {
  return OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH |
         (recursive ? AT_RECURSIVE : 0u);
}

int OpenTree(int directory, const char* path, bool recursive) {
  return open_tree(directory, path, CloneFlags(recursive));
}

mount_attr PrivateWith(uint64_t attributes) {
  mount_attr attr = {};
  attr.attr_set = attributes;
  attr.propagation = MS_PRIVATE;
  return attr;
}

bool ChangeAttributes(int directory, const char* path, uint64_t attributes, bool recursive) {
  mount_attr attr = PrivateWith(attributes);
  const unsigned flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | (recursive ? AT_RECURSIVE : 0u);
  return mount_setattr(directory, path, flags, &attr, sizeof attr) == 0;
}

}  // namespace

bool Place::is_one_step() const {
  const bool is_absolute = directory == AT_FDCWD;
  return strchr(is_absolute ? path + 1 : path, '/') == nullptr;
}

int OpenObject(const Place& place) {
  return OpenAt2(place.directory, place.path, O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS);
}

int CloneMount(int descriptor, bool recursive) { return OpenTree(descriptor, "", recursive); }

int CloneMountAt(const Place& place, bool recursive, Closing closing) {
  if (place.is_one_step()) return OpenTree(place.directory, place.path, recursive);
  const TemporaryFd source(OpenObject(place), closing);
  return source.valid() ? CloneMount(source.get(), recursive) : -1;
}

int CloneTreeAt(const Place& place, uint64_t attributes, Closing closing) {
  const bool is_one_step = place.is_one_step();
  const TemporaryFd source(is_one_step ? -1 : OpenObject(place), closing);
  if (!is_one_step && !source.valid()) return -1;
  const int directory = is_one_step ? place.directory : source.get();
  const char* path = is_one_step ? place.path : "";
  // open_tree_attr(2) of Linux 6.15 is both calls in one. Where it is missing or refused, these say
  // why, if anything is wrong.
  constexpr long kOpenTreeAttr = 467;
  mount_attr attr = PrivateWith(attributes);
  const auto at_once = static_cast<int>(
      syscall(kOpenTreeAttr, directory, path, CloneFlags(/*recursive=*/true), &attr, sizeof attr));
  if (at_once >= 0) return at_once;
  const int tree = OpenTree(directory, path, /*recursive=*/true);
  if (tree < 0 || SetAttributes(tree, attributes, /*recursive=*/true)) return tree;
  const int error = errno;
  close(tree);
  errno = error;
  return -1;
}

bool SetAttributes(int descriptor, uint64_t attributes, bool recursive) {
  return ChangeAttributes(descriptor, "", attributes, recursive);
}

bool SetAttributesAt(const Place& place, uint64_t attributes, bool recursive, Closing closing) {
  if (place.is_one_step()) {
    return ChangeAttributes(place.directory, place.path, attributes, recursive);
  }
  const TemporaryFd target(OpenObject(place), closing);
  return target.valid() && SetAttributes(target.get(), attributes, recursive);
}

bool MoveMount(int mount, int target) {
  return move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0;
}

bool AttachTo(int mount, const Place& place, Closing closing) {
  if (place.is_one_step()) {
    return move_mount(mount, "", place.directory, place.path, MOVE_MOUNT_F_EMPTY_PATH) == 0;
  }
  const TemporaryFd target(OpenObject(place), closing);
  return target.valid() && MoveMount(mount, target.get());
}

bool SetOptions(int filesystem, const char* options) {
  while (*options != '\0') {
    char option[64];
    const char* end = strchrnul(options, ',');
    const size_t length = static_cast<size_t>(end - options);
    char* equals = nullptr;
    if (length < sizeof option) {
      std::memcpy(option, options, length);
      option[length] = '\0';
      equals = strchr(option, '=');
    }
    if (!equals) {
      errno = EINVAL;
      return false;
    }
    *equals = '\0';
    // A parameter that is refused leaves the others as they are (fsconfig(2)).
    const bool is_optional = option[0] == '?';
    const char* key = is_optional ? option + 1 : option;
    if (fsconfig(filesystem, FSCONFIG_SET_STRING, key, equals + 1, 0) != 0 &&
        !(is_optional && errno == EINVAL)) {
      return false;
    }
    options = *end == '\0' ? end : end + 1;
  }
  return true;
}

int CreateOverlay(int lower, const char* upper, const char* work, uint64_t attributes) {
  if (fchdir(lower) != 0) return -1;
  const UniqueFd filesystem(fsopen("overlay", FSOPEN_CLOEXEC));
  if (!filesystem.valid()) return -1;
  const auto set = [&](const char* key, const char* value) {
    return fsconfig(filesystem.get(), value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value,
                    0) == 0;
  };
  // "userxattr": the only kind that an unprivileged user namespace can write. "volatile": the
  // upper vanishes with the sandbox, so nothing is worth a sync.
  const bool created = set("lowerdir", ".") && set("upperdir", upper) && set("workdir", work) &&
                       set("userxattr", nullptr) && set("volatile", nullptr) &&
                       fsconfig(filesystem.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0;
  if (!created) return -1;
  return fsmount(filesystem.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes));
}

bool MakePoint(const Place& place, bool directory, Closing closing) {
  const bool is_absolute = place.directory == AT_FDCWD;
  TemporaryFd opened(is_absolute ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1, closing);
  int parent = is_absolute ? opened.get() : place.directory;
  for (const char* name = is_absolute ? place.path + 1 : place.path; parent >= 0;) {
    const char* end = strchrnul(name, '/');
    const bool last = *end == '\0';
    char component[NAME_MAX + 1];
    const size_t length = static_cast<size_t>(end - name);
    if (length >= sizeof component) {
      errno = ENAMETOOLONG;
      return false;
    }
    std::memcpy(component, name, length);
    component[length] = '\0';
    if (last && !directory) {
      return mknodat(parent, component, S_IFREG | 0644, 0) == 0 || errno == EEXIST;
    }
    if (mkdirat(parent, component, 0755) != 0 && errno != EEXIST) return false;
    if (last) return true;
    opened.reset(OpenAt2(parent, component, O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS));
    parent = opened.get();
    name = end + 1;
  }
  return false;
}

bool CopyFile(int from, const char* to) {
  struct stat status;
  const UniqueFd copy(open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!copy.valid() || fstat(from, &status) != 0) return false;
  // No more than it held: somebody may be appending to it.
  ssize_t count = 0;
  for (off_t left = status.st_size; left > 0; left -= count) {
    count = sendfile(copy.get(), from, nullptr, static_cast<size_t>(left));
    if (count <= 0) break;
  }
  const timespec times[2] = {status.st_atim, status.st_mtim};
  return count >= 0 && fchmod(copy.get(), status.st_mode & 07777) == 0 &&
         futimens(copy.get(), times) == 0;
}

}  // namespace mini::child
