// The files that -D and --log write.
#ifndef MINI_SANDBOX_SUPERVISE_LOG_FILE_H_
#define MINI_SANDBOX_SUPERVISE_LOG_FILE_H_

#include <string>
#include <string_view>

#include "base/status.h"
#include "base/unique_fd.h"

namespace mini {

// Opens `path` for appending, with mode 0600: a regular file of this user's with one name, or a new
// one. Never through a symlink as the last component, nor below the working directory through any.
// `what` is for errors, which have Stage::kProbe: "the debug log".
Result<UniqueFd> OpenLogFile(std::string_view what, const std::string& path);

}  // namespace mini

#endif  // MINI_SANDBOX_SUPERVISE_LOG_FILE_H_
