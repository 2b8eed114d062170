// What a function of the C API returns, with the words for it.
#ifndef MINI_SANDBOX_CAPI_ERROR_H_
#define MINI_SANDBOX_CAPI_ERROR_H_

#include <string>
#include <string_view>
#include <utility>

#include "base/paths.h"
#include "base/status.h"
#include "base/strings.h"
#include "include/mini_sandbox.h"

namespace mini::capi {

struct [[nodiscard]] Error {
  mini_sandbox_error code = MINI_SANDBOX_OK;
  std::string message = {};

  bool ok() const { return code == MINI_SANDBOX_OK; }
};

inline Error Done() { return {}; }

// What does not come from a check of ours: the message tells.
inline Error SystemErrorOf(const Status& status) {
  return {MINI_SANDBOX_SYSTEM_ERROR, status.ToString()};
}

// A path or a rule in a message: whole, and nothing in it that a terminal would obey.
inline std::string Shown(std::string_view text) { return EscapeForTerminal(text, text.size()); }

inline Error Refuse(mini_sandbox_error code, std::string_view what, std::string_view why) {
  return {code, StrCat(Shown(what), ": ", why)};
}

inline Error CheckAbsolute(const char* path) {
  if (!path) return {MINI_SANDBOX_NOT_ABSOLUTE, "the path is NULL"};
  if (*path == '\0') return {MINI_SANDBOX_NOT_ABSOLUTE, "the path is empty"};
  if (IsAbsolutePath(path)) return Done();
  return Refuse(MINI_SANDBOX_NOT_ABSOLUTE, path, "the path is not absolute");
}

}  // namespace mini::capi

#endif  // MINI_SANDBOX_CAPI_ERROR_H_
