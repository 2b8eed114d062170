#include "sys/memory_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <utility>

#include "base/strings.h"
#include "sys/above_streams.h"

// Linux 6.3, newer than the oldest headers we build with.
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace mini {
namespace {

Status WriteError(std::string_view what, int error) {
  Status status = SystemError(Stage::kProbe, error, StrCat("write ", what, " to memory"));
  if (error != EFBIG) return status;
  // The signal that came with it (setrlimit(2)) is dealt with: it would end the caller later.
  sigset_t too_large;
  sigemptyset(&too_large);
  sigaddset(&too_large, SIGXFSZ);
  const timespec none = {};
  (void)sigtimedwait(&too_large, nullptr, &none);
  return std::move(status).WithHint("the limit on file sizes (ulimit -f) is below its size");
}

Result<UniqueFd> CreateFile(std::string_view what, MemoryFileUse use) {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const bool is_program = use == MemoryFileUse::kProgram;
  UniqueFd file(memfd_create("mini-sandbox", kFlags | (is_program ? MFD_EXEC : MFD_NOEXEC_SEAL)));
  if (!file && errno == EINVAL) file = UniqueFd(memfd_create("mini-sandbox", kFlags));
  if (file) return file;
  const int error = errno;
  Status status = SystemError(Stage::kProbe, error, StrCat("make a file for ", what));
  if (!is_program || error != EACCES) return status;
  return std::move(status).WithHint(
      "this machine lets no such file be executed (sysctl vm.memfd_noexec)");
}

}  // namespace

Result<UniqueFd> MakeMemoryFile(std::string_view what, std::span<const unsigned char> bytes,
                                MemoryFileUse use) {
  MINI_ASSIGN_OR_RETURN(UniqueFd file, CreateFile(what, use));
  while (!bytes.empty()) {
    const ssize_t count = write(file.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return WriteError(what, errno);
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  // For whoever may look into /proc/PID/fd while it is here, and for good.
  if (fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) !=
      0) {
    return SystemError(Stage::kProbe, errno, StrCat("seal the file of ", what));
  }
  file = AboveStreams(std::move(file));
  if (!file) return SystemError(Stage::kProbe, errno, "duplicate a descriptor");
  return file;
}

Result<std::vector<uint8_t>> ReadMemoryFile(std::string_view what, int file, Stage stage) {
  const auto error = [&](int number) { return SystemError(stage, number, StrCat("read ", what)); };
  struct stat status;
  if (fstat(file, &status) != 0) return error(errno);
  std::vector<uint8_t> bytes(static_cast<size_t>(status.st_size));
  size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t count =
        pread(file, bytes.data() + got, bytes.size() - got, static_cast<off_t>(got));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return error(count < 0 ? errno : EIO);
    got += static_cast<size_t>(count);
  }
  return bytes;
}

}  // namespace mini
