// DNS messages from and to the sandbox (RFC 1035, RFC 6891). Internal to dns/.
#ifndef MINI_SANDBOX_NETSTACK_DNS_MESSAGE_H_
#define MINI_SANDBOX_NETSTACK_DNS_MESSAGE_H_

#include <ares.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "netstack/dns/answer.h"

namespace mini::netstack {

struct DnsRecordDeleter {
  void operator()(ares_dns_record_t* record) const { ares_dns_record_destroy(record); }
};
using DnsRecordPtr = std::unique_ptr<ares_dns_record_t, DnsRecordDeleter>;

// What a reply has to repeat, and what the question was.
struct Query {
  uint16_t id = 0;
  bool recursion_desired = false;
  bool has_question = false;      // false: nothing below can be relied on
  std::vector<uint8_t> question;  // its bytes; empty if it is malformed or compressed
  std::string asked;  // the name as asked, in c-ares' escaped form: replies keep its case
  std::string name;   // normalized; empty if it is no host name
  uint16_t type = 0;
  uint16_t qclass = 0;
  bool has_edns = false;
  size_t udp_limit = 512;  // the largest reply over UDP
};

struct ParsedQuery {
  Query query;
  Rcode rcode = Rcode::kNoError;  // other than kNoError: reply with that at once
};

// Nothing when there is no header to reply to, or it is a reply itself: say nothing.
std::optional<ParsedQuery> ParseQuery(std::span<const uint8_t> message);

// The reply's bytes, at most `limit` of them: what doesn't fit is left out, with TC set.
std::vector<uint8_t> BuildReply(const Query& query, const Answer& answer, size_t limit);

// The address that a name under in-addr.arpa or ip6.arpa stands for.
std::optional<IpAddress> ReverseAddress(std::string_view name);

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_DNS_MESSAGE_H_
