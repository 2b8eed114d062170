#include "sys/unix_sockets.h"

#include <algorithm>
#include <cerrno>

#include "base/strings.h"
#include "sys/read_file.h"

namespace mini {

std::vector<std::string> ParseUnixSockets(std::string_view text) {
  std::vector<std::string> paths;
  // "0000000000000000: 00000002 00000000 00010000 0001 01 20453 /run/systemd/private": the seven
  // columns before the path hold no slash.
  for (const std::string_view line : StrSplit(text, '\n')) {
    const size_t start = line.find(" /");
    if (start != std::string_view::npos) paths.emplace_back(line.substr(start + 1));
  }
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  return paths;
}

Result<std::vector<std::string>> ReadUnixSockets() {
  Result<std::string> text = ReadProcFile("/proc/net/unix", Stage::kProbe);
  if (!text.ok()) {
    // A kernel without UNIX-domain sockets has none to hide.
    if (text.status().error_number() == ENOENT) return std::vector<std::string>();
    return std::move(text).status();
  }
  return ParseUnixSockets(*text);
}

}  // namespace mini
