#include <gtest/gtest.h>

#include "base/strings.h"
#include "netstack/dns/dns_server.h"

namespace mini::netstack {
namespace {

using std::chrono::seconds;
using Strings = std::vector<std::string>;

Strings Servers(std::string_view text) {
  Strings servers;
  for (const NameServer& server : ParseResolvConf(text).servers) {
    servers.push_back(server.endpoint.ToString() + (server.zone.empty() ? "" : "%") + server.zone);
  }
  return servers;
}

TEST(ResolvConf, ReadsServersAndOptions) {
  const ResolverConfig conf = ParseResolvConf(
      "# made by hand\n"
      "nameserver 192.0.2.53\n"
      "nameserver\t2001:db8::53 \r\n"
      "search Corp.Example lab.example.\n"
      "options ndots:2 timeout:5 attempts:4 rotate\n");
  ASSERT_EQ(conf.servers.size(), 2u);
  EXPECT_EQ(conf.servers[0].endpoint.ToString(), "192.0.2.53:53");
  EXPECT_EQ(conf.servers[1].endpoint.ToString(), "[2001:db8::53]:53");
  EXPECT_EQ(conf.timeout, seconds(5));
  EXPECT_EQ(conf.attempts, 4);
  EXPECT_TRUE(conf.rotate);
  EXPECT_FALSE(conf.use_tcp);
  EXPECT_EQ(conf.search, (Strings{"corp.example", "lab.example"}));
}

TEST(ResolvConf, AnEmptyTextIsTheDefaults) {
  const ResolverConfig conf = ParseResolvConf("");
  EXPECT_TRUE(conf.servers.empty());
  EXPECT_EQ(conf.attempts, 3);
  EXPECT_EQ(conf.timeout, seconds(2));
}

TEST(ResolvConf, TakesThreeDistinctServersAsTheCLibraryDoes) {
  EXPECT_EQ(Servers("nameserver 192.0.2.1\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n"
                    "nameserver 192.0.2.3\nnameserver 192.0.2.4\n"),
            (Strings{"192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"}));
}

TEST(ResolvConf, SkipsNonsense) {
  EXPECT_EQ(Servers("nameserver\nnameserver example.com\nnameserver 192.0.2.999\n"
                    "NAMESERVER 192.0.2.1\n;nameserver 192.0.2.2\nnameserver 192.0.2.3 # home\n"),
            Strings{"192.0.2.3:53"});
}

TEST(ResolvConf, ALinkLocalServerNeedsAZoneAndNoOtherHasOne) {
  EXPECT_EQ(Servers("nameserver 2001:db8::53%eth0\nnameserver fe80::1%eth0.7\n"
                    "nameserver fe80::2%3\n"),
            (Strings{"[2001:db8::53]:53", "[fe80::1]:53%eth0.7", "[fe80::2]:53%3"}));
  EXPECT_EQ(Servers("nameserver fe80::1\nnameserver fe80::1%\nnameserver fe80::1%a,192.0.2.9\n"
                    "nameserver fe80::1%sixteen-letters-\n"),
            Strings{});
}

TEST(ResolvConf, TheLastSearchOrDomainLineCounts) {
  EXPECT_EQ(ParseResolvConf("search a.example b.example\ndomain c.example\n").search,
            Strings{"c.example"});
  EXPECT_EQ(ParseResolvConf("domain c.example\nsearch a.example . b..example\n").search,
            Strings{"a.example"});
}

TEST(ResolvConf, TakesTcpAndIgnoresWhatIsTheClientsConcern) {
  const ResolverConfig conf =
      ParseResolvConf("options use-vc trust-ad edns0 single-request inet6 debug\n");
  EXPECT_TRUE(conf.use_tcp);
  EXPECT_FALSE(conf.rotate);
  EXPECT_EQ(conf.timeout, seconds(2));
}

TEST(ResolvConf, ClampsOptionsAndIgnoresBadOnes) {
  const ResolverConfig big =
      ParseResolvConf("options ndots:99999999999 timeout:9999 attempts:100\n");
  EXPECT_EQ(big.timeout, seconds(30));
  EXPECT_EQ(big.attempts, 5);
  const ResolverConfig bad = ParseResolvConf("options ndots:x timeout:0 attempts:-1 ndots\n");
  EXPECT_EQ(bad.timeout, seconds(2));
  EXPECT_EQ(bad.attempts, 3);
}

TEST(ResolvConf, IsBoundedWhateverTheText) {
  std::string text;
  for (int i = 1; i < 250; ++i) text += StrCat("nameserver 192.0.2.", i, "\n");
  EXPECT_EQ(ParseResolvConf(text).servers.size(), 3u);
  EXPECT_TRUE(ParseResolvConf(std::string(1 << 20, '\0')).servers.empty());
}

TEST(Hosts, ReadsEveryNameOfALine) {
  const auto hosts = ParseHosts(
      "127.0.0.1 localhost\n"
      "192.0.2.7\tWeb.Example web # the web\n"
      "2001:db8::7 web.example\r\n");
  ASSERT_EQ(hosts.size(), 4u);
  EXPECT_EQ(hosts[1].first, "web.example");
  EXPECT_EQ(hosts[1].second.ToString(), "192.0.2.7");
  EXPECT_EQ(hosts[2].first, "web");
  EXPECT_EQ(hosts[3].second.ToString(), "2001:db8::7");
}

TEST(Hosts, SkipsLinesThatMakeNoSense) {
  EXPECT_TRUE(ParseHosts("").empty());
  EXPECT_TRUE(ParseHosts("192.0.2.7\n#192.0.2.7 a\nname 192.0.2.7\n192.0.2 a\nfe80::1%lo a\n"
                         "192.0.2.7 a..b\n")
                  .empty());
}

}  // namespace
}  // namespace mini::netstack
