// The network stack in a process of its own, which confines itself.
#ifndef MINI_SANDBOX_SANDBOX_STACK_PROCESS_H_
#define MINI_SANDBOX_SANDBOX_STACK_PROCESS_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/unique_fd.h"
#include "netstack/stack.h"
#include "sys/confinement.h"
#include "sys/tap.h"

namespace mini {

struct StackProcessOptions {
  // Called in the new process, while it still is what the caller is; everything but the link. What
  // it refers to has to live until Start() returns, there and here.
  std::function<Result<netstack::StackOptions>()> make_options;
  // What stays open there besides standard error.
  std::vector<int> kept_descriptors;
  // For the last line of the summary: the file that has all verdicts, if there is one.
  std::optional<std::string> log_file;
  // What may be opened there while it serves (ConfinementOptions).
  std::vector<std::string> readable_files;
};

struct ServingStack {
  pid_t pid = -1;
  Confinement confinement;
};

class StackProcess {
 public:
  // Forks; the calling thread has to be the process's only one. Early in a run, when there is
  // little in its memory yet that the stack could give away.
  static Result<std::unique_ptr<StackProcess>> Start(const StackProcessOptions& options);
  // Lets it end, which it does in an orderly way unless it takes too long, and reaps it.
  ~StackProcess();
  StackProcess(const StackProcess&) = delete;
  StackProcess& operator=(const StackProcess&) = delete;

  // Hands it the sandbox's link. Returns when it is confined and serves.
  Result<ServingStack> Serve(Tap tap);

  // Readable once it has ended by itself.
  int pidfd() const { return pidfd_.get(); }
  // Why. Waits for its end.
  Status TakeFailure();
  // Lets it end in order, and waits for that; why, if it could not. Once, instead of TakeFailure().
  Status Finish();
  // What it refused, as lines for the user; after Finish() or TakeFailure(). Not escaped, as it
  // comes from a process that talks to the sandbox.
  const std::vector<std::string>& summary() const { return summary_; }

 private:
  StackProcess(pid_t pid, UniqueFd pidfd, UniqueFd channel);
  // Kills it if it does not end in time.
  void AwaitEnd() const;
  // What it said last; nothing unless that was a failure.
  std::optional<Status> ReadLastWords();
  // Waits for the end, and puts it into words; OK for an orderly one.
  Status DescribeEnd();

  pid_t pid_;
  UniqueFd pidfd_;  // invalid once reaped
  UniqueFd channel_;
  std::vector<std::string> summary_;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_STACK_PROCESS_H_
