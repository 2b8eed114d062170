// The same file through another mount: a descriptor keeps the one it was opened on.
#ifndef MINI_SANDBOX_CHILD_REOPEN_H_
#define MINI_SANDBOX_CHILD_REOPEN_H_

#include <sys/stat.h>

namespace mini::child {

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
  // "fd/N", for a descriptor of /proc/self.
  const char* below_self() const { return text_ + sizeof "/proc/self/" - 1; }

 private:
  static constexpr char kPrefix[] = "/proc/self/fd/";
  char text_[sizeof kPrefix + 12] = "/proc/self/fd/";
};

// Whether this user may change the file behind `fd` though the descriptor is for reading only.
// `is_own`: it is this user's, which st_uid tells only those of the user namespace where `status`
// was read.
bool MayBeChanged(int fd, const struct stat& status, bool is_own);

// The object of that name, as a descriptor of O_PATH, when it is the expected one; else -1, with
// ESTALE when it is another.
int OpenExpected(const char* name, const struct stat& expected);

// A new descriptor for the file behind `fd`, on a detached read-only copy of its mount point, with
// these flags; -1 on failure. `fd` stays as it is.
int OpenReadOnly(int fd, const struct stat& status, int flags);

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_REOPEN_H_
