// Theory of operation
//
// A standard stream that is a terminal or an input file is replaced by the same one on a read-only
// mount (reopen.cc). Where that cannot be done the step fails: leaving the stream as it is would
// leave the hole.
#include "child/streams.h"

#include <fcntl.h>
#include <linux/major.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>

#include "base/unique_fd.h"
#include "child/reopen.h"

namespace mini::child {
namespace {

bool IsTerminal(int fd, const struct stat& status) {
  return S_ISCHR(status.st_mode) && major(status.st_rdev) != MEM_MAJOR && isatty(fd);
}

// Of pipes and sockets, which most streams are, nobody asks.
bool IsOwnFile(const struct stat& status) {
  return !S_ISFIFO(status.st_mode) && !S_ISSOCK(status.st_mode) && status.st_uid == geteuid();
}

bool IsInputFile(const StandardStream& stream) {
  return stream.flags >= 0 && S_ISREG(stream.status.st_mode) &&
         (stream.flags & O_ACCMODE) == O_RDONLY;
}

bool NeedsProtection(int fd, const StandardStream& stream) {
  return (IsInputFile(stream) || IsTerminal(fd, stream.status)) &&
         MayBeChanged(fd, stream.status, stream.is_own);
}

bool ReopenReadOnly(int stream, int flags, const struct stat& status) {
  const int kept = flags & (O_ACCMODE | O_APPEND | O_NONBLOCK);
  const UniqueFd opened(OpenReadOnly(stream, status, kept));
  if (!opened) return false;
  const off_t offset = lseek(stream, 0, SEEK_CUR);
  if (offset > 0 && S_ISREG(status.st_mode) && lseek(opened.get(), offset, SEEK_SET) < 0) {
    return false;
  }
  return dup2(opened.get(), stream) >= 0;
}

}  // namespace

StandardStreams LookAtStandardStreams() {
  StandardStreams streams;
  for (int fd = 0; fd <= 2; ++fd) {
    StandardStream& stream = streams[static_cast<size_t>(fd)];
    stream.flags = fcntl(fd, F_GETFL);
    if (stream.flags >= 0 && fstat(fd, &stream.status) != 0) stream.flags = -1;
    if (stream.flags >= 0) stream.is_own = IsOwnFile(stream.status);
  }
  return streams;
}

Step ProtectStreams(StandardStreams& streams) {
  for (int fd = 0; fd <= 2; ++fd) {
    StandardStream& stream = streams[static_cast<size_t>(fd)];
    if (stream.flags < 0 || !NeedsProtection(fd, stream)) continue;
    if (!ReopenReadOnly(fd, stream.flags, stream.status)) {
      return FailedAt(ChildStage::kStreams, static_cast<uint32_t>(fd));
    }
    stream.is_reopened = true;
  }
  return Done();
}

bool LeaveInputOnItsMount(const StandardStreams& streams) {
  return std::any_of(streams.begin(), streams.end(), [](const StandardStream& stream) {
    return IsInputFile(stream) && !stream.is_reopened;
  });
}

}  // namespace mini::child
