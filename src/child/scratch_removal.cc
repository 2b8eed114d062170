// Theory of operation
//
// A tree of any depth is removed with two open directories: the entries of every subdirectory are
// moved up into the scratch directory itself, under new names, until it has only files and empty
// directories.
#include "child/scratch_removal.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace mini::child {
namespace {

// As the kernel writes it (getdents64(2)).
struct Entry {
  uint64_t inode;
  int64_t offset;
  uint16_t size;
  uint8_t type;
  char name[];
};

int OpenDirectory(int parent, const char* name) {
  open_how how = {};
  how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  return static_cast<int>(syscall(SYS_openat2, parent, name, &how, sizeof how));
}

bool IsDots(const char* name) {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

// Calls `each` for every name in the directory, from the beginning; stops when it says false.
template <typename Each>
bool ForEachName(int directory, Each each) {
  if (lseek(directory, 0, SEEK_SET) != 0) return false;
  alignas(Entry) char buffer[8192];
  for (;;) {
    const long size = syscall(SYS_getdents64, directory, buffer, sizeof buffer);
    if (size <= 0) return size == 0;
    for (long at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const Entry*>(buffer + at);
      at += entry->size;
      if (!IsDots(entry->name) && !each(entry->name)) return false;
    }
  }
}

// New names in the scratch directory, so unlikely as to be free: a taken one is skipped.
class NewName {
 public:
  const char* Next() {
    uint64_t rest = ++counter_;
    for (char* digit = text_ + sizeof text_ - 2; digit >= text_ + kPrefix; --digit) {
      *digit = "0123456789abcdef"[rest % 16];
      rest /= 16;
    }
    return text_;
  }

 private:
  static constexpr int kPrefix = 9;
  uint64_t counter_ = 0;
  char text_[kPrefix + 17] = ".removed-0000000000000000";
};

bool MoveUp(int from, const char* name, int scratch, NewName& new_name) {
  for (;;) {
    const long moved =
        syscall(SYS_renameat2, from, name, scratch, new_name.Next(), 1u);  // NOREPLACE
    if (moved == 0 || errno != EEXIST) return moved == 0;
  }
}

// Best effort: what follows says whether it helped.
void OpenMode(int parent, const char* directory) {
  if (fchmodat(parent, directory, 0700, 0) != 0) return;
}

// Files go; a directory's entries are moved up, and it goes.
bool RemoveEntry(int scratch, const char* name, NewName& new_name) {
  if (unlinkat(scratch, name, 0) == 0) return true;
  if (errno != EISDIR) return false;
  if (unlinkat(scratch, name, AT_REMOVEDIR) == 0) return true;
  // Its owner's modes may forbid to look into it. It is a directory, so no symlink is followed.
  OpenMode(scratch, name);
  const int directory = OpenDirectory(scratch, name);
  if (directory < 0) return false;
  const bool emptied = ForEachName(directory, [&](const char* inner) {
    if (unlinkat(directory, inner, 0) == 0) return true;
    // To move a directory, its own ".." has to be writable (rename(2)).
    OpenMode(directory, inner);
    return MoveUp(directory, inner, scratch, new_name);
  });
  close(directory);
  // What getdents64 skipped while entries moved is found in the next round.
  return emptied && (unlinkat(scratch, name, AT_REMOVEDIR) == 0 || errno == ENOTEMPTY);
}

}  // namespace

bool RemoveScratch(const char* directory) {
  (void)chmod(directory, 0700);
  const int scratch = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (scratch < 0) return errno == ENOENT;
  NewName new_name;
  bool going_on = true;
  bool empty = false;
  while (going_on && !empty) {
    empty = true;
    going_on = ForEachName(scratch, [&](const char* name) {
      empty = false;
      return RemoveEntry(scratch, name, new_name);
    });
  }
  const int error = errno;
  close(scratch);
  if (!going_on) {
    errno = error;
    return false;
  }
  return rmdir(directory) == 0;
}

}  // namespace mini::child
