#include "sys/mountinfo.h"

#include <cstdint>

#include "base/paths.h"
#include "base/strings.h"

namespace mini {
namespace {

constexpr size_t kLineLength = 64;  // about: to save most of the growing

bool IsOctal(char c) { return c >= '0' && c <= '7'; }

// The text up to the next space, which is consumed; empty when nothing is left.
std::string_view NextField(std::string_view& rest) {
  const size_t end = rest.find(' ');
  const std::string_view field = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return field;
}

// "36 35 98:0 /root /mount/point options [optional fields...] - type source super_options"; false:
// of another form.
bool ParseLine(std::string_view line, MountFact& fact) {
  (void)NextField(line);  // mount ID
  (void)NextField(line);  // parent ID
  const std::string_view device = NextField(line);
  const std::string_view root = NextField(line);
  const std::string_view mount_point = NextField(line);
  (void)NextField(line);  // per-mount options
  // Zero or more optional fields ("shared:1"), ended by a single hyphen.
  for (std::string_view field = NextField(line); field != "-"; field = NextField(line)) {
    if (field.empty()) return false;
  }
  const std::string_view filesystem = NextField(line);

  const size_t colon = device.find(':');
  if (colon == std::string_view::npos) return false;
  const auto major = ParseDecimal(device.substr(0, colon), UINT32_MAX);
  const auto minor = ParseDecimal(device.substr(colon + 1), UINT32_MAX);
  if (!major || !minor || root.empty() || !IsAbsolutePath(mount_point) || filesystem.empty()) {
    return false;
  }
  fact.device_major = static_cast<uint32_t>(*major);
  fact.device_minor = static_cast<uint32_t>(*minor);
  fact.root = UnescapeMountField(root);
  fact.mount_point = UnescapeMountField(mount_point);
  fact.filesystem = UnescapeMountField(filesystem);
  return true;
}

}  // namespace

std::string UnescapeMountField(std::string_view field) {
  if (field.find('\\') == std::string_view::npos) return std::string(field);
  std::string plain;
  plain.reserve(field.size());
  for (size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '\\' && i + 3 < field.size() && IsOctal(field[i + 1]) &&
        IsOctal(field[i + 2]) && IsOctal(field[i + 3])) {
      const int byte = (field[i + 1] - '0') * 64 + (field[i + 2] - '0') * 8 + (field[i + 3] - '0');
      plain += static_cast<char>(static_cast<unsigned char>(byte));
      i += 3;
    } else {
      plain += field[i];
    }
  }
  return plain;
}

Result<std::vector<MountFact>> ParseMountinfo(std::string_view text) {
  std::vector<MountFact> mounts;
  mounts.reserve(text.size() / kLineLength);
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) continue;
    if (!ParseLine(line, mounts.emplace_back())) {
      return InvalidArgument(Stage::kProbe, StrCat("/proc/self/mountinfo: a line of unknown form: ",
                                                   EscapeForTerminal(line)));
    }
  }
  return mounts;
}

}  // namespace mini
