// The steps of the mounts stage (MountOpKind) by their operands.
#ifndef MINI_SANDBOX_PLAN_MOUNT_OPS_H_
#define MINI_SANDBOX_PLAN_MOUNT_OPS_H_

#include <sys/mount.h>

#include <cstdint>
#include <string>

#include "plan/plan.h"

namespace mini {

inline constexpr uint64_t kUntrusted = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
inline constexpr uint64_t kReadOnly = kUntrusted | MOUNT_ATTR_RDONLY;

MountOp CloneTree(std::string source, int slot, uint64_t attributes);
// `value` may have more options behind it: "755,size=4096".
MountOp NewFilesystem(std::string type, const std::string& key, const std::string& value, int slot,
                      uint64_t attributes);
MountOp Attach(int slot, std::string target);
MountOp DirectoryIn(int slot, std::string name, mode_t mode);
MountOp FileIn(int slot, std::string name, std::string text, mode_t mode);
MountOp MakePoint(std::string target, bool directory);
MountOp MakeSymlink(std::string target, std::string leads_to);

}  // namespace mini

#endif  // MINI_SANDBOX_PLAN_MOUNT_OPS_H_
