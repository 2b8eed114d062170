#include "netstack/filter/filter.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/strings.h"
#include "filter_gate.h"

namespace mini::netstack {
namespace {

using std::chrono::seconds;

TEST(Filter, AnEmptyRuleSetAllowsNothing) {
  Gate gate("");
  EXPECT_FALSE(gate.Resolves("example.com"));
  EXPECT_FALSE(gate.Tcp("192.0.2.7", 80).allowed);
  EXPECT_FALSE(gate.Ping("192.0.2.7").allowed);
  EXPECT_EQ(gate.Answer("example.com", {"192.0.2.7"}), "");
}

TEST(Filter, OnlyRefusingRulesAllowNothingEither) {
  Gate gate("!a.example\n");
  EXPECT_FALSE(gate.Resolves("a.example"));
  EXPECT_FALSE(gate.Resolves("b.example"));
  EXPECT_FALSE(gate.Tcp("192.0.2.7", 80).allowed);
}

TEST(Filter, AddressRulesOpenTheirProtocolAndPortsOnly) {
  Gate gate("tcp/192.0.2.7:80-81\nicmp/192.0.2.8\n2001:db8::/32\n");
  EXPECT_TRUE(gate.Tcp("192.0.2.7", 81).allowed);
  EXPECT_FALSE(gate.Tcp("192.0.2.7", 82).allowed);
  EXPECT_FALSE(gate.Udp("192.0.2.7", 80).allowed);
  EXPECT_TRUE(gate.Ping("192.0.2.8").allowed);
  EXPECT_FALSE(gate.Ping("192.0.2.7").allowed);
  EXPECT_TRUE(gate.Udp("2001:db8::7", 1).allowed);
  EXPECT_FALSE(gate.Ping("2001:db8::7").allowed) << "echo wants icmp/";
}

TEST(Filter, VerdictNamesTheDecidingRule) {
  Gate gate("a.example\n192.0.2.0/24\n!192.0.2.9\n");
  const Verdict allowed = gate.Tcp("192.0.2.7", 80);
  ASSERT_NE(allowed.rule, nullptr);
  EXPECT_EQ(allowed.rule->line, 2);
  EXPECT_EQ(allowed.reason, Reason::kRule);
  const Verdict refused = gate.Tcp("192.0.2.9", 80);
  ASSERT_NE(refused.rule, nullptr);
  EXPECT_EQ(refused.rule->line, 3);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(gate.filter->CheckName("a.example").rule->line, 1);
}

TEST(Filter, AnExactNameIsTheDecidingRuleBeforeAWildcard) {
  Gate gate("*.example\na.example\n");
  EXPECT_EQ(gate.filter->CheckName("a.example").rule->kind, TargetKind::kName);
  EXPECT_EQ(gate.filter->CheckName("b.example").rule->kind, TargetKind::kWildcard);
}

TEST(Filter, ANameWithPortsResolvesAndOpensTheseOnly) {
  Gate gate("tcp/a.example:443\n");
  EXPECT_TRUE(gate.Resolves("a.example"));
  EXPECT_FALSE(gate.Tcp("192.0.2.7", 443).allowed) << "not before it was resolved";
  EXPECT_EQ(gate.Answer("a.example", {"192.0.2.7"}), "192.0.2.7");
  const Verdict verdict = gate.Tcp("192.0.2.7", 443);
  EXPECT_TRUE(verdict.allowed);
  EXPECT_EQ(verdict.reason, Reason::kPin);
  EXPECT_EQ(verdict.name, "a.example");
  EXPECT_FALSE(gate.Tcp("192.0.2.7", 80).allowed);
  EXPECT_FALSE(gate.Udp("192.0.2.7", 443).allowed);
}

TEST(Filter, AnAnswerForANameThatIsNotAllowedPinsNothing) {
  Gate gate("a.example\n");
  EXPECT_EQ(gate.Answer("b.example", {"192.0.2.7"}), "");
  EXPECT_FALSE(gate.Tcp("192.0.2.7", 80).allowed);
}

TEST(Filter, RefusalBeatsEveryAllowingNameRule) {
  Gate gate("*.example\na.example\n!a.example\n!*.b.example\n");
  EXPECT_FALSE(gate.Resolves("a.example"));
  EXPECT_TRUE(gate.Resolves("b.example"));
  EXPECT_FALSE(gate.Resolves("x.b.example"));
  EXPECT_EQ(gate.Answer("a.example", {"192.0.2.7"}), "");
}

TEST(Filter, ARefusalWithPortsLetsTheNameResolveAndClosesThesePorts) {
  Gate gate("a.example\n!tcp/a.example:25\n");
  EXPECT_TRUE(gate.Resolves("a.example"));
  EXPECT_EQ(gate.Answer("a.example", {"192.0.2.7"}), "192.0.2.7");
  EXPECT_TRUE(gate.Tcp("192.0.2.7", 80).allowed);
  EXPECT_TRUE(gate.Udp("192.0.2.7", 25).allowed);
  const Verdict refused = gate.Tcp("192.0.2.7", 25);
  EXPECT_FALSE(refused.allowed);
  ASSERT_NE(refused.rule, nullptr);
  EXPECT_EQ(refused.rule->line, 2);
}

TEST(Filter, AnAddressRefusalBeatsAPin) {
  Gate gate("a.example\n!192.0.2.0/24:80\n!198.51.100.7\n");
  EXPECT_EQ(gate.Answer("a.example", {"192.0.2.7", "198.51.100.7"}), "192.0.2.7");
  EXPECT_FALSE(gate.Tcp("192.0.2.7", 80).allowed);
  EXPECT_TRUE(gate.Tcp("192.0.2.7", 81).allowed);
}

TEST(Filter, ASharedAddressStaysOpenForTheNameThatOpensIt) {
  Gate gate("a.example:443\nb.example:80\n!c.example\n!tcp/a.example:80\n");
  gate.Answer("a.example", {"192.0.2.7"}, seconds(30));
  gate.Answer("b.example", {"192.0.2.7"}, seconds(300));
  EXPECT_EQ(gate.Tcp("192.0.2.7", 443).name, "a.example");
  EXPECT_EQ(gate.Tcp("192.0.2.7", 80).name, "b.example");
  gate.now += seconds(200);
  EXPECT_FALSE(gate.Tcp("192.0.2.7", 443).allowed) << "a.example's pin ended";
  EXPECT_TRUE(gate.Tcp("192.0.2.7", 80).allowed) << "b.example's has not";
}

TEST(Filter, PinsLastTheClampedTtlPlusGrace) {
  Gate gate("a.example\n");
  gate.Answer("a.example", {"192.0.2.7"}, seconds(0));
  EXPECT_EQ(gate.last_ttl, seconds(0));
  gate.now += seconds(89);
  EXPECT_TRUE(gate.Tcp("192.0.2.7", 80).allowed);
  gate.now += seconds(1);
  EXPECT_FALSE(gate.Tcp("192.0.2.7", 80).allowed);

  gate.Answer("a.example", {"192.0.2.7"}, seconds(86400));
  EXPECT_EQ(gate.last_ttl, seconds(3600)) << "what is told inside never outlives the pin";
  gate.now += seconds(3659);
  EXPECT_TRUE(gate.Tcp("192.0.2.7", 80).allowed);
  gate.now += seconds(1);
  EXPECT_FALSE(gate.Tcp("192.0.2.7", 80).allowed);

  gate.Answer("a.example", {"192.0.2.7"}, seconds(-5));
  EXPECT_EQ(gate.last_ttl, seconds(0));
}

TEST(Filter, RenewingAPinNeverShortensIt) {
  Gate gate("a.example\n");
  gate.Answer("a.example", {"192.0.2.7"}, seconds(3600));
  gate.Answer("a.example", {"192.0.2.7"}, seconds(1));
  gate.now += seconds(3000);
  EXPECT_TRUE(gate.Tcp("192.0.2.7", 80).allowed);
}

TEST(Filter, ExpiringForgetsOnlyWhatEnded) {
  Gate gate("*.example\n");
  gate.Answer("a.example", {"192.0.2.7"}, seconds(30));
  gate.Answer("b.example", {"192.0.2.8"}, seconds(600));
  gate.now += seconds(120);
  gate.filter->ExpirePins(gate.now);
  EXPECT_FALSE(gate.Tcp("192.0.2.7", 80).allowed);
  EXPECT_TRUE(gate.Tcp("192.0.2.8", 80).allowed);
}

TEST(Filter, ANameHoldsItsNewestAddressesOnly) {
  FilterOptions options;
  options.max_addresses_per_name = 2;
  Gate gate("a.example\n", std::move(options));
  EXPECT_EQ(gate.Answer("a.example", {"192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"}),
            "192.0.2.1 192.0.2.2");
  EXPECT_EQ(gate.Answer("a.example", {"192.0.2.1"}), "192.0.2.1") << "renewed, so .2 is oldest";
  EXPECT_EQ(gate.Answer("a.example", {"192.0.2.4"}), "192.0.2.4");
  EXPECT_TRUE(gate.Tcp("192.0.2.1", 80).allowed);
  EXPECT_FALSE(gate.Tcp("192.0.2.2", 80).allowed);
  EXPECT_TRUE(gate.Tcp("192.0.2.4", 80).allowed);
}

TEST(Filter, TheOldestPinGoesWhenAllAreTaken) {
  FilterOptions options;
  options.max_pins = 3;
  Gate gate("*.example\n", std::move(options));
  for (const char* digit : {"1", "2", "3", "4"}) {
    gate.Answer(StrCat("n", digit, ".example"), {StrCat("192.0.2.", digit)});
  }
  EXPECT_FALSE(gate.Tcp("192.0.2.1", 80).allowed);
  EXPECT_TRUE(gate.Tcp("192.0.2.2", 80).allowed);
  EXPECT_TRUE(gate.Tcp("192.0.2.4", 80).allowed);
}

TEST(Filter, ManyNamesAtOneAddressStayBoundedAndTheNewestIsKnown) {
  Gate gate("*.example\n");
  for (int i = 0; i < 5000; ++i) gate.Answer(StrCat("n", i, ".example"), {"192.0.2.1"});
  EXPECT_EQ(gate.Tcp("192.0.2.1", 80).name, "n4999.example");
}

TEST(Filter, ReportsEachRefusalOnce) {
  Gate gate("a.example\n");
  for (int i = 0; i < 3; ++i) {
    gate.Resolves("b.example");
    (void)gate.Tcp("192.0.2.7", 80);
  }
  (void)gate.Tcp("192.0.2.7", 81);
  (void)gate.Udp("192.0.2.7", 80);
  ASSERT_EQ(gate.refusals.size(), 4u);
  EXPECT_EQ(gate.refusals[0].ToString(),
            "refused name b.example: no rule names it; to allow it: --allow b.example");
  EXPECT_EQ(gate.refusals[1].ToString(),
            "refused tcp 192.0.2.7:80: no rule names it; to allow it: --allow 192.0.2.7:80");
  EXPECT_EQ(gate.refusals[3].ToString(),
            "refused udp 192.0.2.7:80: no rule names it; to allow it: --allow udp/192.0.2.7:80");
}

TEST(Filter, SaysThatALineClosesAllElseInOpenMode) {
  Gate open(std::nullopt);
  (void)open.Tcp("10.0.0.1", 80);
  ASSERT_EQ(open.refusals.size(), 1u);
  EXPECT_NE(open.refusals[0].ToString().find("; to allow it and nothing else: --allow 10.0.0.1:80"),
            std::string::npos)
      << open.refusals[0].ToString();
}

TEST(Filter, AFloodOfRefusalsIsRememberedWithinBounds) {
  Gate gate("a.example\n");
  for (int port = 1; port <= 10000; ++port)
    (void)gate.Tcp("192.0.2.7", static_cast<uint16_t>(port));
  EXPECT_EQ(gate.refusals.size(), 10000u);
  (void)gate.Tcp("192.0.2.7", 10000);
  EXPECT_EQ(gate.refusals.size(), 10000u) << "a recent one is still known";
  (void)gate.Tcp("192.0.2.7", 1);
  EXPECT_EQ(gate.refusals.size(), 10001u) << "an old one was forgotten";
}

TEST(Filter, ARefusalByRuleSaysWhichAndOffersNoLine) {
  Gate gate("192.0.2.0/24\n!192.0.2.7\n");
  (void)gate.Tcp("192.0.2.7", 80);
  ASSERT_EQ(gate.refusals.size(), 1u);
  EXPECT_EQ(gate.refusals[0].remedy, "");
  EXPECT_EQ(gate.refusals[0].ToString(),
            "refused tcp 192.0.2.7:80: the rule \"!192.0.2.7\" (allowed_ips:2) refuses it");
}

TEST(Filter, AnAddressLeftOutOfAnAnswerIsReported) {
  Gate gate("a.example\n");
  EXPECT_EQ(gate.Answer("a.example", {"0.0.0.0", "192.0.2.7"}), "192.0.2.7");
  ASSERT_EQ(gate.refusals.size(), 1u);
  EXPECT_EQ(gate.refusals[0].left_out, Ip("0.0.0.0"));
  EXPECT_EQ(gate.refusals[0].ToString(),
            "refused address 0.0.0.0 of a.example: it is the host itself, its link or another "
            "protected range; to allow it: --allow 0.0.0.0");
}

TEST(Filter, TheRemedyOfAnAddressLeftOutOpensWhatItsNameWasAllowedFor) {
  Gate gate("a.example:443\nudp/b.example\nc.example:80\nc.example:443\n");
  for (const char* name : {"a.example", "b.example", "c.example"}) gate.Answer(name, {"fe80::1"});
  std::string remedies;
  for (const RefusalEvent& event : gate.refusals) remedies += event.remedy + " ";
  EXPECT_EQ(remedies, "[fe80::1]:443 udp/fe80::1 fe80::1 ");
}

TEST(Filter, ARemedyIsAWordOfAShell) {
  Gate gate("a.example\n");
  (void)gate.Tcp("2001:db8::7", 443);
  EXPECT_EQ(gate.refusals.at(0).ToString(),
            "refused tcp [2001:db8::7]:443: no rule names it; to allow it: --allow "
            "'[2001:db8::7]:443'");
  EXPECT_EQ(gate.refusals.at(0).remedy, "[2001:db8::7]:443");
}

// What the line opens besides what was refused is nothing (but for TCP the same port of UDP).
TEST(Filter, ARemedyOpensNoMoreThanWasRefused) {
  Gate gate("a.example:443\n");
  gate.Answer("a.example", {"192.0.2.8"});
  (void)gate.Tcp("192.0.2.7", 443);
  (void)gate.Udp("192.0.2.7", 53);
  (void)gate.Udp("192.0.2.8", 123);
  (void)gate.Ping("192.0.2.7");
  (void)gate.Tcp("169.254.169.254", 80);
  std::string remedies;
  for (const RefusalEvent& event : gate.refusals) remedies += event.remedy + " ";
  EXPECT_EQ(remedies,
            "192.0.2.7:443 udp/192.0.2.7:53 udp/a.example:123 icmp/192.0.2.7 169.254.169.254:80 ");
}

// Whatever is refused without "!": adding the line that the event offers allows it.
struct RefusedFlow {
  const char* lines;  // nullptr: open mode
  const char* name;   // resolved to the address first, if set
  Protocol protocol;
  const char* address;
  uint16_t port;
};

void PrintTo(const RefusedFlow& flow, std::ostream* out) {
  *out << (flow.lines ? flow.lines : "open mode") << " " << flow.address << " " << flow.port;
}

class Remedies : public testing::TestWithParam<RefusedFlow> {};

TEST_P(Remedies, ReallyAllowTheFlow) {
  const RefusedFlow& flow = GetParam();
  const auto attempt = [&](Gate& gate) {
    if (flow.name && gate.Resolves(flow.name)) gate.Answer(flow.name, {flow.address});
    return gate.filter->CheckFlow(flow.protocol, {Ip(flow.address), flow.port}, gate.now).allowed;
  };
  Gate before(flow.lines ? std::optional<std::string>(flow.lines) : std::nullopt);
  EXPECT_FALSE(attempt(before));
  ASSERT_FALSE(before.refusals.empty());
  std::string lines = flow.lines ? StrCat(flow.lines, "\n") : "";
  for (const RefusalEvent& event : before.refusals) {
    EXPECT_NE(event.remedy, "") << event.ToString();
    lines += event.remedy + "\n";
  }
  Gate after(lines);
  EXPECT_TRUE(attempt(after)) << lines;
  // Without the open mode the name itself is refused, but the flow was what the remedy is for.
  EXPECT_TRUE(!flow.lines || after.refusals.empty()) << lines;
}

INSTANTIATE_TEST_SUITE_P(
    Filter, Remedies,
    testing::Values(RefusedFlow{"", nullptr, Protocol::kTcp, "192.0.2.7", 80},
                    RefusedFlow{"", nullptr, Protocol::kUdp, "2001:db8::7", 53},
                    RefusedFlow{"", nullptr, Protocol::kTcp, "192.0.2.7", 0},
                    RefusedFlow{"", nullptr, Protocol::kIcmp, "192.0.2.7", 0},
                    RefusedFlow{"", nullptr, Protocol::kIcmp, "2001:db8::7", 9},
                    RefusedFlow{"", nullptr, Protocol::kTcp, "169.254.1.1", 8080},
                    RefusedFlow{"0.0.0.0/0", nullptr, Protocol::kTcp, "169.254.169.254", 80},
                    RefusedFlow{"::/0", nullptr, Protocol::kTcp, "64:ff9b::127.0.0.1", 80},
                    RefusedFlow{"b.example", "a.example", Protocol::kTcp, "192.0.2.7", 80},
                    RefusedFlow{"a.example:443", "a.example", Protocol::kTcp, "192.0.2.7", 80},
                    RefusedFlow{"udp/a.example", "a.example", Protocol::kTcp, "192.0.2.7", 80},
                    RefusedFlow{"a.example", "a.example", Protocol::kIcmp, "192.0.2.7", 0},
                    RefusedFlow{"a.example", "a.example", Protocol::kTcp, "169.254.1.1", 80},
                    RefusedFlow{"a.example:443", "a.example", Protocol::kTcp, "169.254.1.1", 443},
                    RefusedFlow{"udp/a.example", "a.example", Protocol::kUdp, "fe80::1", 53},
                    RefusedFlow{"*.example\n", "a.example", Protocol::kTcp, "10.0.0.1", 80},
                    RefusedFlow{"*.example\n10.0.0.0/8:443\n", "a.example", Protocol::kTcp,
                                "10.0.0.1", 80},
                    RefusedFlow{nullptr, nullptr, Protocol::kTcp, "10.0.0.1", 80},
                    RefusedFlow{nullptr, "a.example", Protocol::kTcp, "10.0.0.1", 80},
                    RefusedFlow{nullptr, "a.example", Protocol::kTcp, "169.254.1.1", 80}));

// A rule would open the host's, while connections from inside stay on the sandbox's own.
TEST(Filter, LoopbackHasNoRemedy) {
  Gate gate("a.example\n");
  ASSERT_TRUE(gate.Resolves("a.example"));
  gate.Answer("a.example", {"127.0.0.1", "::1"});
  EXPECT_FALSE(gate.Tcp("127.0.0.1", 80).allowed);
  ASSERT_EQ(gate.refusals.size(), 3u);
  for (const RefusalEvent& event : gate.refusals) EXPECT_EQ(event.remedy, "") << event.ToString();
}

TEST(Filter, AMappedAddressHasNoRemedy) {
  Gate gate("::/0\n");
  EXPECT_FALSE(gate.Tcp("::ffff:192.0.2.7", 80).allowed);
  EXPECT_EQ(gate.refusals.at(0).remedy, "");
}

// Room is asked for last: nobody makes way for what the rules refuse anyway.

TEST(FilterRoom, IsAskedForWhatTheRulesAllowOnly) {
  FilterOptions options;
  options.max_connections = 600'000;
  Gate gate("192.0.2.7\n", std::move(options));
  Room room = Room::kThere;
  int asked = 0;
  const auto check = [&](std::string_view address) {
    return gate.filter->CheckFlow(Protocol::kTcp, {Ip(address), 80}, gate.now, [&] {
      ++asked;
      return room;
    });
  };
  EXPECT_EQ(check("192.0.2.8").reason, Reason::kNoRule);
  EXPECT_EQ(asked, 0);
  EXPECT_EQ(check("192.0.2.7").flow, 1u);
  room = Room::kLater;
  EXPECT_FALSE(check("192.0.2.7").allowed);
  EXPECT_EQ(gate.refusals.size(), 1u) << "it asks again";
  room = Room::kAllTaken;
  EXPECT_EQ(check("192.0.2.7").reason, Reason::kNoRoom);
  EXPECT_EQ(asked, 3);
  ASSERT_EQ(gate.refusals.size(), 2u);
  EXPECT_EQ(gate.refusals[1].ToString(),
            "refused tcp 192.0.2.7:80: too many connections at once; to allow more: "
            "--max-connections 1000000");
}

TEST(FilterRoom, ABoundOfTheStacksOwnHasNoOption) {
  FilterOptions options;
  options.max_connections = 10;
  Gate gate("192.0.2.7\n", std::move(options));
  EXPECT_FALSE(gate.filter
                   ->CheckFlow(Protocol::kTcp, {Ip("192.0.2.7"), 80}, gate.now,
                               [] { return Room::kOwnBound; })
                   .allowed);
  EXPECT_EQ(gate.refusals.at(0).ToString(),
            "refused tcp 192.0.2.7:80: too many connections at once");
  EXPECT_EQ(MoreConnectionsOption(Protocol::kTcp, kMostConnections), "") << "there is no more";
}

TEST(FilterRoom, TheOptionGivesDatagramsMoreThanTheyHad) {
  EXPECT_EQ(MoreConnectionsOption(Protocol::kTcp, 1), "--max-connections 2");
  EXPECT_EQ(MoreConnectionsOption(Protocol::kUdp, 1), "--max-connections 8");
  EXPECT_EQ(MoreConnectionsOption(Protocol::kUdp, 8), "--max-connections 16");
}

}  // namespace
}  // namespace mini::netstack
