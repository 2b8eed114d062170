// The signals of a run.
#ifndef MINI_SANDBOX_SUPERVISE_SIGNALS_H_
#define MINI_SANDBOX_SUPERVISE_SIGNALS_H_

#include <signal.h>

#include "base/status.h"
#include "base/unique_fd.h"

namespace mini {

// Blocks the signals that a supervisor takes through a descriptor, SIGPIPE and SIGTTOU, for this
// thread and those it starts; restores the mask on destruction. Made before the clone, so that no
// signal is lost between the two.
class SupervisorSignals {
 public:
  // With kOwn the terminal's signals reach this process, and not the command.
  enum class CommandSession { kShared, kOwn };
  explicit SupervisorSignals(CommandSession session = CommandSession::kShared);
  ~SupervisorSignals();
  SupervisorSignals(const SupervisorSignals&) = delete;
  SupervisorSignals& operator=(const SupervisorSignals&) = delete;

  // As it was: what the command starts with.
  const sigset_t& original_mask() const { return original_; }
  // signalfd(2) of the signals that are passed on to the command.
  Result<UniqueFd> OpenDescriptor() const;

 private:
  CommandSession session_;
  sigset_t original_;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SUPERVISE_SIGNALS_H_
