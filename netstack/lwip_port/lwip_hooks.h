// What lwIP calls in us. Included by lwIP's C sources and by lwip_hooks.cc.
#ifndef MINI_SANDBOX_NETSTACK_LWIP_PORT_LWIP_HOOKS_H_
#define MINI_SANDBOX_NETSTACK_LWIP_PORT_LWIP_HOOKS_H_

#include "lwip/ip_addr.h"

#ifdef __cplusplus
extern "C" {
#endif

// RFC 6528: a clock plus a keyed hash of the connection.
u32_t mini_netstack_tcp_isn(const ip_addr_t* local_ip, u16_t local_port, const ip_addr_t* remote_ip,
                            u16_t remote_port);

#ifdef __cplusplus
}
#endif

#endif  // MINI_SANDBOX_NETSTACK_LWIP_PORT_LWIP_HOOKS_H_
