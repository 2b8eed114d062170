// lwIP's configuration: TCP over IPv4 and IPv6 through the raw API, from one thread.
//
// lwIP sees nothing but validated TCP segments (netstack/link/packet.h) and produces nothing but
// TCP packets; Ethernet, ICMP, UDP and DNS are handled outside it.
#ifndef MINI_SANDBOX_NETSTACK_LWIP_PORT_LWIPOPTS_H_
#define MINI_SANDBOX_NETSTACK_LWIP_PORT_LWIPOPTS_H_

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_TIMERS 0  // tcp_tmr() is called by TcpFlowTable
#define LWIP_SINGLE_NETIF 1
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_STATS 0

// The C library has htons() and its kin; lwIP would define them as macros.
#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS

#define LWIP_IPV4 1
#define LWIP_IPV6 1
#define LWIP_IPV6_SCOPES 0
#define LWIP_TCP 1
#define LWIP_UDP 0
#define LWIP_RAW 0
#define LWIP_ARP 0
#define LWIP_ETHERNET 0
#define LWIP_ICMP 0
#define LWIP_ICMP6 1  // ip6.c does not link without; never called
#define LWIP_DHCP 0
#define LWIP_AUTOIP 0
#define LWIP_DNS 0
#define LWIP_IGMP 0
#define LWIP_IPV6_MLD 0
#define LWIP_IPV6_AUTOCONFIG 0
#define LWIP_IPV6_SEND_ROUTER_SOLICIT 0
#define LWIP_IPV6_DHCP6 0
#define LWIP_ND6_QUEUEING 0
#define LWIP_ND6_NUM_NEIGHBORS 1
#define LWIP_ND6_NUM_DESTINATIONS 1
#define LWIP_ND6_NUM_PREFIXES 1
#define LWIP_ND6_NUM_ROUTERS 1
#define LWIP_IPV6_FRAG 0
#define LWIP_IPV6_REASS 0
#define IP_FRAG 0
#define IP_REASSEMBLY 0
#define IP_FORWARD 0

// The C library's allocator for everything: no pool that runs dry. What the sandbox can make us
// hold is bounded by StackLimits instead.
#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT 8
#define LWIP_SUPPORT_CUSTOM_PBUF 1

// Segments up to what fits an IP packet: the kernel inside takes them whole (segmentation offload).
// With IPv6 and TCP headers a packet must stay below 65536 bytes, the size of a pbuf chain.
#define TCP_MSS 65400
#define TCP_CALCULATE_EFF_SEND_MSS 0
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 6
#define TCP_WND (2 * 1024 * 1024)
#define TCP_SND_BUF (2 * 1024 * 1024)
#define TCP_SND_QUEUELEN 2048
#define TCP_SNDLOWAT 1
#define TCP_SNDQUEUELOWAT 5
#define TCP_WND_UPDATE_THRESHOLD TCP_WND  // TcpFlow::OpenWindow() says when
#define TCP_OVERSIZE 0
// The link neither loses nor reorders, and a queue of out-of-order segments is memory given away.
#define TCP_QUEUE_OOSEQ 0
#define TCP_LISTEN_BACKLOG 0
#define LWIP_TCP_TIMESTAMPS 0
#define LWIP_TCP_SACK_OUT 0
// No segment outlives its frame on this link: half a second is long.
#define TCP_MSL 500UL

// The kernel inside finishes and vouches for TCP checksums (virtio_net_hdr); ParseFrame verifies
// those that it does not vouch for.
#define CHECKSUM_GEN_IP 1
#define CHECKSUM_GEN_TCP 0
#define CHECKSUM_CHECK_IP 0
#define CHECKSUM_CHECK_TCP 0
#define LWIP_CHECKSUM_ON_COPY 0

// lwIP's own initial sequence numbers can be guessed.
#define LWIP_HOOK_FILENAME "lwip_hooks.h"
#define LWIP_HOOK_TCP_ISN(local_ip, local_port, remote_ip, remote_port) \
  mini_netstack_tcp_isn(local_ip, local_port, remote_ip, remote_port)

// tcp_mss + headers against buffers that MEM_LIBC_MALLOC does not have.
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1

#endif  // MINI_SANDBOX_NETSTACK_LWIP_PORT_LWIPOPTS_H_
