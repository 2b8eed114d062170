// lwIP's ends: the one network device it knows, and the one listener.
//
// Theory of operation. Segments go in with the addresses in lwIP's globals, where ip4_input() and
// ip6_input() would have left them; so any destination is ours, without an address on the device. A
// SYN is accepted only while the listener has its destination's port: for the time of that one
// call. What lwIP sends comes out as an IP packet, gets its pseudo header sum and, when it is
// longer than the sandbox's MTU, the marks of segmentation offload, and goes to the link as one
// frame.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_LWIP_DEVICE_H_
#define MINI_SANDBOX_NETSTACK_FLOW_LWIP_DEVICE_H_

#include <functional>
#include <span>
#include <vector>

#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "netstack/flow/flow_key.h"
#include "netstack/link/tap_link.h"

namespace mini::netstack {

class LwipDevice {
 public:
  // At most one in a process at a time: lwIP's state is global. `on_blocked`: the link took no
  // frame; lwIP keeps the segment, and tcp_output() has to be called again.
  LwipDevice(TapLink& link, tcp_accept_fn accept, std::function<void()> on_blocked);
  ~LwipDevice();
  LwipDevice(const LwipDevice&) = delete;
  LwipDevice& operator=(const LwipDevice&) = delete;

  // In the scope of the lists of the connection. Takes the pbuf: TCP header and payload.
  void Input(const FlowKey& key, pbuf* segment);
  // A SYN that is to be accepted; `flow` becomes the connection's callback argument.
  void InputSyn(const FlowKey& key, std::span<const uint8_t> segment, void* flow);

 private:
  err_t Output(pbuf* packet, bool v6);
  static err_t OutputV4(netif* device, pbuf* packet, const ip4_addr_t* destination);
  static err_t OutputV6(netif* device, pbuf* packet, const ip6_addr_t* destination);

  TapLink& link_;
  std::function<void()> on_blocked_;
  netif device_{};
  tcp_pcb_listen* listener_ = nullptr;
  std::vector<uint8_t> bounce_;  // for packets in more pieces than writev(2) takes
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_LWIP_DEVICE_H_
