// The child's end of the control socket.
#ifndef MINI_SANDBOX_CHILD_CONTROL_H_
#define MINI_SANDBOX_CHILD_CONTROL_H_

#include "child/report.h"
#include "child/step.h"

namespace mini::child {

class Control {
 public:
  explicit Control(int fd) : fd_(fd) {}

  int fd() const { return fd_; }
  void MoveTo(int fd) { fd_ = fd; }

  // Errors of sending are not reported: the supervisor is gone, and so is this process soon.
  void ReportFailure(const Step& step) const;
  void ReportDegraded(ChildStage stage, uint32_t index, int error) const;
  void ReportReady() const;
  void ReportStop() const;
  // `scratch_error`: ENOSPC where the scratch file system is full, or 0.
  void ReportExit(int wait_status, int scratch_error) const;
  Step SendDescriptors(int tap, int netlink) const;
  Step SendTerminal(int main_side) const;

  // False when the supervisor went away instead.
  bool WaitForGo() const;
  bool SupervisorIsGone() const;

 private:
  int fd_;
};

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_CONTROL_H_
