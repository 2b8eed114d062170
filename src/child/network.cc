// Theory of operation
//
// To make a network namespace takes the kernel about as long as everything else between clone and
// exec. So a second process, a fork of this one, makes it and brings its loopback up while this one
// mounts, and passes it over as a descriptor. The two share the mount namespace that is changing
// meanwhile, so the second process looks up no path at all.
//
// With a TAP device another processor is busy already, as the network stack starts at the same
// time: this process is cloned into its namespace then.
#include "child/network.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/descriptor_passing.h"
#include "base/unique_fd.h"
#include "child/end_process.h"

namespace mini::child {
namespace {

// Leaves this process in a new namespace, with a socket of it.
Step MakeNamespace(bool needs_loopback, UniqueFd& any_socket) {
  if (unshare(CLONE_NEWNET) != 0) return FailedAt(ChildStage::kNetworkNamespace);
  // A kernel without IPv4 has no loopback to bring up by this call.
  const int family = needs_loopback ? AF_INET : AF_UNIX;
  any_socket.reset(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!any_socket) {
    return FailedAt(needs_loopback ? ChildStage::kLoopback : ChildStage::kNetworkNamespace);
  }
  if (!needs_loopback) return Done();
  ifreq request = {};
  std::memcpy(request.ifr_name, "lo", sizeof "lo");
  request.ifr_flags = IFF_UP;
  if (ioctl(any_socket.get(), SIOCSIFFLAGS, &request) != 0) {
    return FailedAt(ChildStage::kLoopback);
  }
  return Done();
}

// Within another sandbox /proc/sys is read-only. Ours is not, though it is not mounted yet.
int OpenInOwnProc(const char* path) {
  const int filesystem = fsopen("proc", FSOPEN_CLOEXEC);
  if (filesystem < 0) return -1;
  const int proc = fsconfig(filesystem, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0
                       ? fsmount(filesystem, FSMOUNT_CLOEXEC, 0)
                       : -1;
  const int fd = proc < 0 ? -1 : openat(proc, path + sizeof "/proc", O_WRONLY | O_CLOEXEC);
  close(filesystem);
  if (proc >= 0) close(proc);
  return fd;
}

// Most settings make things faster or let ping work: where they cannot be had the user is told.
Step WriteSysctl(const FrozenSysctl& sysctl, uint32_t index, const Control& control) {
  int fd = open(sysctl.path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 && errno == EROFS) {
    fd = OpenInOwnProc(sysctl.path);
    if (fd < 0 && !sysctl.is_required) {
      control.ReportDegraded(ChildStage::kSysctl, index, EROFS);
      return Done();
    }
  }
  if (fd < 0) return FailedAt(ChildStage::kSysctl, index);
  const bool written = write(fd, sysctl.value, sysctl.value_size) >= 0;
  const Step step = written ? Done() : FailedAt(ChildStage::kSysctl, index);
  close(fd);
  return step;
}

Step WriteSysctls(const FrozenPlan& plan, const Control& control) {
  for (uint32_t index = 0; index < plan.sysctl_count; ++index) {
    const Step step = WriteSysctl(plan.sysctls[index], index, control);
    if (!step.ok()) return step;
  }
  return Done();
}

// The second process, which ends afterwards and so closes nothing.
Step MakeAndSend(bool needs_loopback, int sender) {
  UniqueFd any_socket;
  const Step step = MakeNamespace(needs_loopback, any_socket);
  if (!step.ok()) return step;
  // A socket knows its namespace, so /proc is not needed (Linux 4.9; for those with CAP_NET_ADMIN).
  const int made = ioctl(any_socket.release(), SIOCGSKNS);
  if (made < 0) return FailedAt(ChildStage::kNetworkNamespace);
  return SendWithDescriptors(sender, "", 1, &made, 1) ? Done()
                                                      : FailedAt(ChildStage::kNetworkNamespace);
}

}  // namespace

Step NetworkStage::SendLink(const FrozenPlan& plan, const Control& control) {
  if (plan.network != FrozenNetwork::kTap) return Done();
  const int tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (tap < 0) return FailedAt(ChildStage::kTapDevice);
  const int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (netlink < 0) return FailedAt(ChildStage::kNetlink);
  const Step step = control.SendDescriptors(tap, netlink);
  close(tap);
  close(netlink);
  return step;
}

Step NetworkStage::Start(const FrozenPlan& plan, const Control& control) {
  const Step step = WriteSysctls(plan, control);
  if (!step.ok()) return step;
  switch (plan.network) {
    case FrozenNetwork::kHost:
      return Done();
    case FrozenNetwork::kUnconfigured:
    case FrozenNetwork::kLoopback:
      needs_loopback_ = plan.network == FrozenNetwork::kLoopback;
      return StartMaker(control);
    case FrozenNetwork::kTap:
      break;
  }
  return Done();
}

Step NetworkStage::StartMaker(const Control& control) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return FailedAt(ChildStage::kNetworkNamespace);
  }
  // Not fork(3), which takes locks and runs what was registered with pthread_atfork(3). No signal
  // at its end (clone(2)): init would be woken by it later.
  const auto pid = static_cast<pid_t>(syscall(SYS_clone, 0, nullptr, nullptr, nullptr, 0));
  if (pid < 0) return FailedAt(ChildStage::kNetworkNamespace);
  if (pid == 0) {
    const Step step = MakeAndSend(needs_loopback_, ends[1]);
    if (!step.ok()) control.ReportFailure(step);
    EndProcess(step.ok() ? 0 : 1);
  }
  close(ends[1]);
  receiver_ = ends[0];
  maker_ = pid;
  return Done();
}

int NetworkStage::AwaitMaker() const {
  int status = 0;
  while (waitpid(maker_, &status, __WALL) < 0 && errno == EINTR) {
  }
  return status;
}

Step NetworkStage::Finish(Closing closing) {
  if (receiver_ < 0) return Done();
  const TemporaryFd receiver(receiver_, closing);
  char byte;
  int received[kMostPassedDescriptors];
  const ReceivedMessage message = ReceiveWithDescriptors(receiver.get(), &byte, 1, received);
  if (message.size == 0) {
    const int status = AwaitMaker();
    if (WIFEXITED(status)) EndProcess(1);  // it has reported why
    errno = ESRCH;                         // killed, and told nobody
    return FailedAt(ChildStage::kNetworkNamespace);
  }
  if (message.size < 0 || message.descriptor_count != 1) {
    return FailedAt(ChildStage::kNetworkNamespace);
  }
  const TemporaryFd made(received[0], closing);
  const bool entered = setns(made.get(), CLONE_NEWNET) == 0;
  // It still has all its capabilities: no process of the command's may meet it.
  (void)AwaitMaker();
  // A sandbox around this one (ours, with --nested, too) may refuse setns(2).
  if (entered) return Done();
  UniqueFd any_socket;
  return MakeNamespace(needs_loopback_, any_socket);
}

}  // namespace mini::child
