// What differs between libmini-sandbox and libmini-tapbox.
#ifndef MINI_SANDBOX_CAPI_LIBRARY_H_
#define MINI_SANDBOX_CAPI_LIBRARY_H_

#include <span>

#include "policy/policy.h"

namespace mini::capi {

// The network of a sandbox for which nothing else was asked.
Network LibraryNetwork();

// The program that takes a caller's place, as bytes of this library.
std::span<const unsigned char> CarriedSupervisor();

}  // namespace mini::capi

#endif  // MINI_SANDBOX_CAPI_LIBRARY_H_
