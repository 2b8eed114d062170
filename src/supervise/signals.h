// The signals of a run.
#ifndef MINI_SANDBOX_SUPERVISE_SIGNALS_H_
#define MINI_SANDBOX_SUPERVISE_SIGNALS_H_

#include <signal.h>

#include <string>

#include "base/status.h"
#include "base/unique_fd.h"

namespace mini {

// Who answers to the user's terminal.
enum class JobControl {
  kShared,  // the command is on it, too: the kernel stops both at once
  kRelayed  // the command has a session of its own: this process alone hears of it
};

// Which signals are for the sandbox.
enum class Forwarded {
  kUsual,  // those that people and programs send to a command
  kAll,    // every one that can be taken: this process stands where the command would be
};

// "SIGTERM"; "signal 40" for one without a name.
std::string SignalName(int signal);

// Blocks the signals that a supervisor takes through a descriptor, SIGPIPE and SIGTTOU, for this
// thread and those it starts; restores the mask on destruction. Made before the clone, so that no
// signal is lost between the two.
class SupervisorSignals {
 public:
  explicit SupervisorSignals(JobControl job_control = JobControl::kShared,
                             Forwarded forwarded = Forwarded::kUsual);
  ~SupervisorSignals();
  SupervisorSignals(const SupervisorSignals&) = delete;
  SupervisorSignals& operator=(const SupervisorSignals&) = delete;

  // As it was: what the command starts with.
  const sigset_t& original_mask() const { return original_; }
  // signalfd(2) of the signals that a supervisor acts on.
  Result<UniqueFd> OpenDescriptor() const;

 private:
  sigset_t taken_;
  sigset_t original_;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SUPERVISE_SIGNALS_H_
