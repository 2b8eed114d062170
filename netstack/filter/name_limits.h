// How long a name may be, for all that read one. Internal to filter/.
#ifndef MINI_SANDBOX_NETSTACK_FILTER_NAME_LIMITS_H_
#define MINI_SANDBOX_NETSTACK_FILTER_NAME_LIMITS_H_

#include <cstddef>

namespace mini::netstack {

// RFC 1035, section 2.3.4, without length bytes.
inline constexpr size_t kMaxNameBytes = 253;
inline constexpr size_t kMaxLabelBytes = 63;

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FILTER_NAME_LIMITS_H_
