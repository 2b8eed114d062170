// When a flow of datagrams is over: UDP has no end, so it is silence that tells.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_DATAGRAM_ACTIVITY_H_
#define MINI_SANDBOX_NETSTACK_FLOW_DATAGRAM_ACTIVITY_H_

#include <chrono>

#include "netstack/flow/activity_list.h"

namespace mini::netstack {

// A flow derives from it, and is gone from the lists when it is destroyed.
struct DatagramActivityLink : ActivityLink {
  bool answered = false;
};

// The flows of one table. What has got an answer is in one list, what has not in another, so the
// oldest of each list is the first whose time is over.
class DatagramActivity {
 public:
  // RFC 4787, REQ-5: not below two minutes for a flow in use; one that never got an answer is a
  // probe.
  static constexpr auto kAnsweredTimeout = std::chrono::seconds(180);
  static constexpr auto kUnansweredTimeout = std::chrono::seconds(30);
  // Idle for so long, a flow may be closed for a new one.
  static constexpr auto kEvictable = std::chrono::seconds(5);
  static constexpr auto kSweepInterval = std::chrono::seconds(5);

  void Touch(DatagramActivityLink& flow, TimePoint now) {
    (flow.answered ? answered_ : unanswered_).Touch(flow, now);
  }

  // The least recently used of all flows, if it may be closed for a new one; else null.
  DatagramActivityLink* Evictable(TimePoint now) const {
    ActivityLink* asked = unanswered_.IdleFor(kEvictable, now);
    ActivityLink* answered = answered_.IdleFor(kEvictable, now);
    if (asked == nullptr) return Flow(answered);
    if (answered == nullptr) return Flow(asked);
    return Flow(answered->last_activity() < asked->last_activity() ? answered : asked);
  }

  // One whose time is over; null: none (left).
  DatagramActivityLink* Expired(TimePoint now) const {
    ActivityLink* expired = unanswered_.IdleFor(kUnansweredTimeout, now);
    return Flow(expired != nullptr ? expired : answered_.IdleFor(kAnsweredTimeout, now));
  }

 private:
  static DatagramActivityLink* Flow(ActivityLink* link) {
    return static_cast<DatagramActivityLink*>(link);
  }

  ActivityList unanswered_, answered_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_DATAGRAM_ACTIVITY_H_
