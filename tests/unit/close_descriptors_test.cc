#include "sys/close_descriptors.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace mini {
namespace {

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

bool IsNull(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
}

// In a process of its own, as this one's descriptors are gtest's. The exit code says what was
// wrong.
template <typename Body>
void ExpectInChild(Body body) {
  EXPECT_EXIT(_exit(body()), testing::ExitedWithCode(0), "");
}

TEST(KeepOnlyDescriptors, ClosesAllButTheStreamsAndWhatIsKept) {
  ExpectInChild([] {
    const int low = dup2(STDERR_FILENO, 50);
    const int high = dup2(STDERR_FILENO, 70);
    const int other = dup2(STDERR_FILENO, 60);
    if (!KeepOnlyDescriptors({0, 1, 2}, {high, low})) return 1;
    if (!IsOpen(low) || !IsOpen(high)) return 2;
    if (IsOpen(other) || IsOpen(3) || IsOpen(51) || IsOpen(71)) return 3;
    return IsNull(0) && IsNull(1) && IsNull(2) && !IsNull(low) ? 0 : 4;
  });
}

TEST(KeepOnlyDescriptors, FillsStreamsThatWereClosed) {
  ExpectInChild([] {
    close(0);
    close(1);
    if (!KeepOnlyDescriptors({0, 1}, {2})) return 1;
    return IsNull(0) && IsNull(1) && IsOpen(2) && !IsNull(2) && !IsOpen(3) ? 0 : 2;
  });
}

TEST(KeepOnlyDescriptors, NeedsNoDeviceWhereNoStreamIsNamed) {
  ExpectInChild([] {
    if (!KeepOnlyDescriptors({}, {2})) return 1;
    return IsOpen(2) && !IsOpen(0) && !IsOpen(1) && !IsOpen(3) ? 0 : 2;
  });
}

}  // namespace
}  // namespace mini
