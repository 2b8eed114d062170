// A descriptor that one step needs for a moment.
#ifndef MINI_SANDBOX_CHILD_TEMPORARY_FD_H_
#define MINI_SANDBOX_CHILD_TEMPORARY_FD_H_

#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace mini::child {

// When such descriptors are closed. kTogether: by one close_range(2), before the command exists;
// that spares a system call each. kSingly: the caller's descriptors stay open between them.
enum class Closing : uint8_t { kTogether, kSingly };

class TemporaryFd {
 public:
  // So that a plan of many steps needs few more descriptors than it has slots.
  static constexpr int kMostLeftOpen = 256;

  TemporaryFd(int fd, Closing closing) : fd_(fd), closing_(closing) {}
  ~TemporaryFd() { reset(-1); }
  TemporaryFd(const TemporaryFd&) = delete;
  TemporaryFd& operator=(const TemporaryFd&) = delete;

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

  void reset(int fd) {
    if (fd_ >= 0 && (closing_ == Closing::kSingly || fd_ >= kMostLeftOpen)) {
      const int error = errno;
      close(fd_);
      errno = error;
    }
    fd_ = fd;
  }

 private:
  int fd_;
  const Closing closing_;
};

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_TEMPORARY_FD_H_
