// Theory of operation
//
// Input that is a terminal is put in raw mode, so that Ctrl-C, Ctrl-Z and all other keys are bytes
// here and act in the command's terminal, on the job in its foreground. The kernel's part of job
// control outside stays with the user's shell: it looks at our process group alone. So when the
// command stops, this process gives the terminal back and stops its own group; when the shell
// continues that, it takes the terminal again and continues the command.
//
// The command holds no descriptor of the user's terminal.
#include "supervise/terminal.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

namespace mini {

using std::chrono::milliseconds;

namespace {

// A program that stops has its screen put in order first, which takes a moment; one that writes
// without end, or a reader that takes nothing, may not keep the user from their shell.
constexpr milliseconds kLongestFarewell{500};

bool IsHungUp(int terminal) {
  pollfd polled = {terminal, 0, 0};  // POLLHUP comes unasked
  return poll(&polled, 1, 0) > 0 && (polled.revents & POLLHUP) != 0;
}

}  // namespace

void StopJob(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  (void)kill(0, signal);
  // Pending until here, so this thread stops before it goes on, and no other takes it.
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Terminal::Terminal(UniqueFd main_side, const Streams& streams)
    : input_(streams.input),
      terminals_{streams.input, streams.output, streams.error},
      relay_(std::move(main_side), Stream(streams.input, Stream::Direction::kRead),
             Stream(streams.output, Stream::Direction::kWrite)),
      raw_mode_(streams.input) {
  for (int& stream : terminals_) {
    if (!isatty(stream)) stream = -1;
  }
  Attach();
}

void Terminal::Attach() {
  if (terminals_[0] >= 0) {
    // Not when the terminal has gone: its shell is about to end, and might no longer see that we
    // have stopped; nobody would continue us.
    if (!IsInForeground(input_) && !IsHungUp(input_)) StopJob(SIGTTIN);
    const bool in_foreground = IsInForeground(input_);
    if (in_foreground) raw_mode_.Enter();
    relay_.PauseInput(!in_foreground);
  }
  CopyWindowSize();
  leave_due_.reset();
}

void Terminal::Suspend() {
  raw_mode_.Leave();
  StopJob(SIGTSTP);
  Attach();
}

void Terminal::CopyWindowSize() {
  winsize size;
  for (const int stream : terminals_) {
    if (stream < 0 || ioctl(stream, TIOCGWINSZ, &size) != 0) continue;
    (void)ioctl(relay_.main_side(), TIOCSWINSZ, &size);
    return;
  }
}

void Terminal::Act(std::span<const pollfd, Relay::kPolled> polled) {
  // Another process may have taken the foreground since; reading would then take its keys.
  if (polled[1].revents == POLLIN && terminals_[0] >= 0 && !IsInForeground(input_)) Attach();
  relay_.Act(polled, Relay::Clock::now());
}

bool Terminal::MayLeave() {
  const auto now = Relay::Clock::now();
  if (!leave_due_) leave_due_ = now + kLongestFarewell;
  return now >= *leave_due_ || relay_.OutputIsQuiet();
}

int Terminal::PollTimeout() const {
  auto next = relay_.next_attempt();
  if (leave_due_ && (!next || *leave_due_ < *next)) next = leave_due_;
  if (!next) return -1;
  const auto left = std::chrono::ceil<milliseconds>(*next - Relay::Clock::now());
  return static_cast<int>(std::max<milliseconds::rep>(left.count(), 0));
}

// ioctl_tty(2) does not list TIOCSIG; it is the main side's way to what the keys do.
void Terminal::SignalForeground(int signal) { (void)ioctl(relay_.main_side(), TIOCSIG, signal); }

bool Terminal::FollowHangUp() {
  const bool is_gone = std::any_of(terminals_.begin(), terminals_.end(), IsHungUp);
  if (is_gone) relay_.HangUp();
  return is_gone;
}

}  // namespace mini
