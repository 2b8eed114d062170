#include "supervise/child_process.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>

#include "base/descriptor_passing.h"

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
  int descriptors[kMostPassedDescriptors];
  ReceivedMessage message;
  // A child that ends without having read our go leaves this error, once and in front of its last
  // report, which says why it has ended (unix_release_sock() in net/unix/af_unix.c).
  do {
    message = ReceiveWithDescriptors(control_.get(), &received.report, sizeof received.report,
                                     descriptors);
  } while (message.size < 0 && errno == ECONNRESET);
  for (size_t i = 0; i < message.descriptor_count; ++i) {
    received.descriptors[i].reset(descriptors[i]);
  }
  if (message.size == 0) return std::optional<ReceivedReport>();
  if (message.size < 0) return SystemError(Stage::kSupervise, errno, "receive the child's report");
  if (static_cast<size_t>(message.size) != sizeof received.report) {
    return Status(StatusCode::kSystem, Stage::kSupervise, "the child's report is cut short");
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
