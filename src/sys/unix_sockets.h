// The host's UNIX-domain sockets that have a path.
#ifndef MINI_SANDBOX_SYS_UNIX_SOCKETS_H_
#define MINI_SANDBOX_SYS_UNIX_SOCKETS_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace mini {

// The absolute paths in the text of /proc/net/unix (proc(5)), each once, in order. Sockets that
// were bound to a relative path cannot be told where they lie, and are not listed.
std::vector<std::string> ParseUnixSockets(std::string_view text);

// Those of the caller's network namespace. None where /proc/net/unix does not exist.
Result<std::vector<std::string>> ReadUnixSockets();

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_UNIX_SOCKETS_H_
