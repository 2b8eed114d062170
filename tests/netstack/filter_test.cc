#include "netstack/filter/filter.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/strings.h"

namespace mini::netstack {
namespace {

using std::chrono::seconds;

IpAddress Ip(std::string_view text) {
  const auto address = IpAddress::Parse(text);
  EXPECT_TRUE(address) << text;
  return address.value_or(IpAddress());
}

// A filter over the lines given, its refusals, and a clock that moves when told.
class Gate {
 public:
  explicit Gate(std::optional<std::string> lines, FilterOptions options = {})
      : lines_(std::move(lines)) {
    if (lines_) {
      options.rules.emplace();
      const Status status = options.rules->AddText("allowed_ips", *lines_);
      EXPECT_TRUE(status.ok()) << status.ToString();
    }
    options.on_refusal = [this](const RefusalEvent& event) { refusals.push_back(event); };
    options.on_unnamed = [this](const UnnamedEvent& event) { unnamed.push_back(event); };
    filter.emplace(std::move(options));
  }

  bool Resolves(std::string_view name) { return filter->CheckName(name).allowed; }
  Verdict Tcp(std::string_view address, uint16_t port) {
    return filter->CheckFlow(Protocol::kTcp, {Ip(address), port}, now);
  }
  Verdict Udp(std::string_view address, uint16_t port) {
    return filter->CheckFlow(Protocol::kUdp, {Ip(address), port}, now);
  }
  Verdict Ping(std::string_view address) {
    return filter->CheckFlow(Protocol::kIcmp, {Ip(address), 0}, now);
  }
  Verdict Server(std::string_view asked, std::string_view address, uint16_t port) {
    return filter->CheckServerName(Protocol::kTcp, asked, {Ip(address), port}, now);
  }
  // The admitted addresses as one text.
  std::string Answer(std::string_view name, const std::vector<std::string_view>& addresses,
                     seconds ttl = seconds(60)) {
    std::vector<IpAddress> parsed;
    for (const auto address : addresses) parsed.push_back(Ip(address));
    last_ttl = ttl;
    std::string text;
    for (const IpAddress& address : filter->AdmitAnswer(name, parsed, last_ttl, now)) {
      text += (text.empty() ? "" : " ") + address.ToString();
    }
    return text;
  }

