// The last error of each thread, and what every function of the C API does with exceptions.
#ifndef MINI_SANDBOX_CAPI_LAST_ERROR_H_
#define MINI_SANDBOX_CAPI_LAST_ERROR_H_

#include <new>

#include "capi/error.h"

namespace mini::capi {

int LastErrorCode();
const char* LastErrorMessage();

// Keep it for this thread and return its code.
int Fail(Error error);
int FailWithoutMemory() noexcept;
int FailUnexpectedly() noexcept;

// The code of the Error that `function` returns; no exception comes out.
template <typename Function>
int Guard(Function function) noexcept {
  try {
    Error error = function();
    return error.ok() ? MINI_SANDBOX_OK : Fail(std::move(error));
  } catch (const std::bad_alloc&) {
    return FailWithoutMemory();
  } catch (...) {
    return FailUnexpectedly();
  }
}

}  // namespace mini::capi

#endif  // MINI_SANDBOX_CAPI_LAST_ERROR_H_
