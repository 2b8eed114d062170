// The addresses of this machine's own interfaces, which no name may lead the sandbox to.
#ifndef MINI_SANDBOX_SYS_HOST_ADDRESSES_H_
#define MINI_SANDBOX_SYS_HOST_ADDRESSES_H_

#include <vector>

#include "base/ip_address.h"
#include "base/status.h"

namespace mini {

// Both families, every interface of the caller's network namespace, up or down, loopback included;
// sorted, each address once. It is what holds now: addresses come and go.
Result<std::vector<IpAddress>> ReadHostAddresses();

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_HOST_ADDRESSES_H_
