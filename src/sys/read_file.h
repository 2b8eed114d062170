// Reads a file that a person or the system wrote, whole or not at all.
#ifndef MINI_SANDBOX_SYS_READ_FILE_H_
#define MINI_SANDBOX_SYS_READ_FILE_H_

#include <cstddef>
#include <string>

#include "base/status.h"

namespace mini {

// The whole of `path`. A file larger than `max_bytes` is an error, never a shorter text. Nothing
// here blocks: directories, FIFOs, sockets and devices are refused without being read.
Result<std::string> ReadTextFile(const std::string& path, size_t max_bytes, Stage stage);

// The same for files of /proc, whose size is not known beforehand and which must be there.
Result<std::string> ReadProcFile(const std::string& path, Stage stage);

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_READ_FILE_H_
