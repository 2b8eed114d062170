// How many connects the host has under way for the sandbox, and how fast they may fail.
//
// Theory of operation. Both limits are shared by everything in the sandbox, and a flood of SYNs
// takes all of a shared limit. So both are shared out by destination. Which destination has which
// share is a keyed hash of its address: a fixed number of shares, however many addresses there are.
//
// Connects that nobody has answered are in one list a share. When there are too many of them, the
// oldest of the largest share gives way, as long as that leaves it no smaller than the newcomer's.
//
// Connects that fail are paid for from one rate. Who finds nothing left there has a small rate of
// its share; and an endpoint that has answered before, which is remembered for as long as no other
// takes its place, is paid for from another rate than strangers. A connect that succeeds is paid
// back.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_CONNECT_LIMITS_H_
#define MINI_SANDBOX_NETSTACK_FLOW_CONNECT_LIMITS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/ip_address.h"
#include "base/sip_hash.h"
#include "netstack/flow/activity_list.h"
#include "netstack/flow/rate_limit.h"
#include "netstack/flow/tcp_limits.h"

namespace mini::netstack {

class PendingConnects {
 public:
  static constexpr size_t kShares = 256;

  PendingConnects();
  ActivityList& ShareOf(const IpAddress& destination);
  size_t size() const { return size_; }  // of all shares
  // Of the largest share, if it can spare one for that other share.
  ActivityLink* GivesWayTo(const ActivityList& share);
  ActivityLink* oldest();  // of all shares

 private:
  SipHashKey key_ = RandomSipHashKey();
  size_t size_ = 0;
  std::array<ActivityList, kShares> shares_;
};

class ConnectRates {
 public:
  static constexpr double kOfOneSharePerSecond = 10;
  static constexpr double kOfOneShareBurst = 20;

  explicit ConnectRates(const TcpLimits& limits);
  ConnectRates(const ConnectRates&) = delete;
  ConnectRates& operator=(const ConnectRates&) = delete;

  // What a connect to there was paid from, to be paid back when it succeeds; null: nothing is left.
  RateLimit* Take(const Endpoint& destination, TimePoint now);
  void NoteAnswered(const Endpoint& destination);

 private:
  static constexpr size_t kRemembered = 1024;

  uint64_t HashOf(const Endpoint& destination) const;

  SipHashKey key_ = RandomSipHashKey();
  RateLimit strangers_, answered_;
  std::vector<RateLimit> shares_;
  std::array<uint64_t, kRemembered> answered_before_{};  // hashes, each in its place; 0: none
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_CONNECT_LIMITS_H_
