// The first byte chooses: a query from the sandbox (even), or a reply from the resolver (odd). A
// query gets exactly one reply; whatever a resolver says becomes a reply that can be parsed.
#include <cstdlib>
#include <memory>
#include <vector>

#include "netstack/dns/dns_server.h"
#include "netstack/dns/message.h"
#include "netstack/dns/upstream.h"

namespace mini::netstack {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

// Nothing is asked upstream here, so nothing has to be watched.
class IdleLoop final : public EventLoop {
 public:
  Status Watch(int, uint32_t, IoCallback) override { return OkStatus(); }
  void Unwatch(int) override {}
  TimerId AddTimer(Duration, TimerCallback) override { return 1; }
  void CancelTimer(TimerId) override {}
  TimePoint Now() const override { return TimePoint(); }
};

void FuzzQuery(std::span<const uint8_t> message, DnsTransport transport) {
  IdleLoop loop;
  FilterOptions options;
  options.rules.emplace();
  Filter filter(std::move(options));
  auto server = DnsServer::Create(ResolverConfig(), &filter, &loop);
  Require(server.ok());
  std::vector<std::vector<uint8_t>> replies;
  (*server)->HandleQuery(message, transport,
                         [&](std::vector<uint8_t> reply) { replies.push_back(std::move(reply)); });
  Require(replies.size() == 1);
  if (replies[0].empty()) return;
  Require(replies[0].size() >= 12 && replies[0].size() <= 1232);
  Require(replies[0][0] == message[0] && replies[0][1] == message[1]);
}

void FuzzAnswer(std::span<const uint8_t> message) {
  ares_dns_record_t* created = nullptr;
  if (ares_dns_parse(message.data(), message.size(), 0, &created) != ARES_SUCCESS) return;
  const DnsRecordPtr record(created);
  const char* name = nullptr;
  ares_dns_rec_type_t type{};
  Require(ares_dns_record_query_get(created, 0, &name, &type, nullptr) == ARES_SUCCESS);
  Query query;
  query.has_question = true;
  query.asked = name;
  query.type = static_cast<uint16_t>(type);
  query.qclass = ARES_CLASS_IN;
  const Answer answer = ReadAnswer(created, query.asked, query.type);
  Require(answer.ttl.count() >= 0 && answer.ttl.count() <= 3600);
  const std::vector<uint8_t> reply = BuildReply(query, answer, 512);
  Require(reply.size() >= 12 && reply.size() <= 512);
  if (reply[5] == 0) return;  // without question, as here for names that are no host names
  ares_dns_record_t* read = nullptr;
  Require(ares_dns_parse(reply.data(), reply.size(), 0, &read) == ARES_SUCCESS);
  ares_dns_record_destroy(read);
}

}  // namespace
}  // namespace mini::netstack

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mini::netstack;
  if (size == 0) return 0;
  const std::span<const uint8_t> message(data + 1, size - 1);
  if (data[0] % 2 == 1) {
    FuzzAnswer(message);
  } else {
    FuzzQuery(message, data[0] % 4 == 0 ? DnsTransport::kUdp : DnsTransport::kTcp);
  }
  return 0;
}
