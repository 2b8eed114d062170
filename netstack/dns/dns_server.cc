// Theory of operation.
//
// Every query is answered by the first of these that applies:
//   1. not a query of ours: no header or a reply: silence; malformed, several questions, records
//      beside the question: FORMERR; an opcode but QUERY: NOTIMP; EDNS version above 0: BADVERS;
//      a class but IN, a zone transfer: REFUSED; a name that is no host name: as 4;
//   2. localhost and what is below it: the sandbox's own loopback (RFC 6761, section 6.3). So is
//      the sandbox's own name, of which /etc/hosts inside has the IPv4 address only, so that its
//      IPv6 address is asked for here; below a domain of the search list where no rule allows that;
//   3. PTR: the names that are pinned to the address, else NXDOMAIN. Nothing is asked upstream,
//      where whoever serves the address range would learn of it;
//   4. a name that the filter does not allow: refused (below), and nothing is asked upstream. Nor
//      is it for a wildcard's name beyond the limits of wildcard_budget.h;
//   5. a type other than A, AAAA, MX, TXT and SRV: NOERROR without records. So HTTPS and SVCB hand
//      out no ECH keys, which would hide the name of a connection from anyone who wants to see it,
//      and ANY is what RFC 8482 permits it to be;
//   6. the host's hosts(5);
//   7. the cache;
//   8. the host's resolver. The same question asked while its answer is under way waits for that
//      answer. Questions go out at kQuestionsPerSecond, after a burst, in the order they came;
//      those under way and queries waiting for them are bounded. Beyond, and when the resolver
//      fails or takes longer than clients wait: SERVFAIL. A wildcard's empty token bucket is
//      SERVFAIL too: it refills.
// An answer that leads through an alias (CNAME) which a "!" rule refuses is refused as that name
// is. Addresses from 6 to 8 pass Filter::AdmitAnswer every time they are handed out, so that none
// is told without a pin, nor for longer than the pin. When it admits none of them the reply is
// NOERROR without records, not REFUSED: the name is allowed, and stub resolvers take REFUSED as the
// failure of the whole server, which would spoil the other family's answer, too. The filter has
// reported the addresses it left out.
//
// Refused is REFUSED for clients that ask with EDNS, which are told why (RFC 8914, "Blocked"). For
// those that ask without, and for names below a domain of the host's search list, it is NXDOMAIN,
// which may not be remembered (no SOA record). For to stub resolvers REFUSED is no answer: musl's
// does not take it and waits five seconds for another one, glibc's and c-ares' then try no further
// domain of the search list. See ADR 0012.
//
// The host's files are looked at again before a question is asked, every two seconds at most: a
// laptop changes networks. Questions under way at a server that is gone are asked at its successor.
#include "netstack/dns/dns_server.h"

#include <algorithm>
#include <deque>
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
// Far beyond what a person or a build asks for, and nothing to a resolver.
constexpr double kQuestionsPerSecond = 200;
constexpr double kQuestionsBurst = 1000;
constexpr seconds kRereadInterval{2};

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

bool IsBelow(std::string_view name, std::string_view domain) {
  return name.size() > domain.size() + 1 && name.ends_with(domain) &&
         name[name.size() - domain.size() - 1] == '.';
}

Answer EmptyAnswer() {
  Answer answer = WithRcode(Rcode::kNoError);
  answer.ttl = kLocalTtl;
  return answer;
}

Answer LocalhostAnswer(uint16_t type) {
  Answer answer = EmptyAnswer();
  if (type == rrtype::kA) answer.addresses.push_back(IpAddress::V4(127, 0, 0, 1));
  if (type == rrtype::kAaaa) answer.addresses.push_back(*IpAddress::Parse("::1"));
  return answer;
}

// nss-myhostname(8) and Debian have it so, too: not the address that servers listen at by default.
Answer OwnNameAnswer(uint16_t type) {
  Answer answer = EmptyAnswer();
  if (type == rrtype::kA) answer.addresses.push_back(IpAddress::V4(127, 0, 1, 1));
  return answer;
}

class PolicyDnsServer final : public DnsServer {
 public:
  PolicyDnsServer(const ResolverConfig& config, std::unique_ptr<Upstream> upstream, Filter* filter,
                  EventLoop* loop);

