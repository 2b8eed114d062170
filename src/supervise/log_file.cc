#include "supervise/log_file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/strings.h"

namespace mini {
namespace {

// `path` from the working directory, if it lies below it by its name.
const char* BelowWorkingDirectory(const std::string& path) {
  if (path.empty() || path[0] != '/') return path.c_str();
  const std::unique_ptr<char, decltype(&std::free)> here(get_current_dir_name(), &std::free);
  if (here == nullptr || std::string_view(here.get()) == "/") return nullptr;
  const std::string prefix = StrCat(here.get(), "/");
  return path.starts_with(prefix) ? path.c_str() + prefix.size() : nullptr;
}

// Below the working directory no symlink is followed, since an earlier command may have left it
// there; elsewhere none in the last place.
UniqueFd OpenWithoutPlantedLinks(const std::string& path) {
  open_how how = {};
  // Without O_TRUNC: not before it is known what it is. O_NONBLOCK: a FIFO does not wait.
  how.flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  how.mode = 0600;
  const char* below = BelowWorkingDirectory(path);
  if (below) how.resolve = RESOLVE_NO_SYMLINKS;
  return UniqueFd(static_cast<int>(
      syscall(SYS_openat2, AT_FDCWD, below ? below : path.c_str(), &how, sizeof how)));
}

}  // namespace

Result<UniqueFd> OpenLogFile(std::string_view what, const std::string& path) {
  const std::string attempted = StrCat("open ", what, " ", EscapeForTerminal(path));
  UniqueFd file = OpenWithoutPlantedLinks(path);
  if (!file) {
    const int error = errno;
    Status status = SystemError(Stage::kProbe, error, attempted);
    if (error == ELOOP) return std::move(status).WithHint("a symlink leads there; name its target");
    return status;
  }
  struct stat status;
  if (fstat(file.get(), &status) != 0) return SystemError(Stage::kProbe, errno, attempted);
  if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || status.st_nlink != 1) {
    return Status(StatusCode::kInvalidArgument, Stage::kProbe,
                  StrCat(attempted, ": not a regular file of yours with one name"));
  }
  if (fchmod(file.get(), 0600) != 0) return SystemError(Stage::kProbe, errno, attempted);
  return file;
}

}  // namespace mini
