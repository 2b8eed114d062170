// What a client asks for at an address that a name opened.
#include <gtest/gtest.h>

#include <string_view>
#include <utility>

#include "filter_gate.h"

namespace mini::netstack {
namespace {

TEST(ServerNames, MayBeAnyThatTheRulesAllowForThatPort) {
  Gate gate("a.example:443\nb.example:80\n*.wild.example\n");
  gate.Answer("a.example", {"192.0.2.7"});
  ASSERT_EQ(gate.Tcp("192.0.2.7", 443).reason, Reason::kPin);
  EXPECT_TRUE(gate.Server("a.example", "192.0.2.7", 443).allowed);
  EXPECT_TRUE(gate.Server("A.Example.", "192.0.2.7", 443).allowed);
  EXPECT_TRUE(gate.Server("x.wild.example", "192.0.2.7", 443).allowed)
      << "it was never resolved, or long ago";
  EXPECT_FALSE(gate.Server("b.example", "192.0.2.7", 443).allowed);
  EXPECT_FALSE(gate.Server("wild.example", "192.0.2.7", 443).allowed);
  EXPECT_FALSE(gate.Server("www.a.example", "192.0.2.7", 443).allowed);
  EXPECT_EQ(gate.Server("a.example", "192.0.2.7", 443).rule->line, 1);
}

TEST(ServerNames, OfOneLabelStandForWhatTheSearchListMakesOfThem) {
  FilterOptions options;
  options.search_domains = {"corp.example", "lab.example"};
  Gate gate("intranet.lab.example:80\n*.corp.example\n!closed.lab.example\n!secret\n",
            std::move(options));
  gate.Answer("intranet.lab.example", {"192.0.2.7"});
  EXPECT_TRUE(gate.Server("intranet", "192.0.2.7", 80).allowed);
  EXPECT_EQ(gate.Server("intranet", "192.0.2.7", 80).name, "intranet.corp.example");
  EXPECT_FALSE(gate.Server("secret", "192.0.2.7", 80).allowed);
  EXPECT_FALSE(gate.Server("evil.test", "192.0.2.7", 80).allowed) << "no evil.test.corp.example";
  Gate without("intranet.lab.example\n");
  EXPECT_FALSE(without.Server("intranet", "192.0.2.7", 80).allowed);
}

TEST(ServerNames, ThatARuleRefusesAreRefused) {
  Gate gate("*.example\n!evil.example\n!tcp/old.example:80\n");
  gate.Answer("a.example", {"192.0.2.7"});
  EXPECT_FALSE(gate.Server("evil.example", "192.0.2.7", 443).allowed);
  EXPECT_TRUE(gate.Server("old.example", "192.0.2.7", 443).allowed);
  EXPECT_FALSE(gate.Server("old.example", "192.0.2.7", 80).allowed);
  ASSERT_EQ(gate.refusals.size(), 2u);
  EXPECT_EQ(gate.refusals[0].ToString(),
            "refused tcp 192.0.2.7:443 for evil.example: the rule \"!evil.example\" "
            "(allowed_ips:2) refuses it");
}

TEST(ServerNames, OfAWildcardAreNotAllowedInAPrivateRange) {
  Gate gate("inside.example\n*.wild.example\n");
  gate.Answer("inside.example", {"10.0.0.7"});
  EXPECT_TRUE(gate.Server("inside.example", "10.0.0.7", 443).allowed);
  EXPECT_FALSE(gate.Server("x.wild.example", "10.0.0.7", 443).allowed);
  EXPECT_EQ(gate.refusals[0].reason, Reason::kPrivateRange);
}

TEST(ServerNames, ARefusalIsReportedOnceWithALineThatAllowsIt) {
  Gate gate("a.example\n");
  gate.Answer("a.example", {"192.0.2.7"});
  gate.Server("Other.Example", "192.0.2.7", 443);
  gate.Server("other.example", "192.0.2.7", 443);
  ASSERT_EQ(gate.refusals.size(), 1u);
  EXPECT_EQ(gate.refusals[0].kind, RefusalEvent::Kind::kServerName);
  EXPECT_EQ(gate.refusals[0].ToString(),
            "refused tcp 192.0.2.7:443 for other.example: no rule names it; to allow it: "
            "--allow other.example:443");
  Gate again("a.example\n" + gate.refusals[0].remedy + "\n");
  again.Answer("a.example", {"192.0.2.7"});
  EXPECT_TRUE(again.Server("other.example", "192.0.2.7", 443).allowed);
}

TEST(ServerNames, ThatAreNoneAreRefused) {
  Gate gate("*.example\n");
  gate.Answer("a.example", {"192.0.2.7"});
  for (const std::string_view asked : {"a b.example", "a..example", "*.example", "a.example/x",
                                       "\xc3\xa9.example", "a.example\n", "-a.example"}) {
    EXPECT_EQ(gate.Server(asked, "192.0.2.7", 443).reason, Reason::kBadServerName) << asked;
  }
  ASSERT_EQ(gate.refusals.size(), 1u);
  EXPECT_EQ(gate.refusals[0].ToString(),
            "refused tcp 192.0.2.7:443 (a.example): which server it means cannot be read; to allow "
            "it: --allow 192.0.2.7:443");
}

TEST(ServerNames, AnAddressIsNoNameUnlessItIsAnother) {
  Gate gate("a.example\n192.0.2.9\n");
  gate.Answer("a.example", {"192.0.2.7"});
  EXPECT_TRUE(gate.Server("192.0.2.7", "192.0.2.7", 80).allowed);
  EXPECT_EQ(gate.unnamed.size(), 1u);
  EXPECT_TRUE(gate.Server("192.0.2.9", "192.0.2.7", 80).allowed);
  EXPECT_FALSE(gate.Server("192.0.2.8", "192.0.2.7", 80).allowed);
  EXPECT_FALSE(gate.Server("127.0.0.1", "192.0.2.7", 80).allowed);
}

TEST(ServerNames, MissingOnesAreNotedOnceOrStrictlyRefused) {
  const Endpoint to{Ip("192.0.2.7"), 22};
  Gate gate("a.example\n");
  gate.Answer("a.example", {"192.0.2.7"});
  EXPECT_TRUE(gate.filter->CheckUnnamed(Protocol::kTcp, to, gate.now).allowed);
  EXPECT_TRUE(gate.filter->CheckUnnamed(Protocol::kTcp, to, gate.now).allowed);
  ASSERT_EQ(gate.unnamed.size(), 1u);
  EXPECT_EQ(gate.unnamed[0].ToString(),
            "tcp 192.0.2.7:22 (a.example) does not say which server it means");
  EXPECT_TRUE(gate.refusals.empty());

  FilterOptions options;
  options.strict_names = true;
  Gate strict("a.example\n", std::move(options));
  strict.Answer("a.example", {"192.0.2.7"});
  EXPECT_TRUE(strict.Tcp("192.0.2.7", 22).allowed) << "it may still say";
  EXPECT_FALSE(strict.filter->CheckUnnamed(Protocol::kTcp, to, strict.now).allowed);
  EXPECT_FALSE(strict.filter->CheckUnnamed(Protocol::kTcp, to, strict.now).allowed);
  ASSERT_EQ(strict.refusals.size(), 1u);
  EXPECT_EQ(strict.refusals[0].ToString(),
            "refused tcp 192.0.2.7:22 (a.example): it does not say which server it means "
            "(--strict-names); to allow it: --allow 192.0.2.7:22");
  EXPECT_TRUE(strict.unnamed.empty());
}

TEST(ServerNames, DatagramsShowNone) {
  Gate gate("a.example\n192.0.2.9\n");
  gate.Answer("a.example", {"192.0.2.7"});
  EXPECT_TRUE(gate.Udp("192.0.2.7", 443).allowed);
  EXPECT_EQ(gate.unnamed.size(), 1u);
  EXPECT_TRUE(gate.Udp("192.0.2.9", 443).allowed);
  EXPECT_EQ(gate.unnamed.size(), 1u);

  FilterOptions options;
  options.strict_names = true;
  Gate strict("a.example\n192.0.2.9\n", std::move(options));
  strict.Answer("a.example", {"192.0.2.7"});
  EXPECT_EQ(strict.Udp("192.0.2.7", 443).reason, Reason::kNoServerName);
  EXPECT_TRUE(strict.Udp("192.0.2.9", 443).allowed) << "an address rule asks for no name";
}

}  // namespace
}  // namespace mini::netstack
