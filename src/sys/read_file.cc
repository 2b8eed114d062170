#include "sys/read_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/strings.h"

namespace mini {
namespace {

// The kernel answers a read of most files of /proc with a page at most.
constexpr size_t kFirstRead = 4 * 1024;

// Reads to the `expected` size, which spares the call that would say "end of file", or to the end
// when it is unknown (0) or the file turns out shorter. The buffer doubles, so that a large file
// costs few calls.
Result<std::string> ReadToEnd(int fd, const std::string& path, size_t expected, size_t max_bytes,
                              Stage stage) {
  std::string text;
  size_t used = 0;
  text.resize(expected > 0 ? expected : kFirstRead);
  while (used == 0 || used != expected) {
    if (used == text.size()) text.resize(text.size() * 2);
    const ssize_t count = read(fd, text.data() + used, text.size() - used);
    if (count < 0) {
      if (errno == EINTR) continue;
      return SystemError(stage, errno, StrCat("read ", EscapeForTerminal(path)));
    }
    if (count == 0) break;
    used += static_cast<size_t>(count);
    if (used > max_bytes) {
      return InvalidArgument(stage, StrCat("read ", EscapeForTerminal(path), ": it is larger than ",
                                           max_bytes, " bytes"));
    }
  }
  text.resize(used);
  return text;
}

std::string_view KindOf(mode_t mode) {
  if (S_ISDIR(mode)) return "it is a directory";
  if (S_ISFIFO(mode)) return "it is a FIFO, not a regular file";
  if (S_ISSOCK(mode)) return "it is a socket, not a regular file";
  return "it is a device, not a regular file";
}

}  // namespace

Result<TextFile> TextFile::Open(const std::string& path, Stage stage) {
  TextFile file;
  file.path_ = path;
  file.stage_ = stage;
  // O_NONBLOCK: the open of a FIFO without a writer, or of some devices, would wait (open(2));
  // O_NOCTTY: a terminal must not become ours.
  file.fd_ = UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file.fd_) return SystemError(stage, errno, StrCat("open ", EscapeForTerminal(path)));
  struct stat status;
  if (fstat(file.fd_.get(), &status) != 0) {
    return SystemError(stage, errno, StrCat("fstat ", EscapeForTerminal(path)));
  }
  if (!S_ISREG(status.st_mode)) {
    return InvalidArgument(stage,
                           StrCat("read ", EscapeForTerminal(path), ": ", KindOf(status.st_mode)));
  }
  file.size_ = static_cast<size_t>(status.st_size);
  file.device_ = status.st_dev;
  file.inode_ = status.st_ino;
  return file;
}

Result<std::string> TextFile::ReadAll(size_t max_bytes) const {
  if (size_ > max_bytes) {
    return InvalidArgument(stage_, StrCat("read ", EscapeForTerminal(path_), ": it is larger than ",
                                          max_bytes, " bytes"));
  }
  return ReadToEnd(fd_.get(), path_, size_, max_bytes, stage_);
}

Result<std::string> ReadTextFile(const std::string& path, size_t max_bytes, Stage stage) {
  MINI_ASSIGN_OR_RETURN(const TextFile file, TextFile::Open(path, stage));
  return file.ReadAll(max_bytes);
}

Result<std::string> ReadProcFile(const std::string& path, Stage stage) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return SystemError(stage, errno, StrCat("open ", path));
  return ReadToEnd(fd.get(), path, 0, SIZE_MAX, stage);
}

}  // namespace mini
