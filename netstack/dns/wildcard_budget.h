// How much a sandbox may say through names under a wildcard. Internal to dns/.
//
// Whoever serves example.com learns every name that is asked below it, so `*.example.com` lets data
// out to them by DNS alone, even without a connection. That can't be prevented, but slowed down:
// the part below the wildcard is limited in labels and bytes, and each wildcard rule has a token
// bucket, filled at kQueriesPerSecond up to kBurst, from which every query that goes to the
// resolver takes one; what the cache answers is free. Exact names need no limits: they carry
// nothing.
#ifndef MINI_SANDBOX_NETSTACK_DNS_WILDCARD_BUDGET_H_
#define MINI_SANDBOX_NETSTACK_DNS_WILDCARD_BUDGET_H_

#include <cstddef>
#include <map>
#include <string_view>

#include "netstack/dns/token_bucket.h"
#include "netstack/event_loop.h"
#include "netstack/filter/rules.h"

namespace mini::netstack {

class WildcardBudget {
 public:
  static constexpr size_t kMaxLabels = 5;
  static constexpr size_t kMaxBytes = 100;
  static constexpr double kQueriesPerSecond = 20;
  static constexpr double kBurst = 200;

  // Whether the form of a name that `rule`, a wildcard, allows is within the limits.
  static bool MayAsk(const Rule& rule, std::string_view name);
  // Takes a token of the rule's bucket; false when it is empty.
  bool Take(const Rule& rule, TimePoint now);

 private:
  std::map<const Rule*, TokenBucket> buckets_;  // as many as there are wildcard rules
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_DNS_WILDCARD_BUDGET_H_
