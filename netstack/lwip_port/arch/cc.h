// What lwIP asks of the compiler and the platform (lwip/arch.h); its defaults do for the rest.
#ifndef MINI_SANDBOX_NETSTACK_LWIP_PORT_ARCH_CC_H_
#define MINI_SANDBOX_NETSTACK_LWIP_PORT_ARCH_CC_H_

#include <stdio.h>
#include <stdlib.h>

#define LWIP_RAND() ((u32_t)random())

#endif  // MINI_SANDBOX_NETSTACK_LWIP_PORT_ARCH_CC_H_
