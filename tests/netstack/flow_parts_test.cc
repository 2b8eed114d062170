// The small parts that flows are made of.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/sip_hash.h"
#include "netstack/flow/activity_list.h"
#include "netstack/flow/buffers.h"
#include "netstack/flow/connect_limits.h"
#include "netstack/flow/datagram_activity.h"
#include "netstack/flow/memory_budget.h"
#include "netstack/flow/rate_limit.h"
#include "netstack/flow/source_ports.h"

namespace mini::netstack {
namespace {

// Appendix A of "SipHash: a fast short-input PRF": key 00..0f, message 00..0e.
TEST(SipHash, MatchesThePublishedVector) {
  const SipHashKey key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::array<uint8_t, 15> message;
  for (size_t i = 0; i < message.size(); ++i) message[i] = static_cast<uint8_t>(i);
  EXPECT_EQ(SipHash(key, message), 0xa129ca6149be45e5);
}

TEST(SipHash, KeysAreRandom) { EXPECT_NE(RandomSipHashKey(), RandomSipHashKey()); }

TEST(MemoryBudget, GrantsAFlowHalfOfWhatIsFree) {
  MemoryBudget budget(size_t{2} << 20);
  EXPECT_EQ(budget.FlowLimit(), size_t{1} << 20);
  budget.Charge(size_t{1} << 20);
  EXPECT_EQ(budget.FlowLimit(), size_t{1} << 19);
  budget.Release(size_t{1} << 20);
  EXPECT_EQ(budget.FlowLimit(), size_t{1} << 20);
}

TEST(MemoryBudget, NeverGrantsLessThanTheMinimumNorMoreThanTheMaximum) {
  MemoryBudget small(1000);
  EXPECT_EQ(small.FlowLimit(), MemoryBudget::kMinPerFlow);
  small.Charge(5000);
  EXPECT_TRUE(small.exhausted());
  EXPECT_EQ(small.FlowLimit(), MemoryBudget::kMinPerFlow);
  EXPECT_EQ(MemoryBudget(size_t{1} << 40).FlowLimit(), MemoryBudget::kMaxPerFlow);
}

TEST(MemoryBudget, KnowsHowMuchOfTheMostIsFreeAgain) {
  MemoryBudget budget(1000);
  budget.Charge(700);
  EXPECT_EQ(budget.Decline(), 0u);
  budget.Release(500);
  budget.Charge(100);
  EXPECT_EQ(budget.Decline(), 400u);
  budget.ForgetPeak();
  EXPECT_EQ(budget.Decline(), 0u);
  budget.Release(300);
  EXPECT_EQ(budget.Decline(), 300u);
}

// Two addresses of different shares.
std::pair<IpAddress, IpAddress> OfTwoShares(PendingConnects& pending) {
  const IpAddress one = IpAddress::V4(192, 0, 2, 1);
  uint8_t host = 2;
  while (&pending.ShareOf(IpAddress::V4(192, 0, 2, host)) == &pending.ShareOf(one)) ++host;
  return {one, IpAddress::V4(192, 0, 2, host)};
}

TEST(PendingConnects, TheOldestOfTheLargestShareGivesWay) {
  PendingConnects pending;
  const auto [many, few] = OfTwoShares(pending);
  std::array<ActivityLink, 3> to_many;
  ActivityLink to_few;
  TimePoint now{std::chrono::hours(1)};
  pending.ShareOf(few).Touch(to_few, now);
  for (ActivityLink& link : to_many) {
    pending.ShareOf(many).Touch(link, now += std::chrono::seconds(1));
  }
  EXPECT_EQ(pending.size(), 4u);
  EXPECT_EQ(pending.oldest(), &to_few);
  EXPECT_EQ(pending.GivesWayTo(pending.ShareOf(few)), to_many.data());
  EXPECT_EQ(pending.GivesWayTo(pending.ShareOf(many)), nullptr);
}

TEST(PendingConnects, NobodyGivesWayToAShareThatWouldThenBeTheLarger) {
  PendingConnects pending;
  const auto [one, other] = OfTwoShares(pending);
  std::array<ActivityLink, 3> links;
  pending.ShareOf(one).Touch(links[0], TimePoint());
  pending.ShareOf(one).Touch(links[1], TimePoint());
  pending.ShareOf(other).Touch(links[2], TimePoint());
  EXPECT_EQ(pending.GivesWayTo(pending.ShareOf(other)), nullptr);
}

class ConnectRatesOfThree : public testing::Test {
 protected:
  static TcpLimits Limits() {
    TcpLimits limits;
    limits.failed_connects_per_second = 1;
    limits.failed_connects_burst = 3;
    return limits;
  }
  // Until nothing is left for that destination.
  int TakeAll(const Endpoint& destination) {
    int taken = 0;
    while (rates_.Take(destination, now_) != nullptr) ++taken;
    return taken;
  }

