// lwIP's configuration: TCP over IPv4 and IPv6 through the raw API, from one thread.
#ifndef MINI_SANDBOX_NETSTACK_LWIP_PORT_LWIPOPTS_H_
#define MINI_SANDBOX_NETSTACK_LWIP_PORT_LWIPOPTS_H_

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_IPV4 1
#define LWIP_IPV6 1
#define LWIP_TCP 1
#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT 8

#endif  // MINI_SANDBOX_NETSTACK_LWIP_PORT_LWIPOPTS_H_
