#include "child/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/unique_fd.h"

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
constexpr long kAbiWithTruncate = 3;
constexpr long kAbiWithScopes = 6;

uint64_t HandledAccess(long abi, Truncation truncation) {
  const bool guards = abi >= kAbiWithTruncate && truncation == Truncation::kGuarded;
  return LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REFER | (guards ? kAccessTruncate : 0);
}

bool AllowBelow(int ruleset, int object, uint64_t access) {
  landlock_path_beneath_attr rule = {};
  rule.allowed_access = access;
  rule.parent_fd = object;
  return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

bool AllowRoots(const FrozenPlan& plan, int ruleset, uint64_t access) {
  for (size_t i = 0; i < plan.writable_root_count; ++i) {
    const FrozenRoot& known = plan.writable_roots[i];
    // A rule is about the file (landlock(7)), whatever descriptor leads there.
    const int held = known.slot < 0 ? -1 : plan.slots[known.slot];
    const UniqueFd opened(held >= 0 ? -1 : open(known.path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    const int root = held >= 0 ? held : opened.get();
    if (root < 0 && errno == ENOENT) continue;  // a private place that was not there to be covered
    if (root < 0) return false;
    // A single file has no directory entries to move.
    const bool allowed = AllowBelow(ruleset, root, access) ||
                         AllowBelow(ruleset, root, access & ~LANDLOCK_ACCESS_FS_REFER);
    if (!allowed) return false;
  }
  return true;
}

// Scripts write to /dev/stdout and /dev/stderr, which opens the stream's file anew. Pipes and
// sockets are refused as rules (EBADFD), and need none.
void AllowOpenStreams(const StandardStreams& streams, int ruleset, uint64_t access) {
  for (int fd = 0; fd <= 2; ++fd) {
    const StandardStream& stream = streams[static_cast<size_t>(fd)];
    if (stream.flags < 0 || (stream.flags & O_ACCMODE) == O_RDONLY) continue;
    if (S_ISFIFO(stream.status.st_mode) || S_ISSOCK(stream.status.st_mode)) continue;
    (void)AllowBelow(ruleset, fd, access & ~LANDLOCK_ACCESS_FS_REFER);
  }
}

struct Ruleset {
  int fd;
  uint64_t handled_access_fs;
};

Ruleset CreateRuleset(long abi, bool nesting, Truncation truncation) {
  RulesetAttr attr = {};
  // A domain that handles any access to files may not mount (landlock(7)).
  attr.handled_access_fs = nesting ? 0 : HandledAccess(abi, truncation);
  size_t size = sizeof attr.handled_access_fs;
  if (abi >= kAbiWithScopes) {
    attr.scoped = kScopeAbstractUnixSocket | kScopeSignal;
    size = sizeof attr;
  }
  return {static_cast<int>(syscall(SYS_landlock_create_ruleset, &attr, size, 0)),
          attr.handled_access_fs};
}

}  // namespace

Step RestrictWithLandlock(const FrozenPlan& plan, const StandardStreams& streams,
                          Truncation truncation, Closing closing) {
  // Only a kernel that does not know all of it is asked what it knows.
  Ruleset ruleset = CreateRuleset(kAbiWithScopes, plan.nesting, truncation);
  if (ruleset.fd < 0) {
    const long abi =
        syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < (plan.nesting ? kAbiWithScopes : kOldestUsefulAbi)) return Done();
    ruleset = CreateRuleset(abi, plan.nesting, truncation);
  }
  const TemporaryFd fd(ruleset.fd, closing);
  if (!fd.valid()) return FailedAt(ChildStage::kLandlock);
  if (!plan.nesting) {
    if (!AllowRoots(plan, fd.get(), ruleset.handled_access_fs)) {
      return FailedAt(ChildStage::kLandlock);
    }
    AllowOpenStreams(streams, fd.get(), ruleset.handled_access_fs);
  }
  if (syscall(SYS_landlock_restrict_self, fd.get(), 0) != 0) {
    return FailedAt(ChildStage::kLandlock);
  }
  return Done();
}

}  // namespace mini::child
