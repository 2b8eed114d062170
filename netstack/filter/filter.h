// Verdicts: may this name be resolved, may this address be reached? Not thread-safe.
//
// A name that is allowed leads to addresses that are allowed for as long as the answer lives: a pin
// ties (address, rule, ports) to a time. See filter.cc for the theory of operation.
#ifndef MINI_SANDBOX_NETSTACK_FILTER_FILTER_H_
#define MINI_SANDBOX_NETSTACK_FILTER_FILTER_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "netstack/event_loop.h"
#include "netstack/filter/rules.h"

namespace mini::netstack {

enum class Reason : uint8_t {
  kRule,            // a rule decided (allowing or "!")
  kPin,             // an allowed name resolved to this address
  kOpenMode,        // no rules were given: public addresses are open
  kNoRule,          // nothing names it
  kProtectedRange,  // loopback, link-local, metadata, multicast, the host's own, ...: invariant 10
  kPrivateRange,    // open mode or a wildcard may not lead into private ranges
  kWildcardLimit,   // a wildcard allows the name, but not names as long or as many
  kNoServerName,    // the client does not say which server it means, and it has to
  kBadServerName,   // it says so in a way that cannot be checked
  kPublished,       // a client of the host, to a port that was published
  kNoRoom,          // it is allowed, but there are as many flows as may be
};
std::string_view ReasonText(Reason reason);  // "no rule names it"

// Whether there is room for one more flow.
enum class Room : uint8_t {
  kThere,
  kAllTaken,  // there are as many as --max-connections permits
  kOwnBound,  // a bound of the stack's own has been met
  kLater,     // not now; who asks will ask again
};

// The option that makes more room than `max_connections` gives flows of that protocol; empty where
// none does.
inline constexpr size_t kMostConnections = 1'000'000;
std::string MoreConnectionsOption(Protocol protocol, size_t max_connections);

struct Verdict {
  bool allowed = false;
  Reason reason = Reason::kNoRule;
  const Rule* rule = nullptr;  // the deciding one, if one did; lives as long as the Filter
  std::string name;            // the name by which the address was allowed or is known, if any
  uint64_t flow = 0;           // of an allowed flow: what ties its end to this in the log
};

// What a person is told about a refusal. ToString() is the stderr line without the program's name:
// "refused name refused.example: no rule names it; to allow it: --allow refused.example"
// "refused tcp 192.0.2.7:25 (mail.example): no rule names it; to allow it: --allow mail.example:25"
// "refused tcp 192.0.2.7:443 for other.example: no rule names it; to allow it: --allow ..."
// "refused 7 tcp flows, the first to 192.0.2.7:443: too many connections at once; ..."
// "refused address 127.0.0.1 of odd.example: it is ...; to allow it: --allow 127.0.0.1"
struct RefusalEvent {
  // kServerName: an open connection ends, because of the server that its client asks for.
  enum class Kind : uint8_t { kName, kFlow, kServerName } kind = Kind::kFlow;
  Protocol protocol = Protocol::kTcp;  // kFlow, kServerName
  // kName, kServerName; for kFlow the name behind the address, if known.
  std::string name;
  Endpoint destination;               // kFlow, kServerName
  std::optional<IpAddress> left_out;  // kName: set if the name is allowed, but not this address
  Reason reason = Reason::kNoRule;
  std::string remedy;          // the allow-list line that would allow it; empty where none can
  std::string option;          // kNoRoom: what would make room; empty where nothing does
  std::string published;       // kNoRoom: the published port that a client came to; else empty
  bool closes_others = false;  // open mode: with any line at all, everything else is refused
  std::vector<std::string> searched;  // of a name: what a search list made of it, refused as well
  std::string refused_by;             // the "!" rule and its place, where one decided

  // More than once: "refused name refused.example, 3 times: ...".
  std::string ToString(uint64_t times = 1) const;
};

// What was refused so far, each distinct refusal with the number of times, in the order of their
// first ones. The sandbox can make any number of distinct ones: `unlisted` counts the refusals that
// found no room.
struct RefusalSummary {
  struct Entry {
    RefusalEvent event;
    uint64_t times = 1;
  };
  std::vector<Entry> entries;
  // What a search list made of a name that was allowed, itself or below another domain.
  std::vector<std::string> on_the_way;
  uint64_t unlisted = 0;
};

// The lines of the summary without the program's name: the first `most` refusals, how many names of
// a search list were refused on the way, and how many more there were. `log_file` is the log that
// has them all, if one was kept.
std::vector<std::string> SummaryLines(const RefusalSummary& summary,
                                      const std::optional<std::string>& log_file, size_t most = 20);

class Observer;

// A name opened the way there, and what goes there does not say which server it means: allowed
// without `strict_names`, and worth a line in a log.
struct UnnamedEvent {
  Protocol protocol = Protocol::kTcp;
  Endpoint destination;
  std::string name;  // that opened it

