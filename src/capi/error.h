// What a function of the C API returns, with the words for it.
#ifndef MINI_SANDBOX_CAPI_ERROR_H_
#define MINI_SANDBOX_CAPI_ERROR_H_

#include <string>
#include <utility>

#include "base/status.h"
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

}  // namespace mini::capi

#endif  // MINI_SANDBOX_CAPI_ERROR_H_
