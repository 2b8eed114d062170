// Theory of operation.
//
// Every query is answered by the first of these that applies:
//   1. not a query of ours: no header or a reply: silence; malformed, several questions, records
//      beside the question: FORMERR; an opcode but QUERY: NOTIMP; EDNS version above 0: BADVERS;
//      a class but IN, a zone transfer, a name that is no host name: REFUSED;
//   2. localhost and what is below it: the sandbox's own loopback (RFC 6761, section 6.3);
//   3. PTR: the names that are pinned to the address, else NXDOMAIN. Nothing is asked upstream,
//      where whoever serves the address range would learn of it;
//   4. a name that the filter does not allow: REFUSED, and nothing is asked upstream. Nor is it for
//      a wildcard's name beyond the limits of wildcard_budget.h;
//   5. a type other than A, AAAA, MX, TXT and SRV: NOERROR without records. So HTTPS and SVCB hand
//      out no ECH keys, which would hide the name of a connection from anyone who wants to see it,
//      and ANY is what RFC 8482 permits it to be;
//   6. the host's hosts(5);
//   7. the cache;
//   8. the host's resolver. The same question asked while its answer is under way waits for that
//      answer. Questions under way and queries waiting for them are bounded; beyond, and when the
//      resolver fails: SERVFAIL. A wildcard's empty token bucket is SERVFAIL too: it refills.
// An answer that leads through an alias (CNAME) which a "!" rule refuses is REFUSED as that name
// is. Addresses from 6 to 8 pass Filter::AdmitAnswer every time they are handed out, so that none
// is told without a pin, nor for longer than the pin. When it admits none of them the reply is
// NOERROR without records, not REFUSED: the name is allowed, and stub resolvers take REFUSED as the
// failure of the whole server, which would spoil the other family's answer, too. The filter has
// reported the addresses it left out.
#include "netstack/dns/dns_server.h"

#include <map>

#include "base/strings.h"
#include "netstack/dns/answer_cache.h"
#include "netstack/dns/message.h"
#include "netstack/dns/upstream.h"
#include "netstack/dns/wildcard_budget.h"

namespace mini::netstack {
namespace {

using std::chrono::seconds;

constexpr size_t kMaxQuestionsUnderWay = 256;
constexpr size_t kMaxQueriesWaiting = 1024;
constexpr size_t kMaxCacheBytes = size_t{2} << 20;
constexpr size_t kMaxPtrRecords = 8;
constexpr size_t kMaxMessage = 65535;
constexpr seconds kLocalTtl{60};

bool IsAddressType(uint16_t type) { return type == rrtype::kA || type == rrtype::kAaaa; }

bool IsForwardedType(uint16_t type) {
  return IsAddressType(type) || type == rrtype::kMx || type == rrtype::kTxt || type == rrtype::kSrv;
}

bool IsLocalhost(std::string_view name) {
  return name == "localhost" || name.ends_with(".localhost");
}

Answer WithRcode(Rcode rcode) {
  Answer answer;
  answer.rcode = rcode;
  return answer;
}

Answer LocalhostAnswer(uint16_t type) {
  Answer answer = WithRcode(Rcode::kNoError);
  answer.ttl = kLocalTtl;
  if (type == rrtype::kA) answer.addresses.push_back(IpAddress::V4(127, 0, 0, 1));
  if (type == rrtype::kAaaa) answer.addresses.push_back(*IpAddress::Parse("::1"));
  return answer;
}

class PolicyDnsServer final : public DnsServer {
 public:
  PolicyDnsServer(const ResolverConfig& config, std::unique_ptr<Upstream> upstream, Filter* filter,
                  EventLoop* loop);

  void HandleQuery(std::span<const uint8_t> query, DnsTransport transport, Reply reply) override;

 private:
  // Someone who waits for a reply.
  struct Asker {
    Query query;
    DnsTransport transport;
    Reply reply;
  };

  // Steps 1 to 3; nothing: go on.
  std::optional<Answer> AnswerWithoutName(const Query& query);
  Answer AnswerReverse(const IpAddress& address);
  // Steps 4 to 8.
  void AnswerByName(Asker asker);
  std::optional<Answer> AnswerFromHosts(const Query& query) const;
  void Ask(const Rule* rule, Asker asker);
  void Deliver(const AnswerKey& key, const Answer& answer);
  // For answers about allowed names: admits their addresses first.
  void FinishAdmitted(const Asker& asker, Answer answer);
  static void Finish(const Asker& asker, const Answer& answer);

