// No handler runs on this thread for a while.
#ifndef MINI_SANDBOX_SYS_BLOCKED_SIGNALS_H_
#define MINI_SANDBOX_SYS_BLOCKED_SIGNALS_H_

#include <signal.h>

namespace mini {

// All signals, on the calling thread: no handler of a caller's runs in a copy that is not its own,
// and none that a call of ours causes gets to it.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &original_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &original_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

  const sigset_t& original() const { return original_; }

 private:
  sigset_t original_;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_BLOCKED_SIGNALS_H_
