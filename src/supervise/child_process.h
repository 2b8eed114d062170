// The supervisor's handle on the sandbox's first process.
#ifndef MINI_SANDBOX_SUPERVISE_CHILD_PROCESS_H_
#define MINI_SANDBOX_SUPERVISE_CHILD_PROCESS_H_

#include <sys/types.h>

#include <optional>

#include "base/status.h"
#include "base/unique_fd.h"
#include "child/report.h"

namespace mini {

struct ReceivedReport {
  child::Report report;
  UniqueFd descriptors[2];  // kDescriptors; the first alone: kTerminal
};

// Owns the process: one that has not been waited for is killed and reaped on destruction, so that
// no error on the supervisor's side leaves a sandbox behind.
class ChildProcess {
 public:
  ChildProcess(UniqueFd pidfd, UniqueFd control);
  ~ChildProcess();
  ChildProcess(ChildProcess&&) noexcept = default;
  ChildProcess& operator=(ChildProcess&&) noexcept = default;

  int pidfd() const { return pidfd_.get(); }
  int control() const { return control_.get(); }

  // The next message; nothing when the child has closed its end (it is gone or going).
  Result<std::optional<ReceivedReport>> ReceiveReport();
  Status SendGo();

  // Errors are not reported: the process may have ended already.
  void Signal(int signal) const;
  // Reaps the process, which has ended or is about to; yields its wait status.
  Result<int> Wait();

 private:
  UniqueFd pidfd_;  // invalid once reaped
  UniqueFd control_;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SUPERVISE_CHILD_PROCESS_H_
