#include "policy/policy.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace mini {
namespace {

TEST(PolicyBuilder, WithoutAModeIsReadOnly) {
  PolicyBuilder builder;
  const auto policy = builder.Build();
  ASSERT_TRUE(policy.ok());
  EXPECT_EQ(policy->mode, Mode::kReadOnly);
}

TEST(PolicyBuilder, ModesExcludeEachOther) {
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetDefaultMode().ok());
  EXPECT_FALSE(builder.SetCustomMode("/root").ok());
  EXPECT_FALSE(builder.SetHermeticMode("/root").ok());
  EXPECT_FALSE(builder.SetReadOnlyMode().ok());
  EXPECT_TRUE(builder.SetDefaultMode().ok()) << "the same one twice is no contradiction";
  const auto policy = builder.Build();
  EXPECT_EQ(policy->mode, Mode::kDefault);
  EXPECT_FALSE(policy->root_directory);

  ASSERT_TRUE(builder.SetCustomMode("/root/").ok());
  EXPECT_FALSE(builder.SetCustomMode("/other").ok());
  EXPECT_EQ(builder.Build()->root_directory, "/root");
}

TEST(PolicyBuilder, OverlaysAndTheirDirectoryNeedAModeThatHasThem) {
  PolicyBuilder builder;
  ASSERT_TRUE(builder.AddOverlay("/usr").ok());
  EXPECT_FALSE(builder.Build().ok());
  ASSERT_TRUE(builder.SetCustomMode("/root").ok());
  EXPECT_TRUE(builder.Build().ok()) << "a failed Build() leaves everything as it was";

  ASSERT_TRUE(builder.SetScratchDirectory("/var/scratch").ok());
  EXPECT_FALSE(builder.SetScratchDirectory("/elsewhere").ok());
  EXPECT_FALSE(builder.Build().ok());
  ASSERT_TRUE(builder.SetDefaultMode().ok());
  EXPECT_EQ(builder.Build()->scratch_directory, "/var/scratch");
}

TEST(PolicyBuilder, IdentitiesAndNetworksExcludeEachOther) {
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetIdentity(Identity::kRoot).ok());
  EXPECT_FALSE(builder.SetIdentity(Identity::kNobody).ok());
  ASSERT_TRUE(builder.SetNetwork(Network::kHost).ok());
  EXPECT_FALSE(builder.SetNetwork(Network::kUnconfigured).ok());
  const auto policy = builder.Build();
  EXPECT_EQ(policy->identity, Identity::kRoot);
  EXPECT_EQ(policy->network, Network::kHost);
}

TEST(PolicyBuilder, TakesOnlyWhatCanNameAVariable) {
  PolicyBuilder builder;
  EXPECT_FALSE(builder.SetVariable("", "x").ok());
  EXPECT_FALSE(builder.SetVariable("A=B", "x").ok());
  EXPECT_FALSE(builder.SetVariable("A", std::string_view("x\0y", 3)).ok());
  EXPECT_FALSE(builder.UnsetVariable("").ok());
  EXPECT_FALSE(builder.KeepVariable("A=").ok());
  EXPECT_FALSE(builder.KeepVariable("AWS_*").ok());
  ASSERT_TRUE(builder.SetVariable("A", "").ok());
  ASSERT_TRUE(builder.UnsetVariable("B").ok());
  const auto policy = builder.Build();
  ASSERT_EQ(policy->environment.size(), 2u);
  EXPECT_EQ(policy->environment[0].value, "");
  EXPECT_FALSE(policy->environment[1].value);
}

TEST(PolicyBuilder, TakesAbsolutePathsOnlyAndNormalizesThem) {
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetDefaultMode().ok());
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
  ASSERT_TRUE(builder.SetDefaultMode().ok());
  ASSERT_TRUE(builder.SetNetwork(Network::kStack).ok());
  ASSERT_TRUE(builder.AddRulesText("allowed_ips", "# nothing\n").ok());
  const auto policy = builder.Build();
  ASSERT_TRUE(policy.ok());
  ASSERT_TRUE(policy->rules.has_value()) << "unset would be the open mode";
  EXPECT_EQ(policy->rules->size(), 0u);
}

TEST(PolicyBuilder, RulesWithoutTheStackAreAMistake) {
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetDefaultMode().ok());
  ASSERT_TRUE(builder.AddRule("example.com").ok());
  EXPECT_FALSE(builder.Build().ok());
}

TEST(PolicyBuilder, NumbersRulesOfTheCommandLineAndCountsAnewForTheNextPolicy) {
  PolicyBuilder builder;
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(builder.SetNetwork(Network::kStack).ok());
    ASSERT_TRUE(builder.AddRule("a.example").ok());
    ASSERT_TRUE(builder.AddRulesText("file", "\nb.example").ok());
    EXPECT_EQ(builder.AddRule("c d").ToString(),
              "--allow:2:2: expected one rule a line without blanks inside it, found \" d\"");
    ASSERT_TRUE(builder.AddRule("c.example").ok());
    const auto policy = builder.Build();
    std::string places;
    for (const netstack::Rule& rule : policy->rules->rules()) {
      places += StrCat(rule.source, ":", rule.line, " ");
    }
    EXPECT_EQ(places, "--allow:1 file:2 --allow:2 ");
  }
}

TEST(PolicyBuilder, StrictNamesWithoutAnAllowListAreAMistake) {
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetNetwork(Network::kStack).ok());
  builder.SetServerNames(ServerNames::kRequired);
  EXPECT_FALSE(builder.Build().ok()) << "in open mode there is no name to ask for";
  ASSERT_TRUE(builder.AddRule("example.com").ok());
  const auto policy = builder.Build();
  ASSERT_TRUE(policy.ok());
  EXPECT_EQ(policy->server_names, ServerNames::kRequired);
  ASSERT_TRUE(builder.AddRule("example.com").ok());
  ASSERT_TRUE(builder.SetNetwork(Network::kStack).ok());
  EXPECT_EQ(builder.Build()->server_names, ServerNames::kAsTheyCome);
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
