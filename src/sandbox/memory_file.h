// Files without a name, so that nothing on disk has to be found, trusted or kept: what a library
// hands to the programs that it carries, and those programs themselves.
#ifndef MINI_SANDBOX_SANDBOX_MEMORY_FILE_H_
#define MINI_SANDBOX_SANDBOX_MEMORY_FILE_H_

#include <span>
#include <string_view>

#include "base/status.h"
#include "base/unique_fd.h"

namespace mini {

// Each is sealed: whoever opens it by /proc/PID/fd while it is here can change nothing. Signals
// have to be blocked (BlockedSignals), since a limit on file sizes (setrlimit(2)) sends one, which
// these functions take. None of the descriptors is a standard stream: those are the payload's, even
// where the caller has closed them.

// To be executed.
Result<UniqueFd> MakeProgramFile(std::span<const unsigned char> image);

// To be read from its beginning.
Result<UniqueFd> MakeDataFile(std::string_view bytes);

// Moves it where it is no standard stream.
Status KeepAwayFromStreams(UniqueFd& descriptor);

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_MEMORY_FILE_H_
