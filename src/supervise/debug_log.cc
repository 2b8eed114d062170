#include "supervise/debug_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "base/strings.h"

namespace mini {

DebugLog::DebugLog(UniqueFd file)
    : file_(std::move(file)), begun_(std::chrono::steady_clock::now()) {}

Result<DebugLog> DebugLog::Open(const std::string& path) {
  const std::string attempted = StrCat("open the debug log ", EscapeForTerminal(path));
  // Without O_TRUNC: not before it is known what it is. O_NONBLOCK: a FIFO does not wait.
  UniqueFd file(open(path.c_str(),
                     O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                     0600));
  if (!file) {
    const int error = errno;
    Status status = SystemError(Stage::kProbe, error, attempted);
    if (error == ELOOP) return std::move(status).WithHint("it is a symlink; name its target");
    return status;
  }
  struct stat status;
  if (fstat(file.get(), &status) != 0) return SystemError(Stage::kProbe, errno, attempted);
  if (!S_ISREG(status.st_mode) || status.st_uid != geteuid()) {
    return Status(StatusCode::kInvalidArgument, Stage::kProbe,
                  StrCat(attempted, ": not a regular file of yours"));
  }
  if (ftruncate(file.get(), 0) != 0 || fchmod(file.get(), 0600) != 0) {
    return SystemError(Stage::kProbe, errno, attempted);
  }
  return DebugLog(std::move(file));
}

void DebugLog::Write(std::string_view subject, std::string_view text) const {
  using std::chrono::duration;
  const double seconds = duration<double>(std::chrono::steady_clock::now() - begun_).count();
  std::array<char, 32> time{};
  std::snprintf(time.data(), time.size(), "[%11.6f] ", seconds);
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::string lines;
  for (const std::string_view line : StrSplit(text, '\n')) {
    lines += StrCat(time.data(), subject, ": ", EscapeForTerminal(line, line.size()), "\n");
  }
  std::string_view left = lines;
  while (!left.empty()) {
    const ssize_t count = write(file_.get(), left.data(), left.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    left.remove_prefix(static_cast<size_t>(count));
  }
}

}  // namespace mini
