// A token bucket: how many answers the stack gives to what deserves none.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_RATE_LIMIT_H_
#define MINI_SANDBOX_NETSTACK_FLOW_RATE_LIMIT_H_

#include <algorithm>

#include "netstack/event_loop.h"

namespace mini::netstack {

class RateLimit {
 public:
  RateLimit(double per_second, double burst)
      : per_second_(per_second), burst_(burst), tokens_(burst) {}

  bool Take(TimePoint now) {
    if (now > last_) {
      const std::chrono::duration<double> passed = now - last_;
      tokens_ = std::min(burst_, tokens_ + passed.count() * per_second_);
      last_ = now;
    }
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }
  // What was taken has turned out to deserve it.
  void GiveBack() { tokens_ = std::min(burst_, tokens_ + 1); }

 private:
  double per_second_;
  double burst_;
  double tokens_;
  TimePoint last_{};
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_RATE_LIMIT_H_
