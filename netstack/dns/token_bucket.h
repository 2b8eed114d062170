// A rate with a burst. Internal to dns/.
#ifndef MINI_SANDBOX_NETSTACK_DNS_TOKEN_BUCKET_H_
#define MINI_SANDBOX_NETSTACK_DNS_TOKEN_BUCKET_H_

#include <algorithm>
#include <chrono>

#include "netstack/event_loop.h"

namespace mini::netstack {

class TokenBucket {
 public:
  TokenBucket(double per_second, double burst, TimePoint now)
      : per_second_(per_second), burst_(burst), tokens_(burst), filled_(now) {}

  // Takes a token; false when there is none.
  bool Take(TimePoint now) {
    const std::chrono::duration<double> elapsed = now - filled_;
    tokens_ = std::min(burst_, tokens_ + elapsed.count() * per_second_);
    filled_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }
  // From the last Take() that found none until there is one.
  Duration UntilNext() const {
    const std::chrono::duration<double> wait((1 - tokens_) / per_second_);
    return std::max(std::chrono::ceil<Duration>(wait), Duration(0));
  }

 private:
  double per_second_;
  double burst_;
  double tokens_;
  TimePoint filled_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_DNS_TOKEN_BUCKET_H_
