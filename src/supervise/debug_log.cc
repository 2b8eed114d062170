#include "supervise/debug_log.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string_view>
#include <utility>

#include "base/strings.h"

namespace mini {

using std::chrono::microseconds;
using std::chrono::steady_clock;

DebugLog::DebugLog(UniqueFd file) : file_(std::move(file)), begun_(steady_clock::now()) {}

Result<DebugLog> DebugLog::StartAnew(UniqueFd file, const std::string& path) {
  if (ftruncate(file.get(), 0) != 0) {
    return SystemError(Stage::kProbe, errno,
                       StrCat("empty the debug log ", EscapeForTerminal(path)));
  }
  return DebugLog(std::move(file));
}

DebugLog DebugLog::Resume(UniqueFd file, int64_t begun) {
  DebugLog log(std::move(file));
  log.begun_ = steady_clock::time_point(microseconds(begun));
  return log;
}

int64_t DebugLog::begun() const {
  return std::chrono::duration_cast<microseconds>(begun_.time_since_epoch()).count();
}

DebugLog DebugLog::Share(UniqueFd file, pid_t run) {
  DebugLog log(std::move(file));
  log.run_ = StrCat(run, " ");
  return log;
}

DebugLog DebugLog::Share(UniqueFd file, pid_t run, int64_t begun) {
  DebugLog log = Resume(std::move(file), begun);
  log.run_ = StrCat(run, " ");
  return log;
}

void DebugLog::WriteMachine() const {
  utsname kernel = {};
  (void)uname(&kernel);  // fails only on a bad address
  Write("version", MINI_VERSION);
  Write("kernel",
        StrCat(kernel.sysname, " ", kernel.release, " ", kernel.version, " ", kernel.machine));
}

void DebugLog::Write(std::string_view subject, std::string_view text) const {
  using std::chrono::duration;
  const double seconds = duration<double>(steady_clock::now() - begun_).count();
  std::array<char, 32> time{};
  std::snprintf(time.data(), time.size(), "[%11.6f] ", seconds);
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::string lines;
  for (const std::string_view line : StrSplit(text, '\n')) {
    lines += StrCat(run_, time.data(), subject, ": ", EscapeForTerminal(line, line.size()), "\n");
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
