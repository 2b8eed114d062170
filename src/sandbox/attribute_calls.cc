// Theory of operation
//
// The calling thread sleeps in its system call until it is answered. Its path is read from its
// memory once and looked up once, from its own working directory or descriptor, as it would be for
// itself; what is found is held by an O_PATH descriptor. Where that lies decides, and it is that
// descriptor that is changed, so nothing the command does meanwhile leads elsewhere. It is the
// command that is hostile here: all that is read from it is a path, a mode and two times.
#include "sandbox/attribute_calls.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/paths.h"
#include "base/strings.h"

namespace mini {
namespace {

constexpr long kFchmodat2 = 452;  // newer than the oldest headers we build with

// What of a call is needed, whichever form it has.
struct Change {
  int directory = AT_FDCWD;   // or the file itself, when there is no path
  uint64_t path_address = 0;  // in the caller's memory; 0: none
  bool is_times = false;
  uint64_t times_address = 0;  // 0: now
  mode_t mode = 0;
  int flags = 0;  // AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH
};

std::optional<Change> ChangeOf(const seccomp_data& call) {
  const auto argument = [&](int index) { return static_cast<int>(call.args[index]); };
  const auto mode = [&](int index) { return static_cast<mode_t>(call.args[index] & 07777); };
  Change change;
  switch (call.nr) {
#ifdef SYS_chmod
    case SYS_chmod:
      change.path_address = call.args[0];
      change.mode = mode(1);
      return change;
#endif
    case SYS_fchmod:
      change.directory = argument(0);
      change.mode = mode(1);
      return change;
    case SYS_fchmodat:
    case kFchmodat2:
      change.directory = argument(0);
      change.path_address = call.args[1];
      change.mode = mode(2);
      if (call.nr == kFchmodat2) change.flags = argument(3);
      return change;
    case SYS_utimensat:
      change.directory = argument(0);
      change.path_address = call.args[1];
      change.is_times = true;
      change.times_address = call.args[2];
      change.flags = argument(3);
      return change;
    default:
      return std::nullopt;
  }
}

class Caller {
 public:
  explicit Caller(pid_t pid) : directory_(StrCat("/proc/", pid)) {
    memory_ = UniqueFd(open(Path("mem").c_str(), O_RDONLY | O_CLOEXEC));
  }

  std::string Path(std::string_view name) const { return StrCat(directory_, "/", name); }

  // As many as there are, up to the array's size.
  template <size_t N>
  ssize_t Read(uint64_t address, std::array<char, N>& bytes) const {
    return memory_.valid() ? pread(memory_.get(), bytes.data(), N, static_cast<off_t>(address))
                           : -1;
  }

  std::optional<std::string> ReadPath(uint64_t address) const {
    std::array<char, PATH_MAX> bytes;
    const ssize_t count = Read(address, bytes);
    if (count <= 0) return std::nullopt;
    const std::string_view text(bytes.data(), static_cast<size_t>(count));
    const size_t length = text.find('\0');
    if (length == std::string_view::npos) return std::nullopt;
    return std::string(text.substr(0, length));
  }

