// Theory of operation
//
// A standard stream that is a terminal or an input file is replaced by the same one on a read-only
// mount (reopen.cc). Where that cannot be done the step fails: leaving the stream as it is would
// leave the hole.
#include "child/streams.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "child/reopen.h"

namespace mini::child {
namespace {

bool NeedsProtection(int stream, int flags, const struct stat& status) {
  const bool is_terminal = S_ISCHR(status.st_mode) && isatty(stream);
  const bool is_source = S_ISREG(status.st_mode) && (flags & O_ACCMODE) == O_RDONLY;
  return (is_terminal || is_source) && MayBeChanged(stream, status);
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

Step ProtectStreams(WritableStreams& writable) {
  for (int stream = 0; stream <= 2; ++stream) {
    const int flags = fcntl(stream, F_GETFL);
    struct stat status;
    if (flags < 0 || fstat(stream, &status) != 0) continue;
    writable.is_writable[stream] = (flags & O_ACCMODE) != O_RDONLY;
    if (!NeedsProtection(stream, flags, status)) continue;
    if (!ReopenReadOnly(stream, flags, status)) {
      return FailedAt(ChildStage::kStreams, static_cast<uint32_t>(stream));
    }
  }
  return Done();
}

}  // namespace mini::child
