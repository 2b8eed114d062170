// /proc and /dev of the sandbox.
#ifndef MINI_SANDBOX_PLAN_KERNEL_FILESYSTEMS_H_
#define MINI_SANDBOX_PLAN_KERNEL_FILESYSTEMS_H_

#include <sys/types.h>

#include <vector>

#include "plan/plan.h"

namespace mini {

struct KernelFilesystems {
  std::vector<MountOp> on_host;  // while the host's device nodes resolve
  std::vector<MountOp> inside;
  std::vector<MountOp> sealed;  // when nothing more is made in /dev
  int dev_slot = -1;
};

// What a command needs of /dev, by their names there: no device of a disk, a user or an input.
inline constexpr const char* kDeviceNodes[] = {"full", "null", "random", "tty", "urandom", "zero"};
inline constexpr const char* kTunDevice = "/dev/net/tun";
enum class TunDevice { kHidden, kShown };

// A fresh /proc of the new pid namespace, and a /dev with six nodes, and kTunDevice if it is to be
// shown. Slots are numbered from `slot_count`, which is moved on. /dev/shm is made, but left for
// the caller to cover.
KernelFilesystems MakeKernelFilesystems(uid_t uid, TunDevice tun, int& slot_count);

}  // namespace mini

#endif  // MINI_SANDBOX_PLAN_KERNEL_FILESYSTEMS_H_
