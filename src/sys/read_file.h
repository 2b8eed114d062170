// Reads a file that a person or the system wrote, whole or not at all.
#ifndef MINI_SANDBOX_SYS_READ_FILE_H_
#define MINI_SANDBOX_SYS_READ_FILE_H_

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "base/status.h"
#include "base/unique_fd.h"

namespace mini {

// The whole of `path`. A file larger than `max_bytes` is an error, never a shorter text. Nothing
// here blocks: directories, FIFOs, sockets and devices are refused without being read.
Result<std::string> ReadTextFile(const std::string& path, size_t max_bytes, Stage stage);

// A regular file, open for reading: for who has to know which file a path led to.
class TextFile {
 public:
  // Refuses what ReadTextFile() refuses.
  static Result<TextFile> Open(const std::string& path, Stage stage);

  // Once.
  Result<std::string> ReadAll(size_t max_bytes) const;

  // The same file under whatever name; holds as long as this one stays open.
  bool IsSameFileAs(const TextFile& other) const {
    return device_ == other.device_ && inode_ == other.inode_;
  }
  const std::string& path() const { return path_; }

 private:
  TextFile() = default;

  std::string path_;
  Stage stage_ = Stage::kArguments;
  UniqueFd fd_;
  size_t size_ = 0;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// The same for files of /proc, whose size is not known beforehand and which must be there.
Result<std::string> ReadProcFile(const std::string& path, Stage stage);

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_READ_FILE_H_
