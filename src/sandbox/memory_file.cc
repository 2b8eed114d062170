#include "sandbox/memory_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <utility>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U         // Linux 6.3, newer than the oldest headers we build with
#define MFD_NOEXEC_SEAL 0x0008U  // the same
#endif

namespace mini {
namespace {

Status WriteError(int error) {
  Status status = SystemError(Stage::kProbe, error, "write to a file in memory");
  if (error != EFBIG) return status;
  // The signal that came with it (setrlimit(2)) is dealt with: it would end the caller later.
  sigset_t too_large;
  sigemptyset(&too_large);
  sigaddset(&too_large, SIGXFSZ);
  const timespec none = {};
  (void)sigtimedwait(&too_large, nullptr, &none);
  return std::move(status).WithHint("the limit on file sizes (ulimit -f) is below a few megabytes");
}

Status Fill(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return WriteError(errno);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  if (fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
    return SystemError(Stage::kProbe, errno, "seal a file in memory");
  }
  return OkStatus();
}

// `mode` is what kernels before 6.3 do not know.
UniqueFd Make(unsigned mode) {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  int file = memfd_create("mini-sandbox", kFlags | mode);
  if (file < 0 && errno == EINVAL) file = memfd_create("mini-sandbox", kFlags);
  return UniqueFd(file);
}

Result<UniqueFd> Finish(UniqueFd file, std::string_view bytes) {
  MINI_RETURN_IF_ERROR(Fill(file.get(), bytes));
  MINI_RETURN_IF_ERROR(KeepAwayFromStreams(file));
  return file;
}

}  // namespace

Status KeepAwayFromStreams(UniqueFd& descriptor) {
  if (descriptor.get() > STDERR_FILENO) return OkStatus();
  descriptor = UniqueFd(fcntl(descriptor.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  return descriptor ? OkStatus() : SystemError(Stage::kProbe, errno, "duplicate a descriptor");
}

Result<UniqueFd> MakeProgramFile(std::span<const unsigned char> image) {
  UniqueFd program = Make(MFD_EXEC);
  if (!program) {
    const int error = errno;
    Status status = SystemError(Stage::kProbe, error, "make a file for the supervisor");
    if (error == EACCES) {
      return std::move(status).WithHint(
          "this machine lets no such file be executed (sysctl vm.memfd_noexec)");
    }
    return status;
  }
  return Finish(std::move(program), {reinterpret_cast<const char*>(image.data()), image.size()});
}

Result<UniqueFd> MakeDataFile(std::string_view bytes) {
  UniqueFd file = Make(MFD_NOEXEC_SEAL);
  if (!file) return SystemError(Stage::kProbe, errno, "make a file in memory");
  return Finish(std::move(file), bytes);
}

}  // namespace mini
