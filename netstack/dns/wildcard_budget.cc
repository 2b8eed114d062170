#include "netstack/dns/wildcard_budget.h"

#include <algorithm>

namespace mini::netstack {

bool WildcardBudget::MayAsk(const Rule& rule, std::string_view name) {
  const std::string_view below =
      name.substr(0, name.size() - std::min(name.size(), rule.name.size() + 1));
  const auto dots = static_cast<size_t>(std::count(below.begin(), below.end(), '.'));
  return dots + 1 <= kMaxLabels && below.size() <= kMaxBytes;
}

bool WildcardBudget::Take(const Rule& rule, TimePoint now) {
  return buckets_.try_emplace(&rule, kQueriesPerSecond, kBurst, now).first->second.Take(now);
}

}  // namespace mini::netstack
