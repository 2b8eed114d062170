#include "child/network.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace mini::child {
namespace {

Step BringLoopbackUp() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return FailedAt(ChildStage::kLoopback);
  ifreq request = {};
  std::memcpy(request.ifr_name, "lo", sizeof "lo");
  request.ifr_flags = IFF_UP;
  if (ioctl(fd, SIOCSIFFLAGS, &request) != 0) return FailedAt(ChildStage::kLoopback);
  close(fd);
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

Step OpenTap(const Control& control) {
  const int tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (tap < 0) return FailedAt(ChildStage::kTapDevice);
  const int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (netlink < 0) return FailedAt(ChildStage::kNetlink);
  const Step step = control.SendDescriptors(tap, netlink);
  close(tap);
  close(netlink);
  return step;
}

}  // namespace

Step SetUpNetwork(const FrozenPlan& plan, const Control& control) {
  for (uint32_t index = 0; index < plan.sysctl_count; ++index) {
    const Step step = WriteSysctl(plan.sysctls[index], index, control);
    if (!step.ok()) return step;
  }
  switch (plan.network) {
    case FrozenNetwork::kUntouched:
      return Done();
    case FrozenNetwork::kLoopback:
      return BringLoopbackUp();
    case FrozenNetwork::kTap:
      break;
  }
  return OpenTap(control);
}

}  // namespace mini::child