  std::optional<std::string> lines_;
  std::optional<Filter> filter;
  std::vector<RefusalEvent> refusals;
  std::vector<UnnamedEvent> unnamed;
  TimePoint now{std::chrono::hours(1)};
  seconds last_ttl{0};
};

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

FilterOptions WithHostAddresses() {
  FilterOptions options;
  options.host_addresses = {Ip("203.0.113.5"), Ip("2001:db8:5::5")};
  return options;
}

class ProtectedAddresses : public testing::TestWithParam<const char*> {};

TEST_P(ProtectedAddresses, AreRefusedEvenWhenAnAllowedNameOrTheWholeInternetLeadsThere) {
  Gate gate("a.example\n0.0.0.0/0\n::/0\n", WithHostAddresses());
  EXPECT_EQ(gate.Answer("a.example", {GetParam()}), "");
  EXPECT_EQ(gate.Tcp(GetParam(), 80).reason, Reason::kProtectedRange);
  EXPECT_FALSE(gate.Udp(GetParam(), 80).allowed);
  EXPECT_FALSE(gate.Ping(GetParam()).allowed);
  Gate open(std::nullopt, WithHostAddresses());
  EXPECT_EQ(open.Answer("a.example", {GetParam()}), "");
  EXPECT_EQ(open.Tcp(GetParam(), 80).reason, Reason::kProtectedRange);
}

class NameableAddresses : public testing::TestWithParam<const char*> {};

TEST_P(NameableAddresses, AreOpenedByARuleForThatVeryAddress) {
  Gate gate(StrCat("a.example\n", GetParam(), "\n"), WithHostAddresses());
  EXPECT_TRUE(gate.Tcp(GetParam(), 80).allowed);
  EXPECT_EQ(gate.Answer("a.example", {GetParam()}), Ip(GetParam()).ToString());
}

// Mapped addresses can't be named: rules for them are written as IPv4.
const char* const kMapped[] = {"::ffff:127.0.0.1", "::ffff:192.0.2.7"};
const char* const kProtected[] = {"0.0.0.0",
                                  "0.1.2.3",
                                  "127.0.0.1",
                                  "127.255.0.1",
                                  "169.254.169.254",
                                  "169.254.1.1",
                                  "168.63.129.16",
                                  "100.64.0.1",
                                  "100.127.255.255",
                                  "192.0.0.192",
                                  "198.18.0.1",
                                  "198.19.255.254",
                                  "224.0.0.1",
                                  "239.255.255.255",
                                  "255.255.255.255",
                                  "240.0.0.1",
                                  "203.0.113.5",
                                  "::",
                                  "::1",
                                  "::7f00:1",
                                  "fe80::1",
                                  "febf::1",
                                  "ff02::1",
                                  "fd00:ec2::254",
                                  "fd20:ce::254",
                                  "100::1",
                                  "2001:db8:5::5",
                                  "::ffff:0:127.0.0.1",
                                  "64:ff9b::127.0.0.1",
                                  "64:ff9b::169.254.169.254",
                                  "64:ff9b::203.0.113.5",
                                  "64:ff9b:1::7",
                                  "2002:7f00:1::",
                                  "2002:a9fe:a9fe::1",
                                  "2001:0:7f00:1::",
                                  "2001:0:c000:207:0:0:80ff:fffe",
                                  "2001:db8::5efe:127.0.0.1",
                                  "2001:db8::200:5efe:169.254.169.254",
                                  "fd6d:696e:6900::1"};

INSTANTIATE_TEST_SUITE_P(FilterMapped, ProtectedAddresses, testing::ValuesIn(kMapped));
INSTANTIATE_TEST_SUITE_P(Filter, ProtectedAddresses, testing::ValuesIn(kProtected));
INSTANTIATE_TEST_SUITE_P(Filter, NameableAddresses, testing::ValuesIn(kProtected));

// A host that gains addresses while the filter runs.
class GrowingHost : public testing::TestWithParam<const char*> {
 protected:
  FilterOptions Options() {
    FilterOptions options;
    options.leads_to_this_host = [this](const IpAddress& address) {
      return std::find(gained.begin(), gained.end(), address) != gained.end();
    };
    return options;
  }
  void GainAll() { gained = {Ip("203.0.113.9"), Ip("10.1.2.255"), Ip("2001:db8:9::9")}; }

