// Which addresses a name, a wildcard, a subnet or the open mode may lead to.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/strings.h"
#include "filter_gate.h"

namespace mini::netstack {
namespace {

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

}  // namespace
}  // namespace mini::netstack
