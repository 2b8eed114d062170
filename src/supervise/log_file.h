// The files that -D and --log write.
#ifndef MINI_SANDBOX_SUPERVISE_LOG_FILE_H_
#define MINI_SANDBOX_SUPERVISE_LOG_FILE_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/unique_fd.h"

namespace mini {

// Opens `path` for appending: a regular file of this user's with one name, whose mode stays, or a
// new one with mode 0600. Never through a symlink as the last component, nor through any below the
// working directory or one of `writable`, however they are spelt: an earlier command may have left
// it there. `what` is for errors, which have Stage::kProbe: "the debug log".
Result<UniqueFd> OpenLogFile(std::string_view what, const std::string& path,
                             const std::vector<std::string>& writable);

// Whether two descriptors of OpenLogFile() are the same file's.
bool IsSameFile(int one, int other);

}  // namespace mini

#endif  // MINI_SANDBOX_SUPERVISE_LOG_FILE_H_
