// The program that takes a caller's place, as bytes of this library.
#ifndef MINI_SANDBOX_CAPI_CARRIED_SUPERVISOR_H_
#define MINI_SANDBOX_CAPI_CARRIED_SUPERVISOR_H_

#include <span>

namespace mini::capi {

std::span<const unsigned char> CarriedSupervisor();

}  // namespace mini::capi

#endif  // MINI_SANDBOX_CAPI_CARRIED_SUPERVISOR_H_
