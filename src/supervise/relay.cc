// Theory of operation
//
// Two bounded buffers. A side is polled for reading only while its buffer has room, so who does not
// read makes the other wait in the kernel, and memory stays what it is. Nothing here blocks.
//
// The user's input may end where the command's terminal cannot: then its end-of-file key (VEOF) is
// typed, whenever nothing typed before is left unread, so that every reader finds the end, as of a
// pipe, and not the first alone. A program that takes keys one by one gets the same key, on which
// shells end.
//
// Output that cannot be delivered any more (EPIPE) and a vanished terminal of the user hang the
// command's terminal up, as the kernel does when a line drops.
#include "supervise/relay.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace mini {

using std::chrono::milliseconds;

namespace {

// The first is waited for since programs that read line by line switch their terminal's mode
// between two lines; the last bounds how long a reader waits for its end of file.
constexpr milliseconds kFirstEndOfFile{10};
constexpr milliseconds kLastEndOfFile{320};

bool IsReady(int fd) {
  pollfd polled = {fd, POLLIN, 0};
  return poll(&polled, 1, 0) > 0;
}

// Whether what was typed waits for its reader. The other side is opened for this moment only: held
// open, it would hide that the last process has closed it.
bool IsTypedUnread(int main_side) {
  const UniqueFd peer(ioctl(main_side, TIOCGPTPEER, O_RDONLY | O_NOCTTY | O_CLOEXEC));
  return peer.valid() && IsReady(peer.get());
}

}  // namespace

Relay::Relay(UniqueFd main_side, Stream input, Stream output)
    : main_side_(std::move(main_side)),
      input_(std::move(input)),
      output_(std::move(output)),
      end_of_file_delay_(kFirstEndOfFile) {
  const int flags = fcntl(main_side_.get(), F_GETFL);
  (void)fcntl(main_side_.get(), F_SETFL, flags | O_NONBLOCK);
}

void Relay::Prepare(std::span<pollfd, kPolled> polled) const {
  const auto wanting = [](int fd, bool reading, bool writing) {
    const auto events = static_cast<short>((reading ? POLLIN : 0) | (writing ? POLLOUT : 0));
    return pollfd{events != 0 ? fd : -1, events, 0};
  };
  polled[0] = wanting(main_side_.get(), !to_user_.full(), !to_command_.empty());
  const bool has_reader = input_open_ && main_side_.valid();
  polled[1] = wanting(input_.fd(), has_reader && !input_paused_ && !to_command_.full(), false);
  // A terminal is watched in any case: for its end, of which poll(2) tells unasked.
  if (has_reader && input_.is_terminal()) polled[1].fd = input_.fd();
  polled[2] = wanting(output_.fd(), false, output_open_ && !to_user_.empty());
}

void Relay::Act(std::span<const pollfd, kPolled> polled, Clock::time_point now) {
  if (polled[2].revents != 0) WriteUser();
  if ((polled[0].revents & POLLOUT) != 0) WriteCommand();
  if ((polled[0].revents & ~POLLOUT) != 0) ReadCommand();
  if (polled[1].revents != 0) ReadUser(polled[1].revents, now);
  if (next_end_of_file_ && now >= *next_end_of_file_) TypeEndOfFile(now);
}

void Relay::ReadCommand() {
  if (!main_side_.valid() || to_user_.full()) return;
  const std::span<char> room = to_user_.Room();
  const ssize_t count = read(main_side_.get(), room.data(), room.size());
  if (count > 0) {
    to_user_.Added(static_cast<size_t>(count));
  } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
    HangUp();  // EIO: no process has the other side open
  }
}

void Relay::WriteCommand() {
  if (!main_side_.valid()) return;
  const std::span<const char> data = to_command_.data();
  const ssize_t count = write(main_side_.get(), data.data(), data.size());
  if (count > 0) {
    to_command_.Removed(static_cast<size_t>(count));
  } else if (errno != EAGAIN && errno != EINTR) {
    to_command_.Removed(data.size());  // nobody will read it
  }
}

void Relay::ReadUser(short happened, Clock::time_point now) {
  if (input_.is_terminal() && (happened & (POLLHUP | POLLERR | POLLNVAL)) != 0) {
    input_open_ = false;
    ReadCommand();  // what was written before may still go to a file
    HangUp();
    return;
  }
  if (to_command_.full() || input_paused_) return;
  const Transfer transfer = input_.Read(to_command_.Room());
  if (transfer.state == Transfer::State::kMoved) to_command_.Added(transfer.count);
  if (transfer.state != Transfer::State::kEnded) return;
  input_open_ = false;
  next_end_of_file_ = now + end_of_file_delay_;
}

void Relay::WriteUser() {
  if (to_user_.empty() || !output_open_) return;
  const Transfer transfer = output_.Write(to_user_.data());
  if (transfer.state == Transfer::State::kMoved) to_user_.Removed(transfer.count);
  if (transfer.state != Transfer::State::kEnded) return;
  output_open_ = false;
  output_error_ = transfer.error;
  HangUp();
}

void Relay::TypeEndOfFile(Clock::time_point now) {
  next_end_of_file_.reset();
  if (!main_side_.valid()) return;
  next_end_of_file_ = now + end_of_file_delay_;
  if (!to_command_.empty() || IsTypedUnread(main_side_.get())) return;
  termios settings;
  if (tcgetattr(main_side_.get(), &settings) != 0) return;
  const auto key = static_cast<char>(settings.c_cc[VEOF]);
  if (key == _POSIX_VDISABLE) return;
  to_command_.Room()[0] = key;
  to_command_.Added(1);
  WriteCommand();
  end_of_file_delay_ = std::min(end_of_file_delay_ * 2, kLastEndOfFile);
}

bool Relay::OutputIsQuiet() const {
  return to_user_.empty() && (!main_side_.valid() || !IsReady(main_side_.get()));
}

bool Relay::IsDrained() const { return !main_side_.valid() && (to_user_.empty() || !output_open_); }

std::optional<int> Relay::TakeOutputError() { return std::exchange(output_error_, std::nullopt); }

}  // namespace mini
