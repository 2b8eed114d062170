// --log: one line of JSON per verdict and per closed flow.
#ifndef MINI_SANDBOX_NETSTACK_VERDICT_LOG_H_
#define MINI_SANDBOX_NETSTACK_VERDICT_LOG_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/status.h"
#include "base/unique_fd.h"
#include "netstack/filter/observer.h"
#include "netstack/flow/rate_limit.h"

namespace mini::netstack {

// Theory of operation. A line is appended to a buffer, which Flush() writes: once a batch of
// events, in the stack's process. A log that cannot be written is an error, and the run ends: what
// was allowed must not go unseen.
//
// The sandbox decides how often it asks for a name, and how often it tries what is refused. So of
// verdicts about names, and of refusals, the first is written at once; the same ones that follow
// are counted, and written as one line with their number once a second. What is new is written at a
// limited rate, and at most kMaxRepeated different ones are remembered; what goes beyond is counted
// and told once a second as well. Allowed flows, which cost the sandbox as much as us, are written
// each, with their ends.
//
// Names come from the sandbox, file names of rules from the user: everything textual is escaped for
// terminals, which leaves valid UTF-8 without control characters, and then for JSON (RFC 8259, 7).
// Lines are put together by hand: one a connection, on the thread that carries all traffic.
//
// A reader at the other end of a pipe (the library's host) may be slow, and the stack must not wait
// for it. What the pipe does not take is lost, in whole lines, and the next line that it takes
// tells how many: {..."event":"lost","lines":7}. A reader that goes away is no error there.
class VerdictLog final : public Observer {
 public:
  struct Clocks {
    std::function<TimePoint()> steady;
    std::function<std::chrono::system_clock::time_point()> wall;
  };
  static constexpr double kNewPerSecond = 200;
  static constexpr double kNewBurst = 1000;
  static constexpr size_t kMaxRepeated = 512;

  enum class Reader { kSeesAll, kMayMissLines };

  // `file` is open for appending, or a pipe that does not block; `pid` stands in every line and
  // tells runs apart.
  VerdictLog(UniqueFd file, int64_t pid, Clocks clocks, Reader reader = Reader::kSeesAll);

  void OnVerdict(const VerdictEvent& event) override;
  void OnFlowEnd(const FlowEnd& end) override;

  // Writes what has been counted. Once a second, and at the end.
  void TellRepeated();
  // Writes what is buffered. An error stays.
  Status Flush();

 private:
  struct Repeated {
    std::string tail;  // of the line: what follows the time
    uint64_t times = 0;
  };
  struct Omitted {
    uint64_t allowed = 0;
    uint64_t refused = 0;
  };

  std::string Head() const;
  void Append(std::string_view tail);
  void FlushWhatFits();
  // False: the pipe takes nothing of it now.
  bool BeginLine(std::string_view line);
  bool FinishLine();

  UniqueFd file_;
  const int64_t pid_;
  const Clocks clocks_;
  const Reader reader_;
  std::string buffer_;
  // Reader::kMayMissLines: what is left of a line that the pipe took in part, and how many it did
  // not take.
  std::string unfinished_;
  uint64_t lost_ = 0;
  bool tries_again_ = false;
  Status failure_;
  RateLimit new_lines_;
  std::map<std::string, Repeated> repeated_;
  Omitted omitted_;
};

// "2026-11-22T04:56:00.123Z" (RFC 3339).
std::string Rfc3339(std::chrono::system_clock::time_point time);

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_VERDICT_LOG_H_
