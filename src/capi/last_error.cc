#include "capi/last_error.h"

#include <string>
#include <utility>

namespace mini::capi {
namespace {

struct LastError {
  int code = MINI_SANDBOX_OK;
  std::string message;
  const char* without_memory = nullptr;  // in place of the message
};

LastError& TheLastError() {
  thread_local LastError error;
  return error;
}

int FailWithout(const char* message) noexcept {
  LastError& last = TheLastError();
  last.code = MINI_SANDBOX_UNKNOWN_ERROR;
  last.without_memory = message;
  return last.code;
}

}  // namespace

int LastErrorCode() { return TheLastError().code; }

const char* LastErrorMessage() {
  const LastError& last = TheLastError();
  return last.without_memory ? last.without_memory : last.message.c_str();
}

int Fail(Error error) {
  LastError& last = TheLastError();
  last = {error.code, std::move(error.message), nullptr};
  return last.code;
}

int FailWithoutMemory() noexcept { return FailWithout("there is no memory"); }
int FailUnexpectedly() noexcept { return FailWithout("an unexpected error"); }

}  // namespace mini::capi
