// Theory of operation.
//
// CheckName decides by name rules alone. An answer for an allowed name goes through AdmitAnswer,
// which leaves out the addresses that the name may not lead to and pins the others (pin_table.h)
// for the time-to-live, clamped to 30..3600 s, plus a minute's grace: programs connect some time
// after they resolved. CheckFlow then decides in this order:
//   1. an address rule with "!" covers it: refused. An IPv6 address that carries an IPv4 address
//      (NAT64, 6to4, ...) is refused by what is refused for the IPv4 address, too;
//   2. an address rule covers it: allowed, though for a protected range (address_class.h) only if
//      the rule lies within that range. 0.0.0.0/0 does not *name* loopback, 127.0.0.0/8 does, and a
//      host's own address is named by itself alone. Which addresses are the host's own is asked for
//      each verdict anew, since a host gains addresses while it runs;
//   3. it lies in a protected range: refused, whatever name led there;
//   4. a living pin whose name has an allowing rule that covers it and no "!" rule that does:
//      allowed, though in a private range only by a rule with that very name, not a wildcard;
//   5. no rules were given (open mode): public addresses are allowed;
//   6. else refused.
// A "!" name rule closes what that name opens, and names that are aliases (CNAME) of it. It does
// not close an address that another allowed name or an address rule opens: behind one address there
// may be many names, and packets do not say which was meant.
//
// CheckServerName closes that gap for what says which name it means: TLS and HTTP (names/). A flow
// that step 4 let through is asked about again when its client has named a server, and goes on when
// some rule allows that name for that port, by the same rules as in step 4. It need not be a name
// that was resolved to that address: programs keep addresses longer than pins live, and what an
// allowed name's server does with an allowed name is between the two. An address rule opens an
// address for every name; such flows are not asked about.
//
// A refusal is reported once per (kind, name, address, protocol, port), with the line that would
// allow it. What was reported is remembered for the last kMaxReported refusals, so a port scan from
// inside costs output but not memory, and an old refusal can be reported again. For the summary
// they are counted by the same key (refusal_counter.h); the observer hears of each.
#include "netstack/filter/filter.h"

#include <algorithm>
#include <deque>
#include <set>

#include "base/strings.h"
#include "netstack/filter/address_class.h"
#include "netstack/filter/observer.h"
#include "netstack/filter/pin_table.h"
#include "netstack/filter/refusal_counter.h"

namespace mini::netstack {
namespace {

using std::chrono::seconds;

constexpr seconds kMinPin{30};
constexpr seconds kMaxPin{3600};
constexpr seconds kGrace{60};
constexpr size_t kMaxNamesPerAddress = 256;
constexpr size_t kMaxReported = 4096;

bool IsRefusal(const Rule& rule) { return rule.action == RuleAction::kRefuse; }

// An allowing rule that stands for all of them: the protocol and ports are the same. Null: none
// does.
const Rule* OnlyUse(const std::vector<const Rule*>& rules) {
  const Rule* only = nullptr;
  for (const Rule* rule : rules) {
    if (IsRefusal(*rule)) continue;
    if (only && (only->protocol != rule->protocol || only->ports != rule->ports)) return nullptr;
    only = rule;
  }
  return only;
}

// Whether an allowing address rule reaches an address of that class (step 2 above).
bool Names(const Rule& rule, const ClassifiedAddress& address) {
  if (address.address_class != AddressClass::kProtected) return true;
  return rule.prefix.length >= address.range.length && address.range.Contains(rule.prefix.address);
}

}  // namespace

struct Filter::State {
  explicit State(FilterOptions given)
      : options(std::move(given)),
        classifier(options.host_addresses, options.leads_to_this_host),
        pins({options.max_pins, options.max_addresses_per_name, kMaxNamesPerAddress}),
        counter(options.search_domains) {}

