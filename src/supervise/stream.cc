// Theory of operation
//
// O_NONBLOCK is a property of the open file description, which the user's shell and every program
// of the same pipeline share, so it must not be set on what was inherited. A terminal and a pipe
// are opened anew instead, which gives a description of our own; a socket is told with each call.
// A regular file or a device like /dev/null does not make anybody wait.
//
// Where opening anew is refused (a terminal that belongs to somebody else, after su), what poll(2)
// promises has to do: of a terminal one byte, of a pipe PIPE_BUF bytes (pipe(7), POLLOUT).
#include "supervise/stream.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/strings.h"

namespace mini {
namespace {

UniqueFd OpenAnew(int fd, Stream::Direction direction, bool is_terminal) {
  const int flags = (direction == Stream::Direction::kRead ? O_RDONLY : O_WRONLY) | O_NONBLOCK |
                    O_NOCTTY | O_CLOEXEC;
  UniqueFd anew(open(StrCat("/proc/self/fd/", fd).c_str(), flags));
  if (anew.valid() || !is_terminal) return anew;
  // Everybody may open the terminal of their own session by this name, whoever owns its file.
  anew.reset(open("/dev/tty", flags));
  unsigned wanted = 0;
  unsigned found = 0;
  if (anew.valid() && ioctl(fd, TIOCGDEV, &wanted) == 0 &&
      ioctl(anew.get(), TIOCGDEV, &found) == 0 && wanted == found) {
    return anew;
  }
  return UniqueFd();
}

Transfer Result(ssize_t count) {
  if (count > 0) return {Transfer::State::kMoved, static_cast<size_t>(count), 0};
  if (count == 0) return {Transfer::State::kEnded, 0, 0};
  if (errno == EAGAIN || errno == EINTR) return {Transfer::State::kLater, 0, 0};
  return {Transfer::State::kEnded, 0, errno};
}

}  // namespace

Stream::Stream(int fd, Direction direction) : fd_(fd), is_terminal_(isatty(fd) != 0) {
  struct stat status;
  if (fstat(fd, &status) != 0) return;
  if (S_ISSOCK(status.st_mode)) {
    kind_ = Kind::kSocket;
  } else if (is_terminal_ || S_ISFIFO(status.st_mode)) {
    own_ = OpenAnew(fd, direction, is_terminal_);
    kind_ = own_.valid() ? Kind::kOwn : Kind::kShared;
  }
}

Transfer Stream::Read(std::span<char> space) {
  if (kind_ == Kind::kSocket) return Result(recv(fd_, space.data(), space.size(), MSG_DONTWAIT));
  return Result(read(fd(), space.data(), space.size()));
}

Transfer Stream::Write(std::span<const char> data) {
  if (kind_ == Kind::kSocket) {
    return Result(send(fd_, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
  }
  const size_t most = kind_ != Kind::kShared ? data.size() : is_terminal_ ? 1 : PIPE_BUF;
  return Result(write(fd(), data.data(), std::min(data.size(), most)));
}

}  // namespace mini