  std::vector<IpAddress> gained;
};

TEST_P(GrowingHost, IsRefusedAtAnAddressThatANameASubnetAndAPinLedTo) {
  Gate named("a.example\n", Options());
  Gate subnet("0.0.0.0/0\n::/0\n", Options());
  EXPECT_EQ(named.Answer("a.example", {GetParam()}), Ip(GetParam()).ToString());
  EXPECT_EQ(named.Tcp(GetParam(), 80).reason, Reason::kPin);
  EXPECT_TRUE(subnet.Tcp(GetParam(), 80).allowed);
  GainAll();
  for (const Verdict& verdict : {named.Tcp(GetParam(), 80), named.Udp(GetParam(), 80),
                                 named.Ping(GetParam()), subnet.Tcp(GetParam(), 80)}) {
    EXPECT_FALSE(verdict.allowed);
    EXPECT_EQ(verdict.reason, Reason::kProtectedRange);
  }
  EXPECT_EQ(named.Answer("a.example", {GetParam(), "192.0.2.1"}), "192.0.2.1");
  EXPECT_EQ(named.refusals.back().reason, Reason::kProtectedRange);
  EXPECT_EQ(named.refusals.back().left_out, Ip(GetParam()));
}

TEST_P(GrowingHost, IsRefusedInOpenMode) {
  Gate open(std::nullopt, Options());
  GainAll();
  EXPECT_EQ(open.Tcp(GetParam(), 80).reason, Reason::kProtectedRange);
  EXPECT_EQ(open.Answer("a.example", {GetParam()}), "");
}

TEST_P(GrowingHost, IsReachedByARuleForThatVeryAddress) {
  Gate gate(StrCat("a.example\n", GetParam(), "\n"), Options());
  GainAll();
  EXPECT_TRUE(gate.Tcp(GetParam(), 80).allowed);
  EXPECT_EQ(gate.Answer("a.example", {GetParam()}), Ip(GetParam()).ToString());
}

TEST_P(GrowingHost, LosesAnAddressAgain) {
  Gate gate("0.0.0.0/0\n::/0\n", Options());
  GainAll();
  EXPECT_FALSE(gate.Tcp(GetParam(), 80).allowed);
  gained.clear();
  EXPECT_TRUE(gate.Tcp(GetParam(), 80).allowed);
}

INSTANTIATE_TEST_SUITE_P(Filter, GrowingHost,
                         testing::Values("203.0.113.9", "10.1.2.255", "2001:db8:9::9",
                                         "64:ff9b::203.0.113.9", "2002:cb00:7109::1",
                                         "2001:db8::5efe:203.0.113.9"));

class PrivateAddresses : public testing::TestWithParam<const char*> {};

TEST_P(PrivateAddresses, AreReachedThroughAnExactNameButNotAWildcardOrOpenMode) {
  Gate exact("a.example\n");
  EXPECT_EQ(exact.Answer("a.example", {GetParam()}), Ip(GetParam()).ToString());
  EXPECT_EQ(exact.Tcp(GetParam(), 80).reason, Reason::kPin);

  Gate wildcard("*.example\n");
  EXPECT_EQ(wildcard.Answer("a.example", {GetParam()}), "");
  EXPECT_FALSE(wildcard.Tcp(GetParam(), 80).allowed);

  Gate open(std::nullopt);
  EXPECT_EQ(open.Answer("a.example", {GetParam()}), "");
  EXPECT_EQ(open.Tcp(GetParam(), 80).reason, Reason::kPrivateRange);
}

TEST_P(PrivateAddresses, AreReachedThroughAWildcardWhereAnAddressRuleCoversThem) {
  Gate gate("*.example\n0.0.0.0/0:80\n[::/0]:80\n");
  EXPECT_EQ(gate.Answer("a.example", {GetParam()}), Ip(GetParam()).ToString());
  EXPECT_TRUE(gate.Tcp(GetParam(), 80).allowed);
  EXPECT_EQ(gate.Tcp(GetParam(), 81).reason, Reason::kPrivateRange)
      << "the wildcard's pin opens no port there";
}

INSTANTIATE_TEST_SUITE_P(Filter, PrivateAddresses,
                         testing::Values("10.0.0.1", "172.16.0.1", "172.31.255.1", "192.168.1.1",
                                         "fc00::1", "fd12:3456::1", "fec0::1", "64:ff9b::10.0.0.1",
                                         "2002:c0a8:101::1", "2001:db8::5efe:10.0.0.1"));

TEST(Filter, PublicNeighboursOfProtectedRangesArePublic) {
  Gate open(std::nullopt);
  for (const char* address :
       {"1.0.0.1", "126.255.255.255", "128.0.0.1", "100.63.255.255", "100.128.0.0", "172.15.0.1",
        "172.32.0.1", "169.253.0.1", "198.17.0.1", "198.20.0.1", "223.255.255.255", "192.0.2.7",
        "2001:db8::7", "64:ff9b::192.0.2.7", "2002:c000:207::1"}) {
    EXPECT_EQ(open.Tcp(address, 80).reason, Reason::kOpenMode) << address;
    EXPECT_TRUE(open.Ping(address).allowed) << address;
  }
  EXPECT_TRUE(open.refusals.empty());
}

TEST(Filter, OpenModeResolvesEveryNameAndKnowsFlowsByTheirName) {
  Gate open(std::nullopt);
  EXPECT_TRUE(open.Resolves("anything.example"));
  open.Answer("anything.example", {"192.0.2.7"});
  EXPECT_EQ(open.Tcp("192.0.2.7", 80).name, "anything.example");
}

TEST(Filter, AProtectedRangeIsNamedByARuleWithinIt) {
  Gate gate("127.0.0.0/8\n");
  EXPECT_TRUE(gate.Tcp("127.0.0.1", 80).allowed);
  Gate wider("126.0.0.0/7\n");
  EXPECT_FALSE(wider.Tcp("127.0.0.1", 80).allowed);
  EXPECT_TRUE(wider.Tcp("126.0.0.1", 80).allowed);
}

TEST(Filter, ARefusedV4AddressIsRefusedInItsV6Forms) {
  Gate gate("::/0\n!192.0.2.7\n");
  EXPECT_FALSE(gate.Tcp("64:ff9b::192.0.2.7", 80).allowed);
  EXPECT_FALSE(gate.Tcp("2002:c000:207::1", 80).allowed);
  EXPECT_TRUE(gate.Tcp("64:ff9b::192.0.2.8", 80).allowed);
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
  EXPECT_EQ(MoreConnectionsOption(kMostConnections), "") << "there is no more";
}

// What a client asks for at an address that a name opened.

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
