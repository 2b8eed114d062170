#include "supervise/child_process.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>

namespace mini {

ChildProcess::ChildProcess(UniqueFd pidfd, UniqueFd control)
    : pidfd_(std::move(pidfd)), control_(std::move(control)) {}

ChildProcess::~ChildProcess() {
  if (!pidfd_.valid()) return;
  Signal(SIGKILL);
  (void)Wait();
}

Result<std::optional<ReceivedReport>> ChildProcess::ReceiveReport() {
  ReceivedReport received = {};
  iovec data = {&received.report, sizeof received.report};
  int descriptors[2];
  alignas(cmsghdr) char buffer[CMSG_SPACE(sizeof descriptors)];
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = buffer;
  message.msg_controllen = sizeof buffer;
  ssize_t count;
  while ((count = recvmsg(control_.get(), &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
  }
  if (count == 0 || (count < 0 && errno == ECONNRESET)) return std::optional<ReceivedReport>();
  if (count < 0) return SystemError(Stage::kSupervise, errno, "receive the child's report");
  if (static_cast<size_t>(count) != sizeof received.report) {
    return Status(StatusCode::kSystem, Stage::kSupervise, "the child's report is cut short");
  }
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    const size_t size = header->cmsg_len - CMSG_LEN(0);
    std::memcpy(descriptors, CMSG_DATA(header), size);
    for (size_t i = 0; i < size / sizeof(int); ++i) received.descriptors[i].reset(descriptors[i]);
  }
  return std::optional<ReceivedReport>(std::move(received));
}

Status ChildProcess::SendGo() {
  while (send(control_.get(), "", 1, MSG_NOSIGNAL) < 0) {
    if (errno == EINTR) continue;
    // It failed on its side; what it reported says why, and is read next.
    if (errno == EPIPE || errno == ECONNRESET) return OkStatus();
    return SystemError(Stage::kSupervise, errno, "let the command start");
  }
  return OkStatus();
}

void ChildProcess::Signal(int signal) const {
  (void)syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
}

Result<int> ChildProcess::Wait() {
  siginfo_t info = {};
  while (waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) != 0) {
    if (errno != EINTR) return SystemError(Stage::kSupervise, errno, "wait for the sandbox");
  }
  pidfd_.reset();
  const int status = info.si_status;
  return info.si_code == CLD_EXITED ? W_EXITCODE(status, 0) : W_EXITCODE(0, status);
}

}  // namespace mini
