// Theory of operation
//
// A command can make a tree deeper than any stack or descriptor limit. So the tree is made flat
// while it is removed: a directory that is not empty is opened, its plain entries are unlinked, and
// its directories are moved up into the root under numbers. Then it is empty and goes. The root is
// read again until nothing is left; every turn removes a directory or ends with an error. All is
// done on descriptors of directories (openat2(2)), never on paths.
#include "sys/remove_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "base/unique_fd.h"

namespace mini {
namespace {

int OpenBeneath(int parent, const char* name, uint64_t flags) {
  open_how how = {};
  how.flags = flags | O_CLOEXEC | O_NOFOLLOW;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(syscall(SYS_openat2, parent, name, &how, sizeof how));
}

// chmod(2) of what an O_PATH descriptor stands for: fchmod(2) refuses those.
bool OpenUp(int descriptor) {
  std::array<char, 32> path{"/proc/self/fd/"};
  *std::to_chars(path.data() + 14, path.data() + path.size() - 1, descriptor).ptr = '\0';
  return chmod(path.data(), 0700) == 0;
}

// A subdirectory's entries are a number's text away from a name of their own in the root.
class FlatNames {
 public:
  const char* Next() {
    *std::to_chars(text_.data() + kPrefix, text_.data() + text_.size() - 1, count_++).ptr = '\0';
    return text_.data();
  }

 private:
  static constexpr size_t kPrefix = 5;
  std::array<char, 32> text_{"flat-"};
  uint64_t count_ = 0;
};

// Calls `remove` for each entry but "." and ".."; false when one of the calls says so.
template <typename Function>
bool ForEachEntry(int directory, Function remove) {
  alignas(dirent64) char buffer[16 << 10];
  if (lseek(directory, 0, SEEK_SET) != 0) return false;
  for (;;) {
    const long size = syscall(SYS_getdents64, directory, buffer, sizeof buffer);
    if (size <= 0) return size == 0;
    for (long offset = 0; offset < size;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer + offset);
      offset += entry->d_reclen;
      if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
      if (!remove(entry->d_name)) return false;
    }
  }
}

// What needs no look inside: a file, or an empty directory.
bool RemoveSimple(int directory, const char* name) {
  if (unlinkat(directory, name, 0) == 0) return true;
  return (errno == EISDIR || errno == EPERM) && unlinkat(directory, name, AT_REMOVEDIR) == 0;
}

bool MoveUp(int directory, const char* name, int root, FlatNames& names) {
  // A directory that changes its parent has to be writable itself (rename(2)).
  const UniqueFd moved(OpenDirectoryBeneath(directory, name));
  if (!moved) return false;
  while (renameat2(directory, name, root, names.Next(), RENAME_NOREPLACE) != 0) {
    if (errno != EEXIST) return false;
  }
  return true;
}

bool RemoveEntry(int root, const char* name, FlatNames& names) {
  if (RemoveSimple(root, name)) return true;
  if (errno != ENOTEMPTY && errno != EEXIST) return errno == ENOENT;
  const UniqueFd directory(OpenDirectoryBeneath(root, name));
  if (!directory) return false;
  // Reading while removing may skip entries, so until it is empty.
  while (unlinkat(root, name, AT_REMOVEDIR) != 0) {
    if (errno != ENOTEMPTY && errno != EEXIST) return false;
    bool any = false;
    const bool read = ForEachEntry(directory.get(), [&](const char* entry) {
      any = true;
      return RemoveSimple(directory.get(), entry) || ((errno == ENOTEMPTY || errno == EEXIST) &&
                                                      MoveUp(directory.get(), entry, root, names));
    });
    if (!read) return false;
    if (!any) {
      errno = ENOTEMPTY;
      return false;
    }
  }
  return true;
}

}  // namespace

int OpenDirectoryBeneath(int parent, const char* name) {
  const UniqueFd directory(OpenBeneath(parent, name, O_PATH | O_DIRECTORY));
  struct stat status;
  if (!directory || fstat(directory.get(), &status) != 0) return -1;
  if ((status.st_mode & 0700) != 0700 && !OpenUp(directory.get())) return -1;
  return openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int RemoveTree(int parent, const char* name) {
  const UniqueFd root(OpenDirectoryBeneath(parent, name));
  if (!root) return errno;
  FlatNames names;
  while (unlinkat(parent, name, AT_REMOVEDIR) != 0) {
    if (errno != ENOTEMPTY && errno != EEXIST) return errno;
    bool any = false;
    const bool read = ForEachEntry(root.get(), [&](const char* entry) {
      any = true;
      return RemoveEntry(root.get(), entry, names);
    });
    if (!read) return errno;
    if (!any) return ENOTEMPTY;
  }
  return 0;
}

}  // namespace mini
