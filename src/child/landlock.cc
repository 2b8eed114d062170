#include "child/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace mini::child {
namespace {

// Newer than the oldest headers we build with.
constexpr uint64_t kAccessTruncate = uint64_t{1} << 14;          // ABI 3, Linux 6.2
constexpr uint64_t kScopeAbstractUnixSocket = uint64_t{1} << 0;  // ABI 6, Linux 6.12
constexpr uint64_t kScopeSignal = uint64_t{1} << 1;              // ABI 6
struct RulesetAttr {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;  // ABI 4
  uint64_t scoped;              // ABI 6
};

// The first that can allow a rename from one directory to another, which every ruleset denies.
constexpr long kOldestUsefulAbi = 2;
constexpr long kAbiWithScopes = 6;

uint64_t HandledAccess(long abi) {
  return LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REFER |
         (abi >= 3 ? kAccessTruncate : 0);
}

bool AllowBelow(int ruleset, int object, uint64_t access) {
  landlock_path_beneath_attr rule = {};
  rule.allowed_access = access;
  rule.parent_fd = object;
  return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

bool AllowRoots(const FrozenPlan& plan, int ruleset, uint64_t access) {
  for (size_t i = 0; i < plan.writable_root_count; ++i) {
    const int root = open(plan.writable_roots[i], O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (root < 0 && errno == ENOENT) continue;  // a private place that was not there to be covered
    if (root < 0) return false;
    // A single file has no directory entries to move.
    const bool allowed = AllowBelow(ruleset, root, access) ||
                         AllowBelow(ruleset, root, access & ~LANDLOCK_ACCESS_FS_REFER);
    close(root);
    if (!allowed) return false;
  }
  return true;
}

// Scripts write to /dev/stdout and /dev/stderr, which opens the stream's file anew. Pipes and
// sockets are refused as rules (EBADFD), and need none.
void AllowOpenStreams(int ruleset, uint64_t access) {
  for (int stream = 0; stream <= 2; ++stream) {
    const int flags = fcntl(stream, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) continue;
    (void)AllowBelow(ruleset, stream, access & ~LANDLOCK_ACCESS_FS_REFER);
  }
}

}  // namespace

Step RestrictWithLandlock(const FrozenPlan& plan) {
  const long abi =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < (plan.nesting ? kAbiWithScopes : kOldestUsefulAbi)) return Done();
  RulesetAttr attr = {};
  // A domain that handles any access to files may not mount (landlock(7)).
  attr.handled_access_fs = plan.nesting ? 0 : HandledAccess(abi);
  size_t size = sizeof attr.handled_access_fs;
  if (abi >= kAbiWithScopes) {
    attr.scoped = kScopeAbstractUnixSocket | kScopeSignal;
    size = sizeof attr;
  }
  const auto ruleset = static_cast<int>(syscall(SYS_landlock_create_ruleset, &attr, size, 0));
  if (ruleset < 0) return FailedAt(ChildStage::kLandlock);
  if (!plan.nesting) {
    if (!AllowRoots(plan, ruleset, attr.handled_access_fs)) {
      return FailedAt(ChildStage::kLandlock);
    }
    AllowOpenStreams(ruleset, attr.handled_access_fs);
  }
  if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
    return FailedAt(ChildStage::kLandlock);
  }
  close(ruleset);
  return Done();
}

}  // namespace mini::child
