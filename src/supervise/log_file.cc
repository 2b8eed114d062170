#include "supervise/log_file.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/strings.h"

// Theory of operation: the path is walked from directory to directory, as path_resolution(7) does,
// since by its text alone nobody can tell whether it leads through a directory that a command may
// write: that may be spelt in many ways, and symlinks of the user's may lead there. From the first
// such directory on, the kernel walks the rest and follows no symlink.

namespace mini {
namespace {

constexpr int kMaxSymlinks = 40;  // As the kernel's (path_resolution(7)).

bool IsSame(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

// The directories where a command may have left symlinks. Not "/", which nobody works in and from
// which every path leads through the system's own.
std::vector<struct stat> PlacesOfCommands(const std::vector<std::string>& writable) {
  struct stat root = {};
  if (stat("/", &root) != 0) return {};
  std::vector<struct stat> places;
  const auto add = [&](const char* path) {
    struct stat place = {};
    if (stat(path, &place) == 0 && !IsSame(place, root)) places.push_back(place);
  };
  add(".");
  for (const std::string& path : writable) add(path.c_str());
  return places;
}

// What is left of a path to walk, the next component last.
std::vector<std::string> ComponentsBackwards(std::string_view path) {
  std::vector<std::string> components;
  for (const std::string_view component : StrSplit(path, '/')) {
    if (!component.empty()) components.emplace_back(component);
  }
  std::reverse(components.begin(), components.end());
  return components;
}

UniqueFd OpenDirectory(const char* path) {
  return UniqueFd(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

// The directory from which the kernel may open `rest`. Invalid, with errno: an error.
struct Start {
  UniqueFd directory;
  std::string rest;
  bool follows_no_symlink = false;
};

// One step from `start.directory` to `name`; a symlink's target is put before the rest.
bool Step(const std::string& name, Start& start, std::vector<std::string>& left, int& symlinks) {
  // O_DIRECTORY: what autofs mounts on demand is mounted (open(2), O_PATH).
  constexpr int kFlags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  if (UniqueFd next(openat(start.directory.get(), name.c_str(), kFlags)); next) {
    start.directory = std::move(next);
    return true;
  }
  if (errno != ENOTDIR && errno != ELOOP) return false;
  std::array<char, PATH_MAX> target;
  const ssize_t length =
      readlinkat(start.directory.get(), name.c_str(), target.data(), target.size());
  if (length < 0 || ++symlinks > kMaxSymlinks) {
    errno = length < 0 ? ENOTDIR : ELOOP;
    return false;
  }
  const std::string_view text(target.data(), static_cast<size_t>(length));
  for (std::string& component : ComponentsBackwards(text)) left.push_back(std::move(component));
  if (text.starts_with('/')) start.directory = OpenDirectory("/");
  return static_cast<bool>(start.directory);
}

Start FindStart(const std::string& path, const std::vector<std::string>& writable) {
  const std::vector<struct stat> places = PlacesOfCommands(writable);
  const bool is_absolute = path.starts_with('/');
  std::vector<std::string> left = ComponentsBackwards(path);
  Start start{OpenDirectory(is_absolute ? "/" : "."), {}, !is_absolute};
  int symlinks = 0;
  while (start.directory && left.size() > 1 && !start.follows_no_symlink) {
    const std::string name = std::move(left.back());
    left.pop_back();
    struct stat here = {};
    if (!Step(name, start, left, symlinks) || fstat(start.directory.get(), &here) != 0) return {};
    start.follows_no_symlink =
        std::any_of(places.begin(), places.end(),
                    [&](const struct stat& place) { return IsSame(here, place); });
  }
  for (; !left.empty(); left.pop_back()) {
    start.rest += left.back();
    if (left.size() > 1 || path.ends_with('/')) start.rest += '/';
  }
  return start;
}

struct Opened {
  UniqueFd file;
  bool is_new = false;
};

// An invalid file, with errno, is an error.
Opened OpenWithoutPlantedLinks(const std::string& path, const std::vector<std::string>& writable) {
  const Start start = FindStart(path, writable);
  if (!start.directory) return {};
  open_how how = {};
  if (start.follows_no_symlink) how.resolve = RESOLVE_NO_SYMLINKS;
  const auto open_with = [&](int more, mode_t mode) {
    // Without O_TRUNC: not before it is known what it is. O_NONBLOCK: a FIFO does not wait.
    constexpr int kFlags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    how.flags = static_cast<decltype(how.flags)>(kFlags | more);
    how.mode = mode;
    return UniqueFd(static_cast<int>(
        syscall(SYS_openat2, start.directory.get(), start.rest.c_str(), &how, sizeof how)));
  };
  if (UniqueFd existing = open_with(0, 0); existing || errno != ENOENT) {
    return {std::move(existing), false};
  }
  if (UniqueFd made = open_with(O_CREAT | O_EXCL, 0600); made || errno != EEXIST) {
    return {std::move(made), true};
  }
  return {open_with(0, 0), false};  // Another run has made it since.
}

}  // namespace

Result<UniqueFd> OpenLogFile(std::string_view what, const std::string& path,
                             const std::vector<std::string>& writable) {
  const std::string attempted = StrCat("open ", what, " ", EscapeForTerminal(path));
  Opened opened = OpenWithoutPlantedLinks(path, writable);
  if (!opened.file) {
    const int error = errno;
    Status status = SystemError(Stage::kProbe, error, attempted);
    if (error == ELOOP) return std::move(status).WithHint("a symlink leads there; name its target");
    return status;
  }
  struct stat status;
  if (fstat(opened.file.get(), &status) != 0) {
    return SystemError(Stage::kProbe, errno, attempted);
  }
  if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || status.st_nlink != 1) {
    return Status(StatusCode::kInvalidArgument, Stage::kProbe,
                  StrCat(attempted, ": not a regular file of yours with one name"));
  }
  return std::move(opened.file);
}

bool IsSameFile(int one, int other) {
  struct stat first = {};
  struct stat second = {};
  return fstat(one, &first) == 0 && fstat(other, &second) == 0 && IsSame(first, second);
}

}  // namespace mini
