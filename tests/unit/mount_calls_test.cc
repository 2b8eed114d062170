// In a child with user and mount namespaces of its own, as a run has them.
#include "child/mount_calls.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/status.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "tests/unit/child_process.h"

namespace mini::child {
namespace {

// "4 blocks" of the tmpfs that has these options; or what was refused, and why.
std::string TmpfsWith(const char* options) {
  return RunInChild([options]() -> std::string {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return StrCat("unshare: ", ErrnoName(errno));
    const UniqueFd filesystem(fsopen("tmpfs", FSOPEN_CLOEXEC));
    if (!SetOptions(filesystem.get(), options)) return StrCat("options: ", ErrnoName(errno));
    if (fsconfig(filesystem.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
      return StrCat("create: ", ErrnoName(errno));
    }
    const UniqueFd mount(fsmount(filesystem.get(), FSMOUNT_CLOEXEC, 0));
    struct statfs status;
    if (fstatfs(mount.get(), &status) != 0) return StrCat("statfs: ", ErrnoName(errno));
    return StrCat(status.f_blocks * static_cast<uint64_t>(status.f_bsize), " bytes, ",
                  status.f_files, " inodes");
  });
}

TEST(SetOptions, SetsEach) {
  EXPECT_EQ(TmpfsWith("size=16384,nr_inodes=7"), "16384 bytes, 7 inodes");
}

TEST(SetOptions, RefusesWhatTheKernelDoesNotKnow) {
  EXPECT_EQ(TmpfsWith("size=16384,no-such-option=1"), "options: EINVAL");
  EXPECT_EQ(TmpfsWith("size=16384,huge=no-such-kind"), "options: EINVAL");
}

TEST(SetOptions, LeavesOutAnOptionalOneThatTheKernelDoesNotKnowAndSetsTheOthers) {
  EXPECT_EQ(TmpfsWith("size=16384,?no-such-option=1,nr_inodes=7"), "16384 bytes, 7 inodes");
  EXPECT_EQ(TmpfsWith("?huge=no-such-kind,size=16384,nr_inodes=7"), "16384 bytes, 7 inodes");
}

TEST(SetOptions, SetsAnOptionalOneThatTheKernelKnows) {
  EXPECT_EQ(TmpfsWith("?size=16384,nr_inodes=7"), "16384 bytes, 7 inodes");
}

}  // namespace
}  // namespace mini::child