  std::string ToString() const;
};

struct FilterOptions {
  // Unset: open mode (public addresses only). Set but empty: nothing is allowed.
  std::optional<RuleSet> rules;
  // The host's own addresses, refused unless an address rule names them: what is known of them from
  // the start, and what says so at the time of each verdict, for those that are gained later.
  std::vector<IpAddress> host_addresses;
  std::function<bool(const IpAddress&)> leads_to_this_host;  // unset: host_addresses are all
  size_t max_addresses_per_name = 32;
  size_t max_pins = 65536;
  // Each distinct refusal (kind, name or address, protocol, port) is reported once.
  std::function<void(const RefusalEvent&)> on_refusal;
  bool counts_refusals = false;  // for Filter::refusals()
  size_t max_connections = 0;    // --max-connections, for what a refusal says; 0: says nothing
  // Told of every verdict, allowing ones as well; null: nobody. Outlives the filter.
  Observer* observer = nullptr;
  // What a name opened has to say which server it means.
  bool strict_names = false;
  // Each (protocol, address, port) once.
  std::function<void(const UnnamedEvent&)> on_unnamed;
  // Normalized. A client that expanded a name of one label by them asks the server for that label;
  // and the refusals of what clients make of a name by them are summed up with that name's.
  std::vector<std::string> search_domains;
};

class Filter {
 public:
  explicit Filter(FilterOptions options);
  ~Filter();
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  // May this name be resolved? Reports a refusal. `name` normalized.
  Verdict CheckName(std::string_view name);
  // The same, without a word to anybody.
  bool AllowsName(std::string_view name) const;
  // `alias` is what an allowed name is another name for (CNAME): allowed unless a "!" rule without
  // protocol and ports refuses it, whatever name led there. Reports a refusal.
  Verdict CheckAlias(std::string_view alias);
  // May a new flow go there? Reports a refusal. ICMP ignores the port. When the rules allow it,
  // `find_room` is asked, too; unset: there is room. What has to ask again is not allowed, and not
  // reported either.
  Verdict CheckFlow(Protocol protocol, const Endpoint& destination, TimePoint now,
                    const std::function<Room()>& find_room = {});
  // For flows that no rule is asked about: one found no room. `published` as in AcceptInbound().
  void RefuseWithoutRoom(Protocol protocol, const Endpoint& far_side, Room room,
                         std::string_view published = {});

  // A client of the host has come to a published port, which -p names like `published`
  // ("127.0.0.1:8080:8000"): allowed.
  Verdict AcceptInbound(Protocol protocol, const Endpoint& client, std::string_view published);

  // For flows that a name opened (Reason::kPin), and so perhaps every server behind that address.
  // The client asks for the server `asked`, as it was sent: may this flow lead there? It may when
  // the rules allow that name for the protocol and port. Reports a refusal.
  Verdict CheckServerName(Protocol protocol, std::string_view asked, const Endpoint& destination,
                          TimePoint now);
  // The client asks for none. Allowed without strict_names. Reports a refusal.
  Verdict CheckUnnamed(Protocol protocol, const Endpoint& destination, TimePoint now);
  // The client asks in a way that cannot be read: refused.
  Verdict RefuseBadServerName(Protocol protocol, const Endpoint& destination, TimePoint now);

  // `addresses` were resolved for the allowed `name` with `ttl`. Pins those that may be reached
  // (protected and, where due, private ranges are left out) and returns them in the given order;
  // `ttl` is set to what may be told to the sandbox: never longer than the pin.
  std::vector<IpAddress> AdmitAnswer(std::string_view name, std::span<const IpAddress> addresses,
                                     std::chrono::seconds& ttl, TimePoint now);

  // A refusal of a name that was decided elsewhere (the wildcard limits of dns/). Not normalized
  // names are taken, but have to be printable.
  void ReportRefusedName(std::string_view name, Reason reason);
  // The names by which the address is pinned, the most recent first.
  std::vector<std::string> NamesAt(const IpAddress& address, TimePoint now) const;

  RefusalSummary refusals() const;

  // Forgets expired pins; cheap, called about once a second.
  void ExpirePins(TimePoint now);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FILTER_FILTER_H_