  ~PolicyDnsServer() override;

  void HandleQuery(std::span<const uint8_t> query, DnsTransport transport, Reply reply) override;

 private:
  // Someone who waits for a reply.
  struct Asker {
    Query query;
    DnsTransport transport;
    Reply reply;
  };

  void RefuseOddName(const Asker& asker);
  // Steps 1 to 3; nothing: go on.
  std::optional<Answer> AnswerWithoutName(const Query& query);
  bool IsOwnName(std::string_view name) const;
  Answer AnswerReverse(const IpAddress& address);
  // Steps 4 to 8.
  void AnswerByName(Asker asker);
  std::optional<Answer> AnswerFromHosts(const Query& query) const;
  void Ask(const Rule* rule, Asker asker);
  void AskQueued();
  void Deliver(const AnswerKey& key, const Answer& answer);
  void RereadFiles();
  void TakeHosts(const ResolverConfig& config);
  void Refuse(const Asker& asker, Reason reason) const;
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
  std::deque<AnswerKey> queue_;  // of under_way_, those that wait for their turn
  TokenBucket turns_;
  std::optional<EventLoop::TimerId> queue_timer_;
  std::vector<NameServer> servers_;
  std::vector<std::string> search_;
  const std::string own_name_;
  std::function<std::optional<ResolverConfig>()> reread_;
  TimePoint next_reread_;
  std::unique_ptr<Upstream> upstream_;  // last: gone before what its callbacks use
};

PolicyDnsServer::PolicyDnsServer(const ResolverConfig& config, std::unique_ptr<Upstream> upstream,
                                 Filter* filter, EventLoop* loop)
    : filter_(filter),
      loop_(loop),
      turns_(kQuestionsPerSecond, kQuestionsBurst, loop->Now()),
      servers_(config.servers),
      own_name_(config.own_name),
      reread_(config.reread),
      next_reread_(loop->Now()),
      upstream_(std::move(upstream)) {
  TakeHosts(config);
}

PolicyDnsServer::~PolicyDnsServer() {
  if (queue_timer_) loop_->CancelTimer(*queue_timer_);
}

void PolicyDnsServer::TakeHosts(const ResolverConfig& config) {
  search_ = config.search;
  hosts_.clear();
  for (const auto& [name, address] : config.hosts) hosts_[name].push_back(address);
}

void PolicyDnsServer::RereadFiles() {
  if (!reread_ || loop_->Now() < next_reread_) return;
  next_reread_ = loop_->Now() + kRereadInterval;
  const std::optional<ResolverConfig> config = reread_();
  if (!config) return;
  TakeHosts(*config);
  if (config->servers == servers_) return;
  servers_ = config->servers;
  cache_.Clear();  // another network may have other answers
  upstream_->SetServers(servers_);
}

void PolicyDnsServer::HandleQuery(std::span<const uint8_t> query, DnsTransport transport,
                                  Reply reply) {
  auto parsed = ParseQuery(query);
  if (!parsed) return reply({});
  Asker asker{std::move(parsed->query), transport, std::move(reply)};
  if (parsed->rcode != Rcode::kNoError) return Finish(asker, WithRcode(parsed->rcode));
  if (const auto answer = AnswerWithoutName(asker.query)) return Finish(asker, *answer);
  if (asker.query.name.empty()) return RefuseOddName(asker);
  AnswerByName(std::move(asker));
}

void PolicyDnsServer::RefuseOddName(const Asker& asker) {
  if (!asker.query.asked.empty()) {
    filter_->ReportRefusedName(EscapeForTerminal(asker.query.asked), Reason::kNoRule);
  }
  Refuse(asker, Reason::kNoRule);
}

void PolicyDnsServer::Refuse(const Asker& asker, Reason reason) const {
  const Query& query = asker.query;
  const bool candidate =
      std::any_of(search_.begin(), search_.end(),
                  [&](const std::string& domain) { return IsBelow(query.name, domain); });
  Answer answer = WithRcode(query.has_edns && !candidate ? Rcode::kRefused : Rcode::kNxDomain);
  answer.extended_error = {ede::kBlocked, std::string(ReasonText(reason))};
  Finish(asker, answer);
}