  Filter* filter_;
  EventLoop* loop_;
  std::map<std::string, std::vector<IpAddress>, std::less<>> hosts_;
  AnswerCache cache_{kMaxCacheBytes};
  WildcardBudget budget_;
  std::map<AnswerKey, std::vector<Asker>> under_way_;
  size_t waiting_ = 0;
  std::unique_ptr<Upstream> upstream_;  // last: gone before what its callbacks use
};

PolicyDnsServer::PolicyDnsServer(const ResolverConfig& config, std::unique_ptr<Upstream> upstream,
                                 Filter* filter, EventLoop* loop)
    : filter_(filter), loop_(loop), upstream_(std::move(upstream)) {
  for (const auto& [name, address] : config.hosts) hosts_[name].push_back(address);
}

void PolicyDnsServer::HandleQuery(std::span<const uint8_t> query, DnsTransport transport,
                                  Reply reply) {
  auto parsed = ParseQuery(query);
  if (!parsed) return reply({});
  Asker asker{std::move(parsed->query), transport, std::move(reply)};
  if (parsed->rcode != Rcode::kNoError) return Finish(asker, WithRcode(parsed->rcode));
  if (const auto answer = AnswerWithoutName(asker.query)) return Finish(asker, *answer);
  AnswerByName(std::move(asker));
}

std::optional<Answer> PolicyDnsServer::AnswerWithoutName(const Query& query) {
  const bool transfer = query.type == rrtype::kAxfr || query.type == rrtype::kIxfr;
  if (query.qclass != ARES_CLASS_IN || transfer) return WithRcode(Rcode::kRefused);
  if (query.name.empty()) {
    if (!query.asked.empty()) {
      filter_->ReportRefusedName(EscapeForTerminal(query.asked), Reason::kNoRule);
    }
    return WithRcode(Rcode::kRefused);
  }
  if (IsLocalhost(query.name)) return LocalhostAnswer(query.type);
  if (query.type == rrtype::kPtr) {
    if (const auto address = ReverseAddress(query.name)) return AnswerReverse(*address);
  }
  return std::nullopt;
}

Answer PolicyDnsServer::AnswerReverse(const IpAddress& address) {
  Answer answer = WithRcode(Rcode::kNoError);
  answer.ttl = kLocalTtl;
  if (address.is_loopback()) {
    answer.records.emplace_back().target = "localhost";
    return answer;
  }
  for (std::string& name : filter_->NamesAt(address, loop_->Now())) {
    if (answer.records.size() == kMaxPtrRecords) break;
    answer.records.emplace_back().target = std::move(name);
  }
  return answer.records.empty() ? WithRcode(Rcode::kNxDomain) : answer;
}

void PolicyDnsServer::AnswerByName(Asker asker) {
  const Query& query = asker.query;
  const Verdict verdict = filter_->CheckName(query.name);
  if (!verdict.allowed) return Finish(asker, WithRcode(Rcode::kRefused));
  const bool by_wildcard = verdict.rule && verdict.rule->kind == TargetKind::kWildcard;
  if (by_wildcard && !WildcardBudget::MayAsk(*verdict.rule, query.name)) {
    filter_->ReportRefusedName(query.name, Reason::kWildcardLimit);
    return Finish(asker, WithRcode(Rcode::kRefused));
  }
  if (!IsForwardedType(query.type)) return Finish(asker, WithRcode(Rcode::kNoError));
  auto known = AnswerFromHosts(query);
  if (!known) known = cache_.Find({query.name, query.type}, loop_->Now());
  if (known) return FinishAdmitted(asker, std::move(*known));
  Ask(by_wildcard ? verdict.rule : nullptr, std::move(asker));
}

// A name in hosts(5) is not asked for elsewhere, even for the family that it has no address of.
std::optional<Answer> PolicyDnsServer::AnswerFromHosts(const Query& query) const {
  const auto entry = hosts_.find(query.name);
  if (entry == hosts_.end() || !IsAddressType(query.type)) return std::nullopt;
  Answer answer = WithRcode(Rcode::kNoError);
  answer.ttl = kLocalTtl;
  for (const IpAddress& address : entry->second) {
    if (address.is_v4() == (query.type == rrtype::kA)) answer.addresses.push_back(address);
  }
  return answer;
}

// `rule` is the wildcard that allows the name; null if something else does.
void PolicyDnsServer::Ask(const Rule* rule, Asker asker) {
  const AnswerKey key{asker.query.name, asker.query.type};
  if (waiting_ == kMaxQueriesWaiting) return Finish(asker, WithRcode(Rcode::kServFail));
  if (const auto asked = under_way_.find(key); asked != under_way_.end()) {
    asked->second.push_back(std::move(asker));
    ++waiting_;
    return;
  }
  if (under_way_.size() == kMaxQuestionsUnderWay) {
    return Finish(asker, WithRcode(Rcode::kServFail));
  }
  if (rule && !budget_.Take(*rule, loop_->Now())) {
    filter_->ReportRefusedName(key.first, Reason::kWildcardLimit);
    return Finish(asker, WithRcode(Rcode::kServFail));
  }
  under_way_[key].push_back(std::move(asker));
  ++waiting_;
  upstream_->Resolve(key.first, key.second,
                     [this, key](const Answer& answer) { Deliver(key, answer); });
}

void PolicyDnsServer::Deliver(const AnswerKey& key, const Answer& answer) {
  cache_.Add(key, answer, loop_->Now());
  const auto asked = under_way_.extract(key);
  waiting_ -= asked.mapped().size();
  for (const Asker& asker : asked.mapped()) FinishAdmitted(asker, answer);
}

void PolicyDnsServer::FinishAdmitted(const Asker& asker, Answer answer) {
  for (const std::string& alias : answer.aliases) {
    if (!filter_->CheckAlias(alias).allowed) return Finish(asker, WithRcode(Rcode::kRefused));
  }
  if (!answer.addresses.empty()) {
    answer.addresses =
        filter_->AdmitAnswer(asker.query.name, answer.addresses, answer.ttl, loop_->Now());
  }
  Finish(asker, answer);
}

void PolicyDnsServer::Finish(const Asker& asker, const Answer& answer) {
  const bool udp = asker.transport == DnsTransport::kUdp;
  asker.reply(BuildReply(asker.query, answer, udp ? asker.query.udp_limit : kMaxMessage));
}

}  // namespace

Result<std::unique_ptr<DnsServer>> DnsServer::Create(ResolverConfig config, Filter* filter,
                                                     EventLoop* loop) {
  MINI_ASSIGN_OR_RETURN(std::unique_ptr<Upstream> upstream, Upstream::Create(config, loop));
  return std::unique_ptr<DnsServer>(
      std::make_unique<PolicyDnsServer>(config, std::move(upstream), filter, loop));
}

}  // namespace mini::netstack
