#include "policy/policy.h"

#include <gtest/gtest.h>

namespace mini {
namespace {

TEST(PolicyBuilder, NeedsAMode) {
  PolicyBuilder builder;
  EXPECT_FALSE(builder.Build().ok());
}

TEST(PolicyBuilder, TakesAbsolutePathsOnlyAndNormalizesThem) {
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetMode(Mode::kDefault).ok());
  EXPECT_FALSE(builder.AddWritable("relative").ok());
  EXPECT_FALSE(builder.AddWritable("").ok());
  EXPECT_FALSE(builder.AddWritable(std::string_view("/a\0b", 4)).ok());
  ASSERT_TRUE(builder.AddWritable("/a//b/./c/").ok());
  const auto policy = builder.Build();
  ASSERT_EQ(policy->binds.size(), 1u) << "a setting that fails changes nothing";
  EXPECT_EQ(policy->binds[0].source, "/a/b/c");
  EXPECT_EQ(policy->binds[0].target, "/a/b/c");
}

TEST(PolicyBuilder, NeverMakesTheWholeSystemWritable) {
  PolicyBuilder builder;
  EXPECT_FALSE(builder.AddWritable("/").ok());
  EXPECT_FALSE(builder.AddWritable("/..").ok());
  EXPECT_FALSE(builder.AddReadOnly("/etc", "/").ok());
}

TEST(PolicyBuilder, ARuleFileWithoutARuleDeniesAll) {
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetMode(Mode::kDefault).ok());
  ASSERT_TRUE(builder.SetNetwork(Network::kStack).ok());
  ASSERT_TRUE(builder.AddRulesText("allowed_ips", "# nothing\n").ok());
  const auto policy = builder.Build();
  ASSERT_TRUE(policy.ok());
  ASSERT_TRUE(policy->rules.has_value()) << "unset would be the open mode";
  EXPECT_EQ(policy->rules->size(), 0u);
}

TEST(PolicyBuilder, RulesWithoutTheStackAreAMistake) {
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetMode(Mode::kDefault).ok());
  ASSERT_TRUE(builder.AddRule("example.com").ok());
  EXPECT_FALSE(builder.Build().ok());
}

TEST(PolicyBuilder, TimeLimitsAreMoreThanNothing) {
  using std::chrono::milliseconds;
  PolicyBuilder builder;
  EXPECT_FALSE(builder.SetTimeLimit(milliseconds(0)).ok());
  EXPECT_FALSE(builder.SetKillDelay(milliseconds(-1)).ok());
  EXPECT_TRUE(builder.SetKillDelay(milliseconds(0)).ok());
}

}  // namespace
}  // namespace mini
