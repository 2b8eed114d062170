#include "sys/passwd.h"

#include <array>

#include "base/strings.h"

namespace mini {
namespace {

// name:password:uid:gid:gecos:home:shell
constexpr size_t kUidField = 2;
constexpr size_t kHomeField = 5;

}  // namespace

std::optional<std::string> HomeFromPasswd(std::string_view passwd_text, uid_t uid) {
  while (!passwd_text.empty()) {
    const size_t end = passwd_text.find('\n');
    std::string_view line = passwd_text.substr(0, end);
    passwd_text.remove_prefix(end == std::string_view::npos ? passwd_text.size() : end + 1);

    std::array<std::string_view, kHomeField + 1> fields;
    size_t count = 0;
    while (count < fields.size()) {
      const size_t colon = line.find(':');
      fields[count++] = line.substr(0, colon);
      if (colon == std::string_view::npos) break;
      line.remove_prefix(colon + 1);
    }
    if (count < fields.size()) continue;
    if (ParseDecimal(fields[kUidField], uid_t{0} - 1) == uid) {
      return std::string(fields[kHomeField]);
    }
  }
  return std::nullopt;
}

}  // namespace mini
