#include "child/control.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/descriptor_passing.h"

namespace mini::child {
namespace {

void Send(int fd, const Report& report) {
  while (send(fd, &report, sizeof report, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

template <size_t kCount>
Step SendWith(const Report& report, int fd, const int (&descriptors)[kCount]) {
  return SendWithDescriptors(fd, &report, sizeof report, descriptors, kCount)
             ? Done()
             : FailedAt(report.stage);
}

}  // namespace

void Control::ReportFailure(const Step& step) const {
  Send(fd_, {ReportKind::kFailed, step.stage, step.index, step.error, 0});
}

void Control::ReportDegraded(ChildStage stage, uint32_t index, int error) const {
  Send(fd_, {ReportKind::kDegraded, stage, index, error, 0});
}

void Control::ReportReady() const { Send(fd_, {ReportKind::kReady, ChildStage::kFork, 0, 0, 0}); }

void Control::ReportStop() const { Send(fd_, {ReportKind::kStopped, ChildStage::kExec, 0, 0, 0}); }

void Control::ReportExit(int wait_status, int scratch_error) const {
  Send(fd_, {ReportKind::kExited, ChildStage::kExec, 0, scratch_error, wait_status});
}

Step Control::SendDescriptors(int tap, int netlink) const {
  const int descriptors[] = {tap, netlink};
  return SendWith({ReportKind::kDescriptors, ChildStage::kNetlink, 0, 0, 0}, fd_, descriptors);
}

Step Control::SendTerminal(int main_side) const {
  const int descriptors[] = {main_side};
  return SendWith({ReportKind::kTerminal, ChildStage::kTerminal, 0, 0, 0}, fd_, descriptors);
}

bool Control::WaitForGo() const {
  char go = 0;
  ssize_t count;
  while ((count = recv(fd_, &go, 1, 0)) < 0 && errno == EINTR) {
  }
  return count == 1;
}

bool Control::SupervisorIsGone() const {
  pollfd descriptor = {fd_, 0, 0};
  return poll(&descriptor, 1, 0) != 0;  // POLLHUP needs no asking
}

}  // namespace mini::child