  bool open_mode() const { return !options.rules; }
  // What rules say of the name: about anything, and about one protocol and port.
  std::vector<const Rule*> NameRules(std::string_view name) const;
  std::vector<const Rule*> NameRules(std::string_view name, RuleSet::Use use) const;
  const Rule* AddressRefusal(const IpAddress& address, Protocol protocol, uint16_t port) const;
  Verdict JudgeName(std::string_view name) const;
  Verdict JudgeFlow(Protocol protocol, const Endpoint& to, TimePoint now) const;
  Verdict JudgePins(Protocol protocol, const Endpoint& to, bool is_private, TimePoint now) const;
  Verdict JudgeNamed(const std::string& name, Protocol protocol, uint16_t port,
                     bool is_private) const;
  Verdict JudgeServerName(Protocol protocol, const std::string& name, const Endpoint& to) const;
  Verdict JudgeAnswer(const PinTable::PinnedName& name, const IpAddress& address) const;

  // Tells whoever listens of a verdict.
  void TellName(std::string_view name, const Verdict& verdict);
  void TellFlow(Protocol protocol, const Endpoint& to, const Verdict& verdict,
                Room room = Room::kThere);
  void TellServerName(Protocol protocol, const Endpoint& to, const Verdict& verdict);
  void TellAnswer(const std::string& name, const IpAddress& address, const Verdict& verdict);
  void Tell(VerdictEvent event, const Verdict& verdict);
  void ReportUnnamed(Protocol protocol, const Endpoint& to, const std::string& name);
  // Whether this has to be reported, remembering that it was.
  bool IsNews(std::string key);

