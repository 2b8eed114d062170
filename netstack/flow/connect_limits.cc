#include "netstack/flow/connect_limits.h"

#include <algorithm>
#include <cstring>

namespace mini::netstack {

PendingConnects::PendingConnects() {
  for (ActivityList& share : shares_) share.CountIn(size_);
}

ActivityList& PendingConnects::ShareOf(const IpAddress& destination) {
  return shares_[SipHash(key_, destination.bytes()) % kShares];
}

ActivityLink* PendingConnects::GivesWayTo(const ActivityList& share) {
  const auto largest = std::ranges::max_element(shares_, {}, &ActivityList::size);
  return largest->size() > share.size() + 1 ? largest->oldest() : nullptr;
}

ActivityLink* PendingConnects::oldest() {
  ActivityLink* oldest = nullptr;
  for (const ActivityList& share : shares_) {
    ActivityLink* candidate = share.oldest();
    if (candidate == nullptr) continue;
    if (oldest == nullptr || candidate->last_activity() < oldest->last_activity()) {
      oldest = candidate;
    }
  }
  return oldest;
}

ConnectRates::ConnectRates(const TcpLimits& limits)
    : strangers_(limits.failed_connects_per_second, limits.failed_connects_burst),
      answered_(limits.failed_connects_per_second, limits.failed_connects_burst),
      shares_(PendingConnects::kShares,
              RateLimit(std::min(kOfOneSharePerSecond, limits.failed_connects_per_second),
                        std::min(kOfOneShareBurst, limits.failed_connects_burst))) {}

RateLimit* ConnectRates::Take(const Endpoint& destination, TimePoint now) {
  const uint64_t hash = HashOf(destination);
  if (answered_before_[hash % kRemembered] == hash && answered_.Take(now)) return &answered_;
  if (strangers_.Take(now)) return &strangers_;
  RateLimit& share = shares_[SipHash(key_, destination.address.bytes()) % shares_.size()];
  return share.Take(now) ? &share : nullptr;
}

void ConnectRates::NoteAnswered(const Endpoint& destination) {
  const uint64_t hash = HashOf(destination);
  answered_before_[hash % kRemembered] = hash;
}

uint64_t ConnectRates::HashOf(const Endpoint& destination) const {
  std::array<uint8_t, 18> bytes{};
  std::ranges::copy(destination.address.bytes(), bytes.begin());
  std::memcpy(bytes.data() + 16, &destination.port, 2);
  return SipHash(key_, bytes);
}

}  // namespace mini::netstack
