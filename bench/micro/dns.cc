// DNS messages, and queries that are answered without asking anyone.
#include <benchmark/benchmark.h>

#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "micro.h"
#include "netstack/dns/answer_cache.h"
#include "netstack/dns/dns_server.h"
#include "netstack/dns/message.h"
#include "netstack/dns/upstream.h"
#include "netstack/epoll_loop.h"

namespace mini::micro {
namespace {

using namespace netstack;

// A query as resolvers of the C library write it (RFC 1035, 4.1), with EDNS (RFC 6891, 6.1.2).
std::vector<uint8_t> QueryFor(std::string_view name, uint16_t type) {
  std::vector<uint8_t> query = {0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1};
  for (const std::string_view label : StrSplit(name, '.')) {
    query.push_back(static_cast<uint8_t>(label.size()));
    query.insert(query.end(), label.begin(), label.end());
  }
  query.insert(query.end(), {0, 0, static_cast<uint8_t>(type), 0, 1});
  query.insert(query.end(), {0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0});
  return query;
}

Query Parsed(const std::vector<uint8_t>& message) {
  auto parsed = ParseQuery(message);
  OrDie(parsed && parsed->rcode == Rcode::kNoError && parsed->query.has_edns, "a query is read");
  return std::move(parsed->query);
}

Answer AnswerOf(int64_t addresses) {
  Answer answer;
  answer.rcode = Rcode::kNoError;
  answer.ttl = std::chrono::seconds(300);
  for (int64_t i = 0; i < addresses; ++i) {
    answer.addresses.push_back(IpAddress::V4(192, 0, 2, static_cast<uint8_t>(i)));
  }
  return answer;
}

void DnsQueryIsParsed(benchmark::State& state) {
  const auto message = QueryFor("www.asked.example.com", rrtype::kA);
  for (auto unused : state) OrDie(!Parsed(message).name.empty(), "a name is read");
}
BENCHMARK(DnsQueryIsParsed);

void DnsReplyIsBuilt(benchmark::State& state) {
  const Query query = Parsed(QueryFor("www.asked.example.com", rrtype::kA));
  const Answer answer = AnswerOf(state.range(0));
  for (auto unused : state) {
    OrDie(BuildReply(query, answer, query.udp_limit).size() > 12, "a reply is built");
  }
}
BENCHMARK(DnsReplyIsBuilt)->Arg(1)->Arg(8);

// What the host's resolver has said.
void DnsAnswerIsRead(benchmark::State& state) {
  const std::string name = "www.asked.example.com";
  const auto message =
      BuildReply(Parsed(QueryFor(name, rrtype::kA)), AnswerOf(state.range(0)), 1232);
  for (auto unused : state) {
    ares_dns_record_t* record = nullptr;
    OrDie(ares_dns_parse(message.data(), message.size(), 0, &record) == ARES_SUCCESS,
          "a reply is parsed");
    const DnsRecordPtr owner(record);
    OrDie(ReadAnswer(record, name, rrtype::kA).addresses.size() ==
              static_cast<size_t>(state.range(0)),
          "all addresses are read");
  }
}
BENCHMARK(DnsAnswerIsRead)->Arg(1)->Arg(8);

// From query to reply: `name` is in the host's hosts(5), or allowed by no rule.
void DnsServerAnswers(benchmark::State& state, const char* name, uint8_t rcode) {
  const auto loop = ValueOrDie(EpollLoop::Create());
  FilterOptions options;
  options.rules.emplace();
  OrDie(options.rules->AddText("benchmark", "host.example.com\n"));
  Filter filter(std::move(options));
  ResolverConfig config;
  config.hosts = {{"host.example.com", IpAddress::V4(192, 0, 2, 80)}};
  const auto server = ValueOrDie(DnsServer::Create(std::move(config), &filter, loop.get()));
  const auto query = QueryFor(name, rrtype::kA);
  for (auto unused : state) {
    bool answered = false;
    server->HandleQuery(query, DnsTransport::kUdp, [&](const std::vector<uint8_t>& reply) {
      answered = reply.size() >= 12 && (reply[3] & 0xf) == rcode;
    });
    OrDie(answered, "a query is answered at once");
  }
}
BENCHMARK_CAPTURE(DnsServerAnswers, known, "host.example.com", uint8_t{0});
BENCHMARK_CAPTURE(DnsServerAnswers, refused, "other.example.org", uint8_t{5});

void DnsCacheFinds(benchmark::State& state) {
  AnswerCache cache(size_t{64} << 20);
  const auto key = [](int64_t i) { return AnswerKey(StrCat("n", i, ".example.com"), rrtype::kA); };
  for (int64_t i = 0; i < state.range(0); ++i) cache.Add(key(i), AnswerOf(2), TimePoint());
  OrDie(cache.size() == static_cast<size_t>(state.range(0)), "all answers are kept");
  const AnswerKey asked = key(state.range(0) / 2);
  for (auto unused : state) OrDie(cache.Find(asked, TimePoint()).has_value(), "an answer is found");
}
BENCHMARK(DnsCacheFinds)->Arg(10)->Arg(1000)->Arg(10'000);

}  // namespace
}  // namespace mini::micro
