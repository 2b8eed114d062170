// lwIP's ends: the one network device it knows, and the one listener.
//
// Theory of operation. Segments go in with the addresses in lwIP's globals, where ip4_input() and
// ip6_input() would have left them; so any destination is ours, without an address on the device. A
// SYN is accepted only while the listener has its destination's port: for the time of that one
// call. What lwIP sends comes out as an IP packet, gets the urgent pointer, which lwIP does not
// know, its pseudo header sum and, when it is longer than the sandbox's MTU, the marks of
// segmentation offload, and goes to the link as one frame.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_LWIP_DEVICE_H_
#define MINI_SANDBOX_NETSTACK_FLOW_LWIP_DEVICE_H_

#include <optional>
#include <span>
#include <vector>

#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "netstack/flow/flow_key.h"
#include "netstack/link/tap_link.h"

namespace mini::netstack {

class LwipDevice {
 public:
  // Whose flow it is that lwIP is called for.
  class Owner {
   public:
    // The link took no frame: lwIP keeps the segment, and tcp_output() has to be called again.
    virtual void OnOutputBlocked() = 0;
    // The sequence number behind the last urgent byte that the sandbox has not acknowledged.
    virtual std::optional<uint32_t> UrgentEnd() const = 0;

   protected:
    ~Owner() = default;
  };

  // At most one in a process at a time: lwIP's state is global.
  LwipDevice(TapLink& link, tcp_accept_fn accept, Owner& owner);
  ~LwipDevice();
  LwipDevice(const LwipDevice&) = delete;
  LwipDevice& operator=(const LwipDevice&) = delete;

  // An acknowledgment that lwIP would send by itself, at once, from within Input().
  enum class BareAck : uint8_t { kSent, kHeldBack };

  // In the scope of the lists of the connection. Takes the pbuf: TCP header and payload. lwIP takes
  // an acknowledgment that is held back for one that the link did not take, and keeps TF_ACK_NOW:
  // the next segment brings it along.
  void Input(const FlowKey& key, pbuf* segment, BareAck bare_ack = BareAck::kSent);
  // A SYN that is to be accepted; `flow` becomes the connection's callback argument.
  void InputSyn(const FlowKey& key, std::span<const uint8_t> segment, void* flow);

 private:
  err_t Output(pbuf* packet, bool v6);
  void MarkUrgent(std::span<uint8_t> tcp) const;
  static err_t OutputV4(netif* device, pbuf* packet, const ip4_addr_t* destination);
  static err_t OutputV6(netif* device, pbuf* packet, const ip6_addr_t* destination);

  TapLink& link_;
  Owner& owner_;
  netif device_{};
  tcp_pcb_listen* listener_ = nullptr;
  BareAck bare_ack_ = BareAck::kSent;
  std::vector<uint8_t> bounce_;  // for packets in more pieces than writev(2) takes
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_LWIP_DEVICE_H_
