// Theory of operation
//
// A path on which lstat(2) finds only directories up to the last component is its own canonical
// form. The reader remembers them, so that most paths cost one call each. Where more than two
// components are unknown, openat2(2) tells the same with three calls. A symlink that plainly names
// a path is followed; behind any other the kernel is asked where it leads, by way of /proc.
//
// O_PATH looks at the object without opening it: no FIFO blocks, no device is touched (open(2)).
#include "sys/path_facts.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <utility>

#include "base/paths.h"
#include "base/strings.h"
#include "base/unique_fd.h"

namespace mini {
namespace {

// More than any that is meant. Behind more the kernel decides.
constexpr int kMostLinks = 8;

PathKind KindOf(mode_t mode) {
  if (S_ISDIR(mode)) return PathKind::kDirectory;
  if (S_ISREG(mode)) return PathKind::kFile;
  return PathKind::kOther;
}

bool IsMissing(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

// Where an open descriptor points to. Empty for what has no path: a pipe reached through
// /dev/stdin, say.
Result<std::string> PathOfDescriptor(int fd, const std::string& path) {
  std::array<char, 32> link{"/proc/self/fd/"};
  *std::to_chars(link.data() + 14, link.data() + link.size() - 1, fd).ptr = '\0';
  std::array<char, PATH_MAX> target;
  const ssize_t length = readlink(link.data(), target.data(), target.size());
  if (length < 0) {
    const int error = errno;
    Status status = SystemError(Stage::kProbe, error,
                                StrCat("find the canonical path of ", EscapeForTerminal(path)));
    if (error == ENOENT) return std::move(status).WithHint("/proc must be mounted");
    return status;
  }
  const std::string_view found(target.data(), static_cast<size_t>(length));
  return std::string(IsAbsolutePath(found) ? found : std::string_view());
}

// What cannot be opened; nullopt where that is no answer.
std::optional<PathFact> FactOfError(int error) {
  PathFact fact;
  if (error == EACCES) fact.kind = PathKind::kOther;
  return error == EACCES || IsMissing(error) ? std::optional(fact) : std::nullopt;
}

Status LookError(int error, const std::string& path) {
  return SystemError(Stage::kProbe, error, StrCat("look at ", EscapeForTerminal(path)));
}

Result<PathKind> KindOfDescriptor(int fd, const std::string& path) {
  struct stat status;
  if (fstat(fd, &status) == 0) return KindOf(status.st_mode);
  return SystemError(Stage::kProbe, errno, StrCat("stat ", EscapeForTerminal(path)));
}

// Of an existing path, by way of /proc.
Result<PathFact> Follow(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!fd) {
    const int error = errno;
    if (const auto fact = FactOfError(error)) return *fact;
    return LookError(error, path);
  }
  PathFact fact;
  MINI_ASSIGN_OR_RETURN(fact.kind, KindOfDescriptor(fd.get(), path));
  MINI_ASSIGN_OR_RETURN(fact.canonical, PathOfDescriptor(fd.get(), path));
  return fact;
}

// nullopt where a symlink is on the way, or openat2(2) is missing.
Result<std::optional<PathFact>> LookWithoutSymlinks(const std::string& path) {
  open_how how = {};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;
  const UniqueFd fd(
      static_cast<int>(syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
  if (!fd) return errno == ENOENT ? std::optional(PathFact()) : std::nullopt;
  PathFact fact;
  MINI_ASSIGN_OR_RETURN(fact.kind, KindOfDescriptor(fd.get(), path));
  fact.canonical = path;
  return std::optional(std::move(fact));
}

// Where a symlink of which the way is known leads, if its text says so plainly: normalized, but
// perhaps through other symlinks. Empty for "/", for what goes up, for links of the kernel's own
// (proc_pid_fd(5)), which are longer or shorter than they say, and for those of users, which the
// kernel may not want to be followed (proc_sys_fs(5), protected_symlinks).
std::string PlainTargetOf(const std::string& link, const struct stat& status) {
  if (status.st_uid != 0) return "";
  std::array<char, PATH_MAX> buffer;
  const ssize_t length = readlink(link.c_str(), buffer.data(), buffer.size());
  if (length <= 0 || length != status.st_size) return "";
  const std::string_view text(buffer.data(), static_cast<size_t>(length));
  const std::string target = IsAbsolutePath(text)
                                 ? std::string(text)
                                 : JoinPath(link.substr(0, link.rfind('/') + 1), text);
  if (target == "/" || IsSameOrBelow(target, "/proc") || target != NormalizePath(target)) return "";
  return target;
}

}  // namespace

size_t PathFactReader::UnknownSteps(const std::string& path) const {
  size_t end = path.size();
  size_t steps = 0;
  for (; end > 0; end = path.rfind('/', end - 1)) {
    if (known_.contains(path.substr(0, end))) break;
    ++steps;
  }
  return steps;
}

Result<std::optional<PathFact>> PathFactReader::Walk(std::string path) {
  int links = 0;
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const bool is_last = end == std::string::npos;
    std::string place = path.substr(0, end);
    struct stat status = {};
    const auto known = known_.find(place);
    if (known != known_.end()) {
      if (known->second == Found::kMissing) return std::optional(PathFact());
      status.st_mode = S_IFDIR;
    } else if (lstat(place.c_str(), &status) != 0) {
      const int error = errno;
      if (IsMissing(error)) known_.emplace(std::move(place), Found::kMissing);
      if (auto fact = FactOfError(error)) return fact;
      return LookError(error, path);
    } else if (S_ISLNK(status.st_mode)) {
      if (++links > kMostLinks) return std::optional<PathFact>();
      const std::string target = PlainTargetOf(place, status);
      if (target.empty()) return std::optional<PathFact>();
      path = is_last ? target : target + path.substr(end);
      end = 0;
      continue;
    } else if (S_ISDIR(status.st_mode)) {
      known_.emplace(std::move(place), Found::kDirectory);
    } else if (!is_last) {
      return std::optional(PathFact());
    }
    if (is_last) return std::optional(PathFact{.kind = KindOf(status.st_mode), .canonical = path});
  }
}

// What a path without symlinks tells of its parts.
void PathFactReader::Remember(const std::string& path, PathKind kind) {
  for (size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1)) {
    known_.emplace(path.substr(0, end), Found::kDirectory);
  }
  if (kind == PathKind::kDirectory) known_.emplace(path, Found::kDirectory);
}

Result<PathFact> PathFactReader::Read(const std::string& path) {
  constexpr size_t kMostSteps = 2;
  if (path == "/" || path != NormalizePath(path)) return Follow(path);
  std::optional<PathFact> fact;
  if (UnknownSteps(path) <= kMostSteps) {
    MINI_ASSIGN_OR_RETURN(fact, Walk(path));
  } else {
    MINI_ASSIGN_OR_RETURN(fact, LookWithoutSymlinks(path));
    if (fact && !fact->canonical.empty()) Remember(path, fact->kind);
  }
  if (fact) return *std::move(fact);
  return Follow(path);
}

Result<PathFact> ReadPathFact(const std::string& path) { return PathFactReader().Read(path); }

}  // namespace mini
