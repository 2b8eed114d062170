// -D: what a run did, line by line, for whoever has to find out why.
#ifndef MINI_SANDBOX_SUPERVISE_DEBUG_LOG_H_
#define MINI_SANDBOX_SUPERVISE_DEBUG_LOG_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "base/unique_fd.h"

namespace mini {

class DebugLog {
 public:
  // Empties `file`, which OpenLogFile() has opened as `path`. An error has Stage::kProbe.
  static Result<DebugLog> StartAnew(UniqueFd file, const std::string& path);

  // Goes on with one that another program of the same run has begun.
  static DebugLog Resume(UniqueFd file, int64_t begun);
  // When it was begun: in microseconds of the kernel's clock, which every process sees alike
  // (CLOCK_MONOTONIC).
  int64_t begun() const;

  // Goes on with one to which several runs write: every line begins with the number of this one.
  static DebugLog Share(UniqueFd file, pid_t run);
  static DebugLog Share(UniqueFd file, pid_t run, int64_t begun);
  bool is_shared() const { return !run_.empty(); }

  // "[   0.001234] subject: line" for every line of `text`, control characters escaped; one
  // write(2) in all, so that lines of several processes do not mix. A full disk ends the log, not
  // the run.
  void Write(std::string_view subject, std::string_view text) const;

  // Which program and kernel this is.
  void WriteMachine() const;

  // For who writes to it from another process: what is written is appended.
  int descriptor() const { return file_.get(); }

 private:
  explicit DebugLog(UniqueFd file);

  UniqueFd file_;
  std::string run_;  // "4711 ", or nothing
  std::chrono::steady_clock::time_point begun_;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SUPERVISE_DEBUG_LOG_H_