std::optional<Answer> PolicyDnsServer::AnswerWithoutName(const Query& query) {
  const bool transfer = query.type == rrtype::kAxfr || query.type == rrtype::kIxfr;
  if (query.qclass != ARES_CLASS_IN || transfer) return WithRcode(Rcode::kRefused);
  if (IsLocalhost(query.name)) return LocalhostAnswer(query.type);
  if (IsOwnName(query.name)) return OwnNameAnswer(query.type);
  if (query.type == rrtype::kPtr) {
    if (const auto address = ReverseAddress(query.name)) return AnswerReverse(*address);
  }
  return std::nullopt;
}

bool PolicyDnsServer::IsOwnName(std::string_view name) const {
  if (own_name_.empty() || !name.starts_with(own_name_)) return false;
  if (name.size() == own_name_.size()) return true;
  return std::any_of(
             search_.begin(), search_.end(),
             [&](const std::string& domain) { return name == StrCat(own_name_, ".", domain); }) &&
         !filter_->AllowsName(name);
}

Answer PolicyDnsServer::AnswerReverse(const IpAddress& address) {
  Answer answer = EmptyAnswer();
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
  if (!verdict.allowed) return Refuse(asker, verdict.reason);
  const bool by_wildcard = verdict.rule && verdict.rule->kind == TargetKind::kWildcard;
  if (by_wildcard && !WildcardBudget::MayAsk(*verdict.rule, query.name)) {
    filter_->ReportRefusedName(query.name, Reason::kWildcardLimit);
    return Refuse(asker, Reason::kWildcardLimit);
  }
  if (!IsForwardedType(query.type)) return Finish(asker, EmptyAnswer());
  RereadFiles();
  auto known = AnswerFromHosts(query);
  if (!known) known = cache_.Find({query.name, query.type}, loop_->Now());
  if (known) return FinishAdmitted(asker, std::move(*known));
  Ask(by_wildcard ? verdict.rule : nullptr, std::move(asker));
}

// A name in hosts(5) is not asked for elsewhere, even for the family that it has no address of.
std::optional<Answer> PolicyDnsServer::AnswerFromHosts(const Query& query) const {
  const auto entry = hosts_.find(query.name);
  if (entry == hosts_.end() || !IsAddressType(query.type)) return std::nullopt;
  Answer answer = EmptyAnswer();
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
  if (upstream_->outstanding() + queue_.size() >= kMaxQuestionsUnderWay) {
    return Finish(asker, WithRcode(Rcode::kServFail));
  }
  if (rule && !budget_.Take(*rule, loop_->Now())) {
    filter_->ReportRefusedName(key.first, Reason::kWildcardLimit);
    return Finish(asker, WithRcode(Rcode::kServFail));
  }
  under_way_[key].push_back(std::move(asker));
  ++waiting_;
  queue_.push_back(key);
  if (!queue_timer_) AskQueued();
}

void PolicyDnsServer::AskQueued() {
  while (!queue_.empty()) {
    if (!turns_.Take(loop_->Now())) {
      queue_timer_ = loop_->AddTimer(turns_.UntilNext(), [this] {
        queue_timer_.reset();
        AskQueued();
      });
      return;
    }
    const AnswerKey key = std::move(queue_.front());
    queue_.pop_front();
    upstream_->Resolve(key.first, key.second,
                       [this, key](const Answer& answer) { Deliver(key, answer); });
  }
}

void PolicyDnsServer::Deliver(const AnswerKey& key, const Answer& answer) {
  cache_.Add(key, answer, loop_->Now());
  const auto asked = under_way_.extract(key);
  waiting_ -= asked.mapped().size();
  for (const Asker& asker : asked.mapped()) FinishAdmitted(asker, answer);
}

void PolicyDnsServer::FinishAdmitted(const Asker& asker, Answer answer) {
  for (const std::string& alias : answer.aliases) {
    const Verdict verdict = filter_->CheckAlias(alias);
    if (!verdict.allowed) return Refuse(asker, verdict.reason);
  }
  if (!answer.addresses.empty()) {
    answer.addresses =
        filter_->AdmitAnswer(asker.query.name, answer.addresses, answer.ttl, loop_->Now());
    if (answer.addresses.empty()) answer.ttl = seconds(0);  // it is not the name that has none
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
