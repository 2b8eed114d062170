// Files without a name, in memory.
#ifndef MINI_SANDBOX_SYS_MEMORY_FILE_H_
#define MINI_SANDBOX_SYS_MEMORY_FILE_H_

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/unique_fd.h"

namespace mini {

enum class MemoryFileUse { kData, kProgram };

// With these bytes, sealed: nobody can change it any more (memfd_create(2)). The descriptor is
// above the standard streams, and stands behind the last byte. `what` it is is for messages.
Result<UniqueFd> MakeMemoryFile(std::string_view what, std::span<const unsigned char> bytes,
                                MemoryFileUse use);

// Whole, wherever the descriptor stands: it may be shared with another process.
Result<std::vector<uint8_t>> ReadMemoryFile(std::string_view what, int file, Stage stage);

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_MEMORY_FILE_H_
