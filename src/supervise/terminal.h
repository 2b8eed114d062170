// Joins the user's terminal and the one of the command, as one would a line.
#ifndef MINI_SANDBOX_SUPERVISE_TERMINAL_H_
#define MINI_SANDBOX_SUPERVISE_TERMINAL_H_

#include <array>
#include <optional>
#include <span>

#include "base/unique_fd.h"
#include "supervise/raw_mode.h"
#include "supervise/relay.h"

namespace mini {

// Stops this process's whole job, as the terminal does: with `signal`, which every thread has
// blocked. Returns when it is continued; at once where there is no shell to do that (the kernel
// does not stop an orphaned process group).
void StopJob(int signal);

class Terminal {
 public:
  struct Streams {
    int input;
    int output;
    int error;  // nothing is written there; it may be the one that is a terminal, and has a size
  };

  // `main_side` is that of the command's terminal. Attaches.
  Terminal(UniqueFd main_side, const Streams& streams);

  Relay& relay() { return relay_; }
  const Relay& relay() const { return relay_; }

  // Takes the user's terminal: raw mode, its size. In the background it stops the job instead, as
  // every program does that wants its terminal; a job that cannot be stopped goes on without input.
  // Called again whenever this process was continued or the size has changed.
  void Attach();
  // Whether what the command wrote before it stopped was taken, or was waited for long enough.
  bool MayLeave();
  // Gives the terminal back and stops the job with SIGTSTP; attaches when it is continued.
  void Suspend();
  void CopyWindowSize();

  // Moves what can be moved.
  void Act(std::span<const pollfd, Relay::kPolled> polled);
  // Milliseconds until Act() is due although nothing happened; -1: never.
  int PollTimeout() const;

  // SIGINT, SIGQUIT or SIGTSTP for the job that has the command's terminal.
  void SignalForeground(int signal);
  // When a terminal among the streams is gone, so is the command's; true then.
  bool FollowHangUp();

 private:
  int input_;
  std::array<int, 3> terminals_;  // which of the streams are; -1: not this one
  Relay relay_;
  RawMode raw_mode_;
  std::optional<Relay::Clock::time_point> leave_due_;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SUPERVISE_TERMINAL_H_