  FilterOptions options;
  AddressClassifier classifier;
  PinTable pins;
  std::set<std::string> reported;
  std::deque<std::set<std::string>::iterator> report_order;
  RefusalCounter counter;
  uint64_t last_flow = 0;
};

std::vector<const Rule*> Filter::State::NameRules(std::string_view name) const {
  return open_mode() ? std::vector<const Rule*>() : options.rules->DecidingForName(name);
}

std::vector<const Rule*> Filter::State::NameRules(std::string_view name, RuleSet::Use use) const {
  return open_mode() ? std::vector<const Rule*>() : options.rules->DecidingForName(name, use);
}

Verdict Filter::State::JudgeName(std::string_view name) const {
  Verdict verdict;
  verdict.name = std::string(name);
  if (open_mode()) {
    verdict.allowed = true;
    verdict.reason = Reason::kOpenMode;
    return verdict;
  }
  for (const Rule* rule : options.rules->DecidingForName(name)) {
    const bool refusal = IsRefusal(*rule);
    if (refusal && (rule->protocol || rule->ports)) continue;  // decided flow by flow
    if (refusal || !verdict.rule) verdict.rule = rule;         // names come before wildcards
    if (refusal) break;
  }
  if (!verdict.rule) return verdict;
  verdict.reason = Reason::kRule;
  verdict.allowed = !IsRefusal(*verdict.rule);
  return verdict;
}

const Rule* Filter::State::AddressRefusal(const IpAddress& address, Protocol protocol,
                                          uint16_t port) const {
  if (open_mode()) return nullptr;
  std::vector<const Rule*> matches = options.rules->DecidingForAddress(address, {protocol, port});
  for (const EmbeddedV4& embedded : EmbeddedV4In(address)) {
    const auto more = options.rules->DecidingForAddress(embedded.address, {protocol, port});
    matches.insert(matches.end(), more.begin(), more.end());
  }
  for (const Rule* rule : matches) {
    if (IsRefusal(*rule) && rule->Covers(protocol, port)) return rule;
  }
  return nullptr;
}

Verdict Filter::State::JudgeFlow(Protocol protocol, const Endpoint& to, TimePoint now) const {
  const ClassifiedAddress where = classifier.Classify(to.address);
  if (!open_mode()) {
    if (const Rule* rule = AddressRefusal(to.address, protocol, to.port)) {
      return {false, Reason::kRule, rule, {}};
    }
    for (const Rule* rule : options.rules->DecidingForAddress(to.address, {protocol, to.port})) {
      if (!IsRefusal(*rule) && rule->Covers(protocol, to.port) && Names(*rule, where)) {
        return {true, Reason::kRule, rule, {}};
      }
    }
  }
  const bool is_private = where.address_class == AddressClass::kPrivate;
  Verdict verdict = JudgePins(protocol, to, is_private, now);
  if (where.address_class == AddressClass::kProtected) {
    return {false, Reason::kProtectedRange, nullptr, std::move(verdict.name)};
  }
  if (verdict.allowed || !open_mode()) return verdict;
  verdict.allowed = !is_private;
  verdict.reason = is_private ? Reason::kPrivateRange : Reason::kOpenMode;
  return verdict;
}

// By the names that lead there. The name of a refusal is the one it makes most sense to speak of:
// one that no "!" rule closes, before one that it does.
Verdict Filter::State::JudgePins(Protocol protocol, const Endpoint& to, bool is_private,
                                 TimePoint now) const {
  Verdict refused;
  for (const PinTable::PinnedName* pinned : pins.NamesAt(to.address, now)) {
    Verdict verdict = JudgeNamed(pinned->name, protocol, to.port, is_private);
    if (verdict.allowed) return verdict;
    if (refused.name.empty() || (refused.rule && !verdict.rule)) refused = std::move(verdict);
  }
  return refused;
}

// By the rules that name this one.
Verdict Filter::State::JudgeNamed(const std::string& name, Protocol protocol, uint16_t port,
                                  bool is_private) const {
  Verdict verdict{false, Reason::kNoRule, nullptr, name};
  for (const Rule* rule : NameRules(name, {protocol, port})) {
    if (IsRefusal(*rule)) return {false, Reason::kRule, rule, name};
    if (verdict.allowed) continue;
    if (is_private && rule->kind == TargetKind::kWildcard) {
      verdict.reason = Reason::kPrivateRange;
    } else {
      verdict = {true, Reason::kPin, rule, name};
    }
  }
  return verdict;
}

Verdict Filter::State::JudgeServerName(Protocol protocol, const std::string& name,
                                       const Endpoint& to) const {
  const bool is_private = classifier.Classify(to.address).address_class == AddressClass::kPrivate;
  return JudgeNamed(name, protocol, to.port, is_private);
}

// May this name lead to this address at all? Ports are CheckFlow's concern.
Verdict Filter::State::JudgeAnswer(const PinTable::PinnedName& name,
                                   const IpAddress& address) const {
  const ClassifiedAddress where = classifier.Classify(address);
  if (!open_mode()) {
    for (const Rule* rule : options.rules->DecidingForAddress(address)) {
      if (IsRefusal(*rule) && !rule->protocol && !rule->ports) {
        return {false, Reason::kRule, rule, name.name};
      }
    }
    for (const Rule* rule : options.rules->DecidingForAddress(address)) {
      if (!IsRefusal(*rule) && Names(*rule, where)) return {true, Reason::kRule, rule, name.name};
    }
  }
  if (where.address_class == AddressClass::kProtected) {
    return {false, Reason::kProtectedRange, nullptr, name.name};
  }
  if (where.address_class == AddressClass::kPublic) return {true, Reason::kPin, nullptr, name.name};
  for (const Rule* rule : name.rules) {
    if (!IsRefusal(*rule) && rule->kind == TargetKind::kName) {
      return {true, Reason::kPin, rule, name.name};
    }
  }
  return {false, Reason::kPrivateRange, nullptr, name.name};
}

bool Filter::State::IsNews(std::string key) {
  const auto [entry, is_new] = reported.insert(std::move(key));
  if (!is_new) return false;
  report_order.push_back(entry);
  if (report_order.size() > kMaxReported) {
    reported.erase(report_order.front());
    report_order.pop_front();
  }
  return true;
}

void Filter::State::Tell(VerdictEvent event, const Verdict& verdict) {
  event.allowed = verdict.allowed;
  event.open_mode = open_mode();
  event.reason = verdict.reason;
  event.rule = verdict.rule;
  if (options.observer) options.observer->OnVerdict(event);
  if (verdict.allowed || (!options.on_refusal && !options.counts_refusals)) return;
  // What found no room is one matter, wherever it was to go.
  std::string key = event.reason != Reason::kNoRoom
                        ? SubjectKey(event)
                        : StrCat("room ", ProtocolName(event.protocol), " ", event.published);
  if (options.counts_refusals) counter.Count(key, event);
  if (options.on_refusal && IsNews(std::move(key))) options.on_refusal(Explain(event));
}

void Filter::State::ReportUnnamed(Protocol protocol, const Endpoint& to, const std::string& name) {
  if (!options.on_unnamed) return;
  if (!IsNews(
          StrCat("unnamed ", ProtocolName(protocol), " ", to.address.ToString(), " ", to.port))) {
    return;
  }
  options.on_unnamed({protocol, to, name});
}

void Filter::State::TellServerName(Protocol protocol, const Endpoint& to, const Verdict& verdict) {
  if (verdict.allowed && !options.observer) return;
  VerdictEvent event;
  event.subject = VerdictEvent::Subject::kServerName;
  event.protocol = protocol;
  event.destination = to;
  event.name = verdict.name;
  Tell(std::move(event), verdict);
}

void Filter::State::TellName(std::string_view name, const Verdict& verdict) {
  if (verdict.allowed && !options.observer) return;
  VerdictEvent event;
  event.subject = VerdictEvent::Subject::kName;
  event.name = name;
  Tell(std::move(event), verdict);
}

void Filter::State::TellFlow(Protocol protocol, const Endpoint& to, const Verdict& verdict,
                             Room room) {
  if (verdict.allowed && !options.observer) return;
  VerdictEvent event;
  event.subject = VerdictEvent::Subject::kFlow;
  event.protocol = protocol;
  event.destination = {to.address, protocol == Protocol::kIcmp ? uint16_t{0} : to.port};
  event.name = verdict.name;
  event.flow = verdict.flow;
  if (room == Room::kAllTaken) event.max_connections = options.max_connections;
  Tell(std::move(event), verdict);
}

void Filter::State::TellAnswer(const std::string& name, const IpAddress& address,
                               const Verdict& verdict) {
  VerdictEvent event;
  event.subject = VerdictEvent::Subject::kAnswer;
  event.name = name;
  if (!verdict.allowed && !open_mode()) event.name_rule = OnlyUse(options.rules->MatchName(name));
  event.destination.address = address;
  Tell(std::move(event), verdict);
}

Filter::Filter(FilterOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Filter::~Filter() = default;

Verdict Filter::CheckName(std::string_view name) {
  Verdict verdict = state_->JudgeName(name);
  if (state_->options.counts_refusals) state_->counter.NoteAsked(name, verdict.allowed);
  state_->TellName(name, verdict);
  return verdict;
}

bool Filter::AllowsName(std::string_view name) const { return state_->JudgeName(name).allowed; }

Verdict Filter::CheckAlias(std::string_view alias) {
  Verdict verdict = state_->JudgeName(alias);
  const bool refused_by_rule = !verdict.allowed && verdict.rule;
  if (refused_by_rule) state_->TellName(alias, verdict);
  verdict.allowed = !refused_by_rule;
  return verdict;
}

void Filter::ReportRefusedName(std::string_view name, Reason reason) {
  state_->TellName(name, {false, reason, nullptr, {}});
}

std::vector<std::string> Filter::NamesAt(const IpAddress& address, TimePoint now) const {
  std::vector<std::string> names;
  for (const PinTable::PinnedName* pinned : state_->pins.NamesAt(address, now)) {
    names.push_back(pinned->name);
  }
  return names;
}

Verdict Filter::CheckFlow(Protocol protocol, const Endpoint& destination, TimePoint now,
                          const std::function<Room()>& find_room) {
  Verdict verdict = state_->JudgeFlow(protocol, destination, now);
  // Datagrams show no name: that of QUIC (RFC 9001) is not looked for.
  if (verdict.allowed && verdict.reason == Reason::kPin && protocol == Protocol::kUdp) {
    Verdict unnamed = CheckUnnamed(protocol, destination, now);
    if (!unnamed.allowed) return unnamed;
  }
  const Room room = verdict.allowed && find_room ? find_room() : Room::kThere;
  if (room != Room::kThere) {
    verdict.allowed = false;
    verdict.reason = Reason::kNoRoom;
    if (room == Room::kLater) return verdict;
  }
  if (verdict.allowed) verdict.flow = ++state_->last_flow;
  state_->TellFlow(protocol, destination, verdict, room);
  return verdict;
}

void Filter::RefuseWithoutRoom(Protocol protocol, const Endpoint& far_side, Room room,
                               std::string_view published) {
  VerdictEvent event;
  event.protocol = protocol;
  event.destination = far_side;
  event.direction = published.empty() ? Direction::kOut : Direction::kIn;
  event.published = published;
  if (room == Room::kAllTaken) event.max_connections = state_->options.max_connections;
  state_->Tell(std::move(event), {false, Reason::kNoRoom, nullptr, {}});
}

Verdict Filter::AcceptInbound(Protocol protocol, const Endpoint& client,
                              std::string_view published) {
  Verdict verdict{true, Reason::kPublished, nullptr, {}};
  verdict.flow = ++state_->last_flow;
  if (state_->options.observer == nullptr) return verdict;
  VerdictEvent event;
  event.protocol = protocol;
  event.destination = client;
  event.direction = Direction::kIn;
  event.published = published;
  event.flow = verdict.flow;
  state_->Tell(std::move(event), verdict);
  return verdict;
}

Verdict Filter::CheckServerName(Protocol protocol, std::string_view asked,
                                const Endpoint& destination, TimePoint now) {
  if (const auto address = IpAddress::Parse(asked)) {
    // RFC 6066 and RFC 9110, 4.2: it names no server, unless it leads to another address.
    if (*address == destination.address) return CheckUnnamed(protocol, destination, now);
    const Endpoint meant{*address, destination.port};
    Verdict verdict = state_->JudgeFlow(protocol, meant, now);
    // Where it is allowed, no flow goes there.
    if (!verdict.allowed) state_->TellFlow(protocol, meant, verdict);
    return verdict;
  }
  const auto name = NormalizeName(asked);
  if (!name) return RefuseBadServerName(protocol, destination, now);
  Verdict verdict = state_->JudgeServerName(protocol, *name, destination);
  for (const std::string& domain : state_->options.search_domains) {
    // A rule for the short name itself decides. A name of several labels may be another server's on
    // the Internet, which a wildcard below the domain must not open.
    if (verdict.allowed || verdict.rule || name->find('.') != std::string::npos) break;
    Verdict full = state_->JudgeServerName(protocol, StrCat(*name, ".", domain), destination);
    if (full.allowed) verdict = std::move(full);
  }
  state_->TellServerName(protocol, destination, verdict);
  return verdict;
}

Verdict Filter::CheckUnnamed(Protocol protocol, const Endpoint& destination, TimePoint now) {
  Verdict verdict = state_->JudgeFlow(protocol, destination, now);
  if (state_->options.strict_names) {
    verdict = {false, Reason::kNoServerName, nullptr, std::move(verdict.name)};
    state_->TellFlow(protocol, destination, verdict);
  } else {
    // It was open when it began: flows outlast their pins.
    verdict.allowed = true;
    verdict.reason = Reason::kPin;
    state_->ReportUnnamed(protocol, destination, verdict.name);
  }
  return verdict;
}

Verdict Filter::RefuseBadServerName(Protocol protocol, const Endpoint& destination, TimePoint now) {
  const Verdict verdict{false, Reason::kBadServerName, nullptr,
                        state_->JudgeFlow(protocol, destination, now).name};
  state_->TellFlow(protocol, destination, verdict);
  return verdict;
}

std::vector<IpAddress> Filter::AdmitAnswer(std::string_view name,
                                           std::span<const IpAddress> addresses, seconds& ttl,
                                           TimePoint now) {
  const seconds lifetime = std::clamp(ttl, kMinPin, kMaxPin);
  ttl = std::clamp(ttl, seconds{0}, kMaxPin);
  std::vector<IpAddress> admitted;
  if (!state_->JudgeName(name).allowed) return admitted;
  const PinTable::PinnedName pinned{std::string(name), state_->NameRules(name)};
  const size_t most = std::max<size_t>(state_->options.max_addresses_per_name, 1);
  for (const IpAddress& address : addresses) {
    const Verdict verdict = state_->JudgeAnswer(pinned, address);
    if (!verdict.allowed) {
      state_->TellAnswer(pinned.name, address, verdict);
      continue;
    }
    if (std::find(admitted.begin(), admitted.end(), address) != admitted.end()) continue;
    if (admitted.size() == most) break;
    state_->pins.Pin(address, pinned, now + lifetime + kGrace);
    admitted.push_back(address);
  }
  return admitted;
}

RefusalSummary Filter::refusals() const { return state_->counter.Summary(); }

void Filter::ExpirePins(TimePoint now) { state_->pins.Expire(now); }

}  // namespace mini::netstack
