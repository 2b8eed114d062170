// lwIP's connection lists, one pair a flow.
//
// Theory of operation. lwIP finds the connection of a segment by walking tcp_active_pcbs and
// tcp_tw_pcbs. We know the flow already, by hash; so each flow keeps its own two lists (of one
// connection at most), and they stand in lwIP's globals only while lwIP is called for that flow.
// lwIP's search then ends at its first element, however many connections there are. tcp_tmr() is
// for all of them at once: TcpFlowTable joins the lists for it and takes them apart again.
//
// This rests on lwip/priv/tcp_priv.h: that tcp_input(), tcp_output(), tcp_recved(), tcp_connect(),
// tcp_split_unsent_seg(), tcp_shutdown() and tcp_abort() reach a connection only through their
// argument or these two lists, and that tcp_tmr() walks exactly these two.
// tests/netstack/lwip_contract_test.cc fails when that changes.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_LWIP_SCOPE_H_
#define MINI_SANDBOX_NETSTACK_FLOW_LWIP_SCOPE_H_

#include <cstdlib>
#include <cstring>

#include "base/ip_address.h"
#include "lwip/priv/tcp_priv.h"

namespace mini::netstack {

inline ip_addr_t ToLwipAddress(const IpAddress& address) {
  ip_addr_t out;
  std::memset(&out, 0, sizeof out);
  std::memcpy(&out.u_addr, address.bytes().data(), address.bytes().size());
  IP_SET_TYPE_VAL(out, address.is_v4() ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6);
  return out;
}

struct LwipLists {
  tcp_pcb* active = nullptr;
  tcp_pcb* time_wait = nullptr;

  bool empty() const { return active == nullptr && time_wait == nullptr; }
};

// Not to be nested: lwIP's callbacks run inside a scope, and so must not open another.
class LwipScope {
 public:
  explicit LwipScope(LwipLists& lists) : lists_(lists) {
    if (tcp_active_pcbs != nullptr || tcp_tw_pcbs != nullptr) std::abort();
    tcp_active_pcbs = lists.active;
    tcp_tw_pcbs = lists.time_wait;
  }
  ~LwipScope() {
    lists_.active = tcp_active_pcbs;
    lists_.time_wait = tcp_tw_pcbs;
    tcp_active_pcbs = nullptr;
    tcp_tw_pcbs = nullptr;
  }
  LwipScope(const LwipScope&) = delete;
  LwipScope& operator=(const LwipScope&) = delete;

 private:
  LwipLists& lists_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_LWIP_SCOPE_H_