  const TimePoint now_{std::chrono::hours(1)};
  ConnectRates rates_{Limits()};
};

TEST_F(ConnectRatesOfThree, ADestinationHasAShareThatOthersDoNotTake) {
  // Three that all share, and three of its own.
  EXPECT_EQ(TakeAll({IpAddress::V4(192, 0, 2, 1), 80}), 6);
  int served = 0;
  for (uint8_t host = 2; host < 6; ++host) {
    served += rates_.Take({IpAddress::V4(192, 0, 2, host), 80}, now_) != nullptr;
  }
  EXPECT_GE(served, 2);  // who has the flood's share has nothing
}

TEST_F(ConnectRatesOfThree, AnEndpointThatHasAnsweredIsNotPaidForByStrangers) {
  const Endpoint known{IpAddress::V4(192, 0, 2, 1), 443};
  rates_.NoteAnswered(known);
  EXPECT_EQ(TakeAll({known.address, 80}), 6);
  RateLimit* paid = rates_.Take(known, now_);
  ASSERT_NE(paid, nullptr);
  EXPECT_EQ(TakeAll(known), 2);
  paid->GiveBack();
  EXPECT_EQ(TakeAll(known), 1);
}

TEST(RateLimit, AllowsABurstAndThenTheRate) {
  RateLimit limit(10, 3);
  TimePoint now{std::chrono::seconds(100)};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limit.Take(now));
  EXPECT_FALSE(limit.Take(now));
  now += std::chrono::milliseconds(101);
  EXPECT_TRUE(limit.Take(now));
  EXPECT_FALSE(limit.Take(now));
  now += std::chrono::hours(1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limit.Take(now));
  EXPECT_FALSE(limit.Take(now));
}

TEST(RateLimit, WhatIsGivenBackCanBeTakenAgain) {
  RateLimit limit(1, 2);
  const TimePoint now{std::chrono::hours(1)};
  EXPECT_TRUE(limit.Take(now));
  EXPECT_TRUE(limit.Take(now));
  EXPECT_FALSE(limit.Take(now));
  limit.GiveBack();
  EXPECT_TRUE(limit.Take(now));
  EXPECT_FALSE(limit.Take(now));
}

TEST(ActivityList, KeepsTheOrderOfTheLastActivity) {
  ActivityLink a, b, c;
  ActivityList list;
  const TimePoint start{std::chrono::hours(1)};
  list.Touch(a, start);
  list.Touch(b, start);
  list.Touch(c, start);
  EXPECT_EQ(list.oldest(), &a);
  list.Touch(a, start + std::chrono::seconds(1));
  EXPECT_EQ(list.oldest(), &b);
  EXPECT_EQ(a.last_activity(), start + std::chrono::seconds(1));
  c.Leave();
  EXPECT_EQ(list.size(), 2u);
  b.Leave();
  EXPECT_EQ(list.oldest(), &a);
  a.Leave();
  a.Leave();
  EXPECT_EQ(list.oldest(), nullptr);
  EXPECT_EQ(list.size(), 0u);
}

TEST(ActivityList, ALinkIsInOneListAtATimeAndInNoneWhenItIsGone) {
  ActivityList first, second;
  {
    ActivityLink link;
    first.Touch(link, TimePoint());
    second.Touch(link, TimePoint());
    EXPECT_EQ(first.size(), 0u);
    EXPECT_EQ(second.oldest(), &link);
  }
  EXPECT_EQ(second.oldest(), nullptr);
  EXPECT_EQ(second.size(), 0u);
}

TEST(ActivityList, TheOldestIsIdleForAsLongAsNothingTouchedIt) {
  ActivityList list;
  ActivityLink link;
  const TimePoint start{std::chrono::hours(1)};
  EXPECT_EQ(list.IdleFor(Duration::zero(), start), nullptr);
  list.Touch(link, start);
  EXPECT_EQ(list.IdleFor(std::chrono::seconds(5), start + std::chrono::milliseconds(4999)),
            nullptr);
  EXPECT_EQ(list.IdleFor(std::chrono::seconds(5), start + std::chrono::seconds(5)), &link);
}

// A flow that was answered, and a second later one that was not.
class AnsweredAndProbe : public ::testing::Test {
 protected:
  AnsweredAndProbe() {
    answered_.answered = true;
    activity_.Touch(answered_, start_);
    activity_.Touch(probe_, start_ + std::chrono::seconds(1));
  }

