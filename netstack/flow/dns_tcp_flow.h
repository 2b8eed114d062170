// A TCP flow to port 53: it ends in our DNS server, whatever address it was meant for.
//
// Theory of operation. RFC 1035, 4.2.2 and RFC 7766: messages with a two-byte length before each,
// several on one connection, answers in any order. What is received stays in lwIP's buffers, and
// the window closed, while kMaxOutstanding queries wait for their answers or 64 KB of them are not
// taken; so one connection holds one incomplete query and no more answers than that. A message too
// long for a query resets the connection, and one on which nothing happens is closed. How many
// connections there may be is the table's business (TcpLimits::max_dns_flows).
#ifndef MINI_SANDBOX_NETSTACK_FLOW_DNS_TCP_FLOW_H_
#define MINI_SANDBOX_NETSTACK_FLOW_DNS_TCP_FLOW_H_

#include <deque>
#include <memory>
#include <vector>

#include "netstack/dns/dns_server.h"
#include "netstack/flow/tcp_flow.h"

namespace mini::netstack {

class DnsTcpFlow final : public TcpFlow {
 public:
  DnsTcpFlow(TcpFlowTable& table, const FlowKey& key, DnsServer& server);

  void Service() override;
  void OnTick(TimePoint now) override;
  void Abandon() override;
  ActivityClass activity_class() const override { return ActivityClass::kDns; }

 protected:
  bool FarSideDone() const override { return true; }

 private:
  static constexpr size_t kMaxOutstanding = 16;

  void TakeInput();
  void AskQueries();
  void SendReplies();
  void OnReply(std::vector<uint8_t> message);

  DnsServer& server_;
  // Replies may come when the flow is gone; they then find no one here.
  std::shared_ptr<DnsTcpFlow*> self_;
  std::vector<uint8_t> input_;
  std::deque<std::vector<uint8_t>> replies_;  // with their length prefix
  size_t reply_bytes_ = 0;                    // of all of them
  size_t reply_sent_ = 0;                     // of the first reply
  size_t outstanding_ = 0;
  bool idle_ = false;     // the time-out has passed once
  bool give_up_ = false;  // and again
  TimePoint last_activity_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_DNS_TCP_FLOW_H_
