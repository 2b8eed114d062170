// One of the user's streams, moved to and from without ever waiting for it.
#ifndef MINI_SANDBOX_SUPERVISE_STREAM_H_
#define MINI_SANDBOX_SUPERVISE_STREAM_H_

#include <cstddef>
#include <span>

#include "base/unique_fd.h"

namespace mini {

struct Transfer {
  enum class State {
    kMoved,  // `count` bytes, at least one
    kLater,  // nothing now; poll(2) tells when
    kEnded,  // nothing any more: end of file, or an error
  };
  State state = State::kLater;
  size_t count = 0;
  int error = 0;  // kEnded: the errno; 0 at the end of file
};

class Stream {
 public:
  enum class Direction { kRead, kWrite };

  // Borrows `fd`, which must outlive this.
  Stream(int fd, Direction direction);

  // What to poll.
  int fd() const { return own_.valid() ? own_.get() : fd_; }
  bool is_terminal() const { return is_terminal_; }

  // To be called when poll(2) says so: what is neither a socket nor could be opened anew is asked
  // for no more than it then surely has or takes.
  Transfer Read(std::span<char> space);
  Transfer Write(std::span<const char> data);

 private:
  enum class Kind { kSocket, kOwn, kShared, kFile };

  int fd_;
  UniqueFd own_;  // the same file, opened by ourselves without blocking
  Kind kind_ = Kind::kFile;
  bool is_terminal_ = false;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SUPERVISE_STREAM_H_
