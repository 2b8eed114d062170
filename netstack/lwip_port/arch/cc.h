// What lwIP asks of the compiler and the platform (lwip/arch.h); its defaults do for the rest.
#ifndef MINI_SANDBOX_NETSTACK_LWIP_PORT_ARCH_CC_H_
#define MINI_SANDBOX_NETSTACK_LWIP_PORT_ARCH_CC_H_

#include <stdio.h>
#include <stdlib.h>

#define LWIP_RAND() ((u32_t)random())

// lwIP's assertions stay on: should a frame from the sandbox ever break one, ending the run is
// better than going on with broken memory.
#define LWIP_PLATFORM_DIAG(x) ((void)0)
#define LWIP_PLATFORM_ASSERT(message)                               \
  do {                                                              \
    fprintf(stderr, "mini-sandbox: lwIP assertion: %s\n", message); \
    abort();                                                        \
  } while (0)

#endif  // MINI_SANDBOX_NETSTACK_LWIP_PORT_ARCH_CC_H_
