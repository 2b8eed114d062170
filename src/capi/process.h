// A command that has been spawned, as the library's host sees it.
#ifndef MINI_SANDBOX_CAPI_PROCESS_H_
#define MINI_SANDBOX_CAPI_PROCESS_H_

#include <sys/types.h>

#include <mutex>
#include <optional>
#include <string>

#include "base/unique_fd.h"
#include "capi/error.h"

namespace mini::capi {

struct ProcessDescriptors {
  UniqueFd pidfd;
  // The pidfd of the sandbox's first process, which outlives a supervisor that is killed by a
  // moment; invalid: the command never ran, or there was no room for the descriptor (EMFILE). Then
  // the end of a killed supervisor has to do, as the command runs, and can be ended.
  UniqueFd init;
  UniqueFd channel;  // kStarted has been taken from it, if it came
  UniqueFd events;   // invalid: there are none
};

// Owns the supervisor: what has not ended is killed and reaped on destruction, except by another
// process than the one that made it (a fork).
class Process {
 public:
  Process(pid_t pid, ProcessDescriptors descriptors);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  int pidfd() const { return descriptors_.pidfd.get(); }
  int events() const { return descriptors_.events.get(); }

  // As mini_sandbox_wait() and mini_sandbox_kill() do it, which any thread may call.
  Error Wait(int timeout_ms, int* status);
  Error Kill(int signal) const;

 private:
  struct Ending {
    int wait_status = 0;
    std::string failure = {};  // of the sandbox; empty: none
  };
  // As kill(2) has it.
  int SendSignal(int signal) const;
  // Reaps it, which has ended.
  const Ending& Collect();

  const pid_t pid_;
  const pid_t owner_;
  const ProcessDescriptors descriptors_;
  std::mutex mutex_;
  std::optional<Ending> ending_;  // guarded by mutex_; never changes once it is there
};

}  // namespace mini::capi

#endif  // MINI_SANDBOX_CAPI_PROCESS_H_