 private:
  std::string directory_;
  UniqueFd memory_;
};

// Where the lookup of a path begins, and what is looked up from there (empty: that itself).
struct Lookup {
  std::string start;
  std::string rest;
};

// The part of the path up to the first slash, which is taken off with all the slashes there.
std::string_view TakeComponent(std::string_view& path) {
  const std::string_view component = path.substr(0, path.find('/'));
  path.remove_prefix(component.size());
  path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
  return component;
}

// "/proc/self/fd/3" and "/proc/self/cwd" mean the caller's, not ours: they are the lookup's start,
// the only magic links (proc(5)) that are ever followed. All others, by whatever path one comes to
// them ("/dev/fd/3", "//proc/self/cwd", a link of the command's), could be ours.
Lookup LookupOf(const Caller& caller, const Change& change, const std::string& path) {
  for (const std::string_view self : {"/proc/self/", "/proc/thread-self/"}) {
    if (!path.starts_with(self)) continue;
    std::string_view rest = std::string_view(path).substr(self.size());
    const bool is_directory = rest.ends_with('/');
    const std::string_view name = TakeComponent(rest);
    std::string start;
    if (name == "cwd") {
      start = caller.Path(name);
    } else if (name == "fd") {
      const std::string_view number = TakeComponent(rest);
      if (number.empty() || number.find_first_not_of("0123456789") != number.npos) continue;
      start = caller.Path(StrCat("fd/", number));
    } else {
      continue;
    }
    return {std::move(start), rest.empty() && is_directory ? "." : std::string(rest)};
  }
  if (IsAbsolutePath(path)) return {"/", path};
  return {change.directory == AT_FDCWD ? caller.Path("cwd")
                                       : caller.Path(StrCat("fd/", change.directory)),
          path};
}

// The file that the call means, as an O_PATH descriptor; invalid: errno says why.
UniqueFd OpenTarget(const Caller& caller, const Change& change) {
  std::string path;
  if (change.path_address != 0) {
    std::optional<std::string> read = caller.ReadPath(change.path_address);
    if (!read) {
      errno = EFAULT;
      return UniqueFd();
    }
    path = std::move(*read);
  }
  if (change.path_address != 0 && path.empty() && (change.flags & AT_EMPTY_PATH) == 0) {
    errno = ENOENT;
    return UniqueFd();
  }
  const int nofollow = (change.flags & AT_SYMLINK_NOFOLLOW) != 0 ? O_NOFOLLOW : 0;
  const Lookup lookup = LookupOf(caller, change, path);
  // A path that is nothing but a magic link may mean the link itself.
  const bool is_the_link = lookup.rest.empty() && !path.empty();
  UniqueFd start(open(lookup.start.c_str(), O_PATH | O_CLOEXEC | (is_the_link ? nofollow : 0)));
  if (!start.valid() && errno == ENOENT && !IsAbsolutePath(path)) errno = EBADF;
  if (!start.valid() || lookup.rest.empty()) return start;
  open_how how = {};
  how.flags = static_cast<uint64_t>(O_PATH | O_CLOEXEC | nofollow);
  how.resolve = RESOLVE_NO_MAGICLINKS;
  return UniqueFd(
      static_cast<int>(syscall(SYS_openat2, start.get(), lookup.rest.c_str(), &how, sizeof how)));
}

bool IsBelowAny(int file, const std::vector<std::string>& roots) {
  std::array<char, PATH_MAX> path;
  const ssize_t length = readlink(StrCat("/proc/self/fd/", file).c_str(), path.data(), path.size());
  if (length <= 0 || static_cast<size_t>(length) == path.size()) return false;
  const std::string_view where(path.data(), static_cast<size_t>(length));
  return std::any_of(roots.begin(), roots.end(),
                     [&](const std::string& root) { return IsSameOrBelow(where, root); });
}

// 0, or an errno.
int Apply(const Caller& caller, const Change& change, int file) {
  const std::string path = StrCat("/proc/self/fd/", file);
  if (!change.is_times) {
    // The command's filter refuses these before they come here; a second wall costs nothing.
    if ((change.mode & S_ISUID) != 0) return EPERM;
    struct stat status;
    if (fstat(file, &status) != 0) return errno;
    if (S_ISLNK(status.st_mode)) return EOPNOTSUPP;  // as the kernel (fchmodat(2))
    return chmod(path.c_str(), change.mode) == 0 ? 0 : errno;
  }
  std::array<char, 2 * sizeof(timespec)> bytes;
  timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
  if (change.times_address != 0) {
    if (caller.Read(change.times_address, bytes) != static_cast<ssize_t>(bytes.size())) {
      return EFAULT;
    }
    std::memcpy(times, bytes.data(), sizeof times);
  }
  // The system call itself: the C library's wrapper takes no empty path.
  return syscall(SYS_utimensat, file, "", times, AT_EMPTY_PATH) == 0 ? 0 : errno;
}

}  // namespace

AttributeCalls::AttributeCalls(UniqueFd listener, UniqueFd stop,
                               std::vector<std::string> writable_roots)
    : listener_(std::move(listener)),
      stop_(std::move(stop)),
      writable_roots_(std::move(writable_roots)),
      thread_([this] { Serve(); }) {}

Result<std::unique_ptr<AttributeCalls>> AttributeCalls::Start(
    UniqueFd listener, std::vector<std::string> writable_roots) {
  UniqueFd stop(eventfd(0, EFD_CLOEXEC));
  if (!stop.valid()) return SystemError(Stage::kSupervise, errno, "watch the command's calls");
  return std::unique_ptr<AttributeCalls>(
      new AttributeCalls(std::move(listener), std::move(stop), std::move(writable_roots)));
}

AttributeCalls::~AttributeCalls() {
  (void)eventfd_write(stop_.get(), 1);
  thread_.join();
}

void AttributeCalls::Serve() const {
  for (;;) {
    pollfd descriptors[] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (poll(descriptors, std::size(descriptors), -1) < 0 && errno != EINTR) return;
    if (descriptors[1].revents != 0) return;
    if ((descriptors[0].revents & POLLIN) != 0) {
      ServeOne();
    } else if (descriptors[0].revents != 0) {
      return;  // the last process under the filter is gone
    }
  }
}

void AttributeCalls::ServeOne() const {
  // The kernel writes its own size of these, which may be larger than that of our headers.
  seccomp_notif_sizes sizes = {};
  if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0) return;
  std::vector<uint64_t> request_memory(
      std::max<size_t>(sizes.seccomp_notif, sizeof(seccomp_notif)) / sizeof(uint64_t) + 1);
  std::vector<uint64_t> response_memory(
      std::max<size_t>(sizes.seccomp_notif_resp, sizeof(seccomp_notif_resp)) / sizeof(uint64_t) +
      1);
  auto* request = reinterpret_cast<seccomp_notif*>(request_memory.data());
  auto* response = reinterpret_cast<seccomp_notif_resp*>(response_memory.data());
  // ENOENT: the caller was killed meanwhile.
  if (ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, request) != 0) return;
  response->id = request->id;
  const auto answer = [&]() -> int {
    const std::optional<Change> change = ChangeOf(request->data);
    if (!change) return ENOSYS;
    const Caller caller(static_cast<pid_t>(request->pid));
    const UniqueFd target = OpenTarget(caller, *change);
    const int error = errno;
    // The number may belong to another process by now; then what was read is not the caller's.
    if (ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &request->id) != 0) return ENOENT;
    if (!target.valid()) return error;
    if (!IsBelowAny(target.get(), writable_roots_)) return EPERM;
    return Apply(caller, *change, target.get());
  }();
  response->error = -answer;
  (void)ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, response);
}

}  // namespace mini
