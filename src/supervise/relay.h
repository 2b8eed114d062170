// Carries bytes between the user's streams and the main side of the command's terminal.
#ifndef MINI_SANDBOX_SUPERVISE_RELAY_H_
#define MINI_SANDBOX_SUPERVISE_RELAY_H_

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>

#include "base/unique_fd.h"
#include "supervise/stream.h"

namespace mini {

// Bytes on their way, at most kCapacity.
template <size_t kCapacity>
class RelayBuffer {
 public:
  bool empty() const { return begin_ == end_; }
  bool full() const { return end_ - begin_ == kCapacity; }

  std::span<const char> data() const { return {bytes_.data() + begin_, end_ - begin_}; }
  // Room behind the data; not empty unless full().
  std::span<char> Room() {
    if (end_ == kCapacity) {
      std::copy(bytes_.begin() + static_cast<std::ptrdiff_t>(begin_), bytes_.end(), bytes_.begin());
      end_ -= begin_;
      begin_ = 0;
    }
    return {bytes_.data() + end_, kCapacity - end_};
  }
  void Added(size_t count) { end_ += count; }
  void Removed(size_t count) {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
  }

 private:
  std::array<char, kCapacity> bytes_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

class Relay {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr size_t kPolled = 3;
  static constexpr size_t kInputCapacity = 4 << 10;
  static constexpr size_t kOutputCapacity = 16 << 10;

  // `main_side` becomes non-blocking: it is ours alone.
  Relay(UniqueFd main_side, Stream input, Stream output);

  int main_side() const { return main_side_.get(); }

  // What to wait for: main side, input, output, in this order.
  void Prepare(std::span<pollfd, kPolled> polled) const;
  // When there is something to do although nothing happened.
  std::optional<Clock::time_point> next_attempt() const { return next_end_of_file_; }
  // Moves what can be moved.
  void Act(std::span<const pollfd, kPolled> polled, Clock::time_point now);

  // In the background of the user's terminal nothing may be read from it.
  void PauseInput(bool paused) { input_paused_ = paused; }

  // The command's terminal vanishes: it gets SIGHUP.
  void HangUp() { main_side_.reset(); }

  // Nothing that the command wrote is still on its way.
  bool OutputIsQuiet() const;
  // After the end of the command: everything it wrote is delivered, or never will be.
  bool IsDrained() const;
  // The errno for which output was given up; taken once.
  std::optional<int> TakeOutputError();

 private:
  void ReadCommand();
  void WriteCommand();
  void ReadUser(short happened, Clock::time_point now);
  void WriteUser();
  // The command's terminal has no end of file; this key is what its reader takes for one.
  void TypeEndOfFile(Clock::time_point now);

  UniqueFd main_side_;  // invalid once hung up, or when no process has the terminal any more
  Stream input_;
  Stream output_;
  bool input_open_ = true;
  bool input_paused_ = false;
  bool output_open_ = true;
  std::optional<int> output_error_;
  RelayBuffer<kInputCapacity> to_command_;
  RelayBuffer<kOutputCapacity> to_user_;
  std::optional<Clock::time_point> next_end_of_file_;
  std::chrono::milliseconds end_of_file_delay_;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SUPERVISE_RELAY_H_
