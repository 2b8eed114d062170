// The small parts that flows are made of.
#include <gtest/gtest.h>

#include <array>

#include "base/sip_hash.h"
#include "netstack/flow/memory_budget.h"
#include "netstack/flow/rate_limit.h"

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

TEST(MemoryBudget, GrantsAFlowAnEighthOfWhatIsFree) {
  MemoryBudget budget(size_t{8} << 20);
  EXPECT_EQ(budget.FlowLimit(), size_t{1} << 20);
  budget.Charge(size_t{4} << 20);
  EXPECT_EQ(budget.FlowLimit(), size_t{1} << 19);
  budget.Release(size_t{4} << 20);
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

}  // namespace
}  // namespace mini::netstack