  const TimePoint start_{std::chrono::hours(1)};
  DatagramActivity activity_;
  DatagramActivityLink probe_, answered_;
};

TEST_F(AnsweredAndProbe, KeepsAnAnsweredFlowLongerThanAProbe) {
  EXPECT_EQ(activity_.Expired(start_ + std::chrono::seconds(30)), nullptr);
  EXPECT_EQ(activity_.Expired(start_ + std::chrono::seconds(31)), &probe_);
  probe_.Leave();
  EXPECT_EQ(activity_.Expired(start_ + std::chrono::seconds(179)), nullptr);
  EXPECT_EQ(activity_.Expired(start_ + std::chrono::seconds(180)), &answered_);
}

TEST_F(AnsweredAndProbe, MakesRoomByTheLeastRecentlyUsedOfAll) {
  EXPECT_EQ(activity_.Evictable(start_ + std::chrono::milliseconds(4999)), nullptr);
  EXPECT_EQ(activity_.Evictable(start_ + std::chrono::seconds(60)), &answered_);
  activity_.Touch(answered_, start_ + std::chrono::seconds(2));
  EXPECT_EQ(activity_.Evictable(start_ + std::chrono::seconds(60)), &probe_);
}

TEST(DatagramActivity, AnAnswerMakesAFlowLastLonger) {
  DatagramActivity activity;
  DatagramActivityLink flow;
  const TimePoint start{std::chrono::hours(1)};
  activity.Touch(flow, start);
  flow.answered = true;
  activity.Touch(flow, start);
  EXPECT_EQ(activity.Expired(start + std::chrono::seconds(31)), nullptr);
}

// Blocks of a page of their own each: what is freed and taken again in a stream costs a page fault
// for each page, which is more than the copy does.
TEST(TxBlockPool, KeepsWhatIsNeededAndFreesTheRest) {
  TxBlockPool pool;
  std::vector<TxBlock*> blocks;
  const auto take = [&](size_t count) {
    while (blocks.size() < count) blocks.push_back(pool.Get());
  };
  const auto give_back = [&] {
    for (TxBlock* block : blocks) pool.Put(block);
    blocks.clear();
  };
  take(90);
  give_back();
  pool.Trim();
  EXPECT_EQ(pool.kept(), 90u) << "all were needed a moment ago";
  take(30);
  give_back();
  take(20);
  give_back();
  pool.Trim();
  EXPECT_EQ(pool.kept(), 30u);
  pool.Trim();
  EXPECT_EQ(pool.kept(), 0u);
}

TEST(TxBlockPool, KeepsNoMoreThanThereIsRoomFor) {
  TxBlockPool pool;
  std::array<TxBlock*, 10> blocks;
  std::ranges::generate(blocks, [&] { return pool.Get(); });
  std::ranges::for_each(blocks, [&](TxBlock* block) { pool.Put(block); });
  pool.KeepAtMost(10 * TxBlock::kCapacity);
  EXPECT_EQ(pool.kept(), 10u);
  pool.KeepAtMost(3 * TxBlock::kCapacity + 1);
  EXPECT_EQ(pool.kept(), 3u);
  pool.KeepAtMost(0);
  EXPECT_EQ(pool.kept(), 0u);
}

TEST(SourcePorts, GivesRandomWindowsWithinTheRange) {
  SourcePorts ports({32768, 60999});
  uint16_t lowest = 65535, highest = 0;
  for (int i = 0; i < 2000; ++i) {
    const PortWindow window = ports.NextWindow();
    ASSERT_GE(window.first, 32768);
    ASSERT_LE(window.last, 60999);
    ASSERT_EQ(window.last - window.first + 1, int{SourcePorts::kWindow});
    lowest = std::min(lowest, window.first);
    highest = std::max(highest, window.last);
  }
  EXPECT_LT(lowest, 33800);
  EXPECT_GT(highest, 60000);
}

TEST(SourcePorts, LeavesANarrowOrUnknownRangeAlone) {
  EXPECT_EQ(SourcePorts({40000, 40100}).NextWindow(), PortWindow());
  EXPECT_EQ(SourcePorts({}).NextWindow(), PortWindow());
}

TEST(SourcePorts, ReadsTheRangeOfThisHost) {
  const PortWindow range = SourcePorts::OfThisHost();
  EXPECT_GT(range.first, 0);
  EXPECT_GT(range.last, range.first);
}

}  // namespace
}  // namespace mini::netstack
