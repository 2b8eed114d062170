// The network stack in a process of its own, which confines itself.
#ifndef MINI_SANDBOX_SANDBOX_STACK_PROCESS_H_
#define MINI_SANDBOX_SANDBOX_STACK_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/unique_fd.h"
#include "sys/confinement.h"
#include "sys/tap.h"

namespace mini {

// A sentence of the stack's for the user. Not escaped, as it comes from a process that talks to the
// sandbox.
struct StackNotice {
  bool is_problem = false;  // else -q silences it
  std::string sentence;
};

struct ServingStack {
  pid_t pid = -1;
  Confinement confinement;
};

class StackProcess {
 public:
  // In a library the program around it may reap whatever ends.
  enum class ReapedBy { kUsAlone, kAnybody };
  // `start` is called with the other end of the socket, and makes a child that serves there.
  static Result<std::unique_ptr<StackProcess>> Start(
      const std::function<Result<pid_t>(int channel)>& start, ReapedBy reaped_by);
  // One that another program of this process has started, connected and left to this one, by exec.
  static std::unique_ptr<StackProcess> Adopt(pid_t pid, UniqueFd pidfd, UniqueFd channel);
  // Lets it end, which it does in an orderly way unless it takes too long, and reaps it.
  ~StackProcess();
  StackProcess(const StackProcess&) = delete;
  StackProcess& operator=(const StackProcess&) = delete;

  // Hands it the sandbox's link. Returns when it is confined and serves.
  Result<ServingStack> Serve(Tap tap);

  pid_t pid() const { return pid_; }
  // Readable when it has something to say: ReadMessages().
  int channel() const { return channel_.get(); }
  // Reads what it has said, without waiting, and not all of a flood at once: true when there may be
  // more.
  bool ReadMessages();
  // What has been read since the last call.
  std::vector<StackNotice> TakeNotices();
  // Sentences that found no room on their way here.
  uint64_t lost_notices() const { return lost_notices_; }

  // Readable once it has ended by itself.
  int pidfd() const { return pidfd_.get(); }
  // Why. Waits for its end.
  Status TakeFailure();
  // Lets it end in order, which takes it a moment.
  void BeginEnd();
  // The same, and waits for that; why, if it could not. Once, instead of TakeFailure().
  Status Finish();
  // What it refused, as lines for the user; after Finish() or TakeFailure(). Not escaped, as it
  // comes from a process that talks to the sandbox.
  const std::vector<std::string>& summary() const { return summary_; }

 private:
  StackProcess(pid_t pid, UniqueFd pidfd, UniqueFd channel);
  // Kills it if it does not end in time.
  void AwaitEnd();
  // Takes note of what is a notice or the summary; else false.
  bool TakeNote(std::string_view message);
  // What it said last; nothing unless that was a failure.
  std::optional<Status> ReadLastWords();
  // Waits for the end, and puts it into words; OK for an orderly one.
  Status DescribeEnd();

  pid_t pid_;
  UniqueFd pidfd_;  // invalid once reaped
  UniqueFd channel_;
  bool is_ending_ = false;
  std::vector<std::string> summary_;
  std::vector<StackNotice> notices_;
  uint64_t notice_count_ = 0;
  uint64_t lost_notices_ = 0;
  std::string last_words_;  // read already, and neither of these
};

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_STACK_PROCESS_H_
