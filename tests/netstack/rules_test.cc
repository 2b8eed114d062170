#include "netstack/filter/rules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <memory>
#include <random>

#include "base/strings.h"
#include "netstack/filter/target_table.h"

namespace mini::netstack {
namespace {

// The canonical text of the one rule in `line`, or the error.
std::string Canonical(std::string_view line) {
  RuleSet rules;
  const Status status = rules.AddText("f", line);
  if (!status.ok()) return status.ToString();
  return rules.size() == 1 ? rules.rules()[0].ToString() : StrCat(rules.size(), " rules");
}

std::string ErrorOf(std::string_view text) {
  RuleSet rules;
  const Status status = rules.AddText("f", text);
  EXPECT_EQ(rules.size(), 0u) << "an error leaves the set as it was";
  EXPECT_TRUE(status.ok() || status.stage() == Stage::kRules);
  return status.ToString();
}

// Both texts mean the same, and the second one is not as plain as ParsePlainRule() wants it.
struct Spellings {
  std::string plain, other;
};

Spellings RandomSpellings(std::mt19937& random) {
  const auto below = [&random](int end) {
    return static_cast<int>(random() % static_cast<unsigned>(end));
  };
  const char* const actions[] = {"", "", "!"};
  const char* const protocols[] = {"", "", "tcp/", "udp/"};
  const std::string action = actions[below(3)];
  const std::string protocol = protocols[below(4)];
  const std::string ports = below(2) == 0 ? ""
                            : below(2) == 0
                                ? StrCat(":", 1 + below(65535))
                                : StrCat(":", 1 + below(1000), "-", 1000 + below(64536));
  if (below(3) == 0) {
    const std::string address =
        StrCat(below(256), ".", below(256), ".", below(256), ".", below(256));
    return {action + protocol + address + ports, action + protocol + address + "/32" + ports};
  }
  constexpr std::string_view kBytes = "abcxyzABCXYZ0123456789-_";
  std::string name = below(3) == 0 ? "*." : "";
  for (int labels = 1 + below(4); labels > 0; --labels) {
    for (int bytes = 1 + below(8); bytes > 0; --bytes) {
      name += kBytes[static_cast<size_t>(below(static_cast<int>(kBytes.size())))];
    }
    if (labels > 1) name += '.';
  }
  return {action + protocol + name + ports, action + protocol + name + "." + ports};
}

// What is no rule for one is none for the other, too.
TEST(Rules, MeanTheSameHoweverTheyAreRead) {
  std::mt19937 random(17);
  int rules = 0;
  for (int round = 0; round < 20'000; ++round) {
    const Spellings spellings = RandomSpellings(random);
    RuleSet plain, other;
    const bool taken = plain.AddText("f", spellings.plain).ok();
    ASSERT_EQ(taken, other.AddText("f", spellings.other).ok()) << spellings.plain;
    RuleSet single;
    ASSERT_EQ(taken, single.AddRule("f", spellings.plain).ok()) << spellings.plain;
    if (!taken) continue;
    ++rules;
    for (const RuleSet* set : {&plain, &single}) {
      const Rule& one = set->rules()[0];
      const Rule& two = other.rules()[0];
      ASSERT_EQ(one.ToString(), two.ToString());
      ASSERT_TRUE(one.action == two.action && one.kind == two.kind && one.name == two.name &&
                  one.prefix == two.prefix && one.protocol == two.protocol &&
                  one.ports == two.ports && one.line == two.line)
          << spellings.plain;
    }
  }
  EXPECT_GT(rules, 10'000);
  EXPECT_LT(rules, 20'000);
}

TEST(Rules, ARowOfRulesThatEndsInAMistakeLeavesTheSetUsable) {
  RuleSet rules;
  ASSERT_TRUE(rules.AddRule("f", "a.example").ok());
  EXPECT_FALSE(rules.AddRule("f", "b.example:0").ok());
  ASSERT_TRUE(rules.AddRule("f", "c.example").ok());
  ASSERT_EQ(rules.size(), 2u);
  EXPECT_EQ(rules.MatchName("c.example").size(), 1u);
  EXPECT_TRUE(rules.MatchName("b.example").empty());
}

TEST(Rules, TakesEveryFormOfTheGrammar) {
  for (const std::string_view line : {"example.com",
                                      "*.example.com",
                                      "192.0.2.7",
                                      "2001:db8::7",
                                      "192.0.2.0/24",
                                      "2001:db8::/32",
                                      "example.com:443",
                                      "*.example.com:443",
                                      "192.0.2.7:8000-8010",
                                      "192.0.2.0/24:80",
                                      "[2001:db8::7]:443",
                                      "[2001:db8::/32]:1-65535",
                                      "tcp/example.com",
                                      "udp/192.0.2.7:53",
                                      "tcp/[2001:db8::7]:443",
                                      "icmp/192.0.2.7",
                                      "icmp/2001:db8::/32",
                                      "!example.com",
                                      "!tcp/*.example.com:25",
                                      "!192.0.2.0/24",
                                      "!icmp/192.0.2.7",
                                      "0.0.0.0/0",
                                      "::/0",
                                      "a",
                                      "_dmarc.example.com",
                                      "x--y.example"}) {
    EXPECT_EQ(Canonical(line), line);
  }
}

TEST(Rules, CanonicalTextIsLowerCaseWithoutTrailingDotOrNeedlessParts) {
  EXPECT_EQ(Canonical("Example.COM."), "example.com");
  EXPECT_EQ(Canonical("TCP/Example.com:080"), "tcp/example.com:80");
  EXPECT_EQ(Canonical("[2001:DB8::7]"), "2001:db8::7");
  EXPECT_EQ(Canonical("192.0.2.7/32"), "192.0.2.7");
  EXPECT_EQ(Canonical("example.com:7-7"), "example.com:7");
}

TEST(Rules, NamesOfOtherLettersBecomeALabels) {
  EXPECT_EQ(Canonical("b\xc3\xbc"
                      "cher.example"),
            "xn--bcher-kva.example");
  EXPECT_EQ(Canonical("!tcp/*.B\xc3\x9c"
                      "CHER.Example.:443"),
            "!tcp/*.xn--bcher-kva.example:443");
  EXPECT_EQ(Canonical("bu\xcc\x88"
                      "cher.example"),
            "xn--bcher-kva.example")
      << "normalized";
  EXPECT_EQ(Canonical("stra\xc3\x9f"
                      "e.example"),
            "xn--strae-oqa.example")
      << "IDNA 2008";
  EXPECT_EQ(Canonical("\xe4\xbe\x8b\xe3\x81\x88.\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88"),
            "xn--r8jz45g.xn--zckzah");
  EXPECT_EQ(Canonical("xn--bcher-kva.example"), "xn--bcher-kva.example");
  EXPECT_EQ(Canonical("\xe2\x80\x8b"
                      "a.example"),
            "a.example")
      << "what cannot be seen is ignored (UTS 46)";
  RuleSet rules;
  ASSERT_TRUE(rules
                  .AddRule("--allow",
                           "*.b\xc3\xbc"
                           "cher.example")
                  .ok());
  EXPECT_EQ(rules.MatchName("a.xn--bcher-kva.example").size(), 1u);
}

TEST(Rules, UnbracketedColonsAreOneIpv6Address) {
  EXPECT_EQ(Canonical("2001:db8::7:443"), "2001:db8::7:443");
  RuleSet rules;
  ASSERT_TRUE(rules.AddRule("--allow", "2001:db8::7:443").ok());
  EXPECT_FALSE(rules.rules()[0].ports);
}

TEST(Rules, IgnoresCommentsBlankLinesCarriageReturnsAndAByteOrderMark) {
  EXPECT_EQ(Canonical("\xef\xbb\xbf# head\r\n\r\n  example.com\t# why\r\n\t\r\n#x"), "example.com");
  EXPECT_EQ(Canonical(""), "0 rules");
  EXPECT_EQ(Canonical("\xef\xbb\xbf"), "0 rules");
  EXPECT_EQ(Canonical("example.com\r"), "example.com");
  EXPECT_EQ(Canonical("# latin-1: \xe4\xf6\n# utf-8: \xc3\xa4\nexample.com"), "example.com");
}

TEST(Rules, RemembersWhereEachRuleStands) {
  RuleSet rules;
  ASSERT_TRUE(rules.AddText("allowed_ips", "\n# c\na.example\n\nb.example\n").ok());
  ASSERT_EQ(rules.size(), 2u);
  EXPECT_EQ(rules.rules()[0].line, 3);
  EXPECT_EQ(rules.rules()[1].line, 5);
  EXPECT_EQ(rules.rules()[1].source, "allowed_ips");
}

struct BadLine {
  std::string line;
  std::string error;  // after "f:1:"
};
void PrintTo(const BadLine& bad, std::ostream* out) { *out << EscapeForTerminal(bad.line); }

class BadLines : public testing::TestWithParam<BadLine> {};

TEST_P(BadLines, NameColumnExpectationAndFinding) {
  EXPECT_EQ(ErrorOf(GetParam().line), "f:1:" + GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    Rules, BadLines,
    testing::ValuesIn(std::vector<BadLine>{
        {"!", "2: expected a name or an address, found the end of the rule"},
        {"!!a", "2: expected a single \"!\" before the rule, found \"!a\""},
        {"! a", "2: expected one rule a line without blanks inside it, found \" a\""},
        {"a b", "2: expected one rule a line without blanks inside it, found \" b\""},
        {"  a b", "4: expected one rule a line without blanks inside it, found \" b\""},
        {"tcp/", "5: expected a name or an address, found the end of the rule"},
        {"tcp/!a", "5: expected \"!\" in front of the whole rule, found \"!a\""},
        {"sctp/a.example",
         "1: expected \"tcp/\", \"udp/\" or \"icmp/\" before the target, found \"sctp/a.example\""},
        {"/24", "1: expected \"tcp/\", \"udp/\" or \"icmp/\" before the target, found \"/24\""},
        {"https://u@example.com/x",
         "1: expected a host name or an address, not a URL, found \"https://u@example.com/x\": "
         "write the host name only: \"example.com\""},
        {"https://", "1: expected a host name or an address, not a URL, found \"https://\""},
        {"example.com/x",
         "12: expected no path after the host name, found \"/x\": write the host name only: "
         "\"example.com\""},
        {"example.com/24",
         "12: expected no prefix length after a name: only addresses have one, found \"/24\""},
        {"localhost/8",
         "10: expected no prefix length after a name: only addresses have one, found \"/8\""},
        {"*",
         "1: expected a name after \"*.\", or addresses, found \"*\": for every address write "
         "0.0.0.0/0 and ::/0; without any allow-list every public address can be reached"},
        {"*.", "3: expected a name after \"*.\", found the end of the rule"},
        {"*.*", "3: expected \"*\" only as \"*.\" in front of a name, found \"*\""},
        {"a.*.b", "3: expected \"*\" only as \"*.\" in front of a name, found \"*.b\""},
        {"*a.b", "1: expected \"*\" only as \"*.\" in front of a name, found \"*a.b\""},
        {"*.192.0.2.7",
         "3: expected a name after \"*.\": for a network write 192.0.2.0/24, found "
         "\"192.0.2.7\""},
        {".", "1: expected a name, found \".\""},
        {".a", "1: expected a label between the dots of a name, found \".\""},
        {"a..b", "3: expected a label between the dots of a name, found \".\""},
        {"a..", "3: expected a label between the dots of a name, found \".\""},
        {"a@b", "2: expected letters, digits, \"-\", \"_\" and \".\" in a name, found \"@b\""},
        {"-a.b", "1: expected no \"-\" at the start of a label, found \"-a\""},
        {"a.b-", "4: expected no \"-\" at the end of a label, found \"-\""},
        {"192.0.2",
         "1: expected an IPv4 address of four numbers from 0 to 255 without leading zeros, found "
         "\"192.0.2\""},
        {"192.0.2.256",
         "1: expected an IPv4 address of four numbers from 0 to 255 without leading zeros, found "
         "\"192.0.2.256\""},
        {"192.0.2.1/24",
         "11: expected a prefix length that covers every bit set in the address, found \"24\": for "
         "the whole network write 192.0.2.0/24"},
        {"2001:db8::1/32",
         "13: expected a prefix length that covers every bit set in the address, found \"32\": for "
         "the whole network write 2001:db8::/32"},
        {"192.0.2.0/33", "11: expected a prefix length from 0 to 32, found \"33\""},
        {"192.0.2.0/", "11: expected a prefix length from 0 to 32, found the end of the rule"},
        {"192.0.2.0/24x", "13: expected a prefix length from 0 to 32, found \"x\""},
        {"192.0.2.0/24/8", "13: expected a prefix length from 0 to 32, found \"/8\""},
        {"192.0.2.0/-1", "11: expected a prefix length from 0 to 32, found \"-1\""},
        {"::/129", "4: expected a prefix length from 0 to 128, found \"129\""},
        {"::/0:80",
         "5: expected an IPv6 network in brackets when ports follow, as in [2001:db8::/32]:443, "
         "found \":80\""},
        {"fe80::1%eth0", "8: expected an address without a zone, found \"%eth0\""},
        {"::ffff:192.0.2.7",
         "1: expected no IPv4-mapped address, found \"::ffff:192.0.2.7\": write the IPv4 address: "
         "192.0.2.7"},
        {"2001:db8:::1",
         "1: expected a name or an address with at most one \":\" and ports, or an IPv6 address "
         "(in "
         "brackets when ports follow, as in [2001:db8::7]:443), found \"2001:db8:::1\""},
        {"[2001:db8::1", "13: expected \"]\" after the IPv6 address, found the end of the rule"},
        {"[]", "2: expected an IPv6 address inside the brackets, found \"]\""},
        {"[192.0.2.7]:80", "2: expected an IPv6 address inside the brackets, found \"192.0.2.7\""},
        {"[2001:db8::]/32",
         "13: expected \":\" and ports (a prefix length stands inside the brackets), found "
         "\"/32\""},
        {"[2001:db8::1]80", "14: expected \":\" and ports after \"]\", found \"80\""},
        {"[2001:db8::1]:", "15: expected a port from 1 to 65535, found the end of the rule"},
        {":443", "1: expected a name or an address before \":\", found \":443\""},
        {"a:", "3: expected a port from 1 to 65535, found the end of the rule"},
        {"a:0", "3: expected a port from 1 to 65535, found \"0\""},
        {"a:65536", "3: expected a port from 1 to 65535, found \"65536\""},
        {"a:http", "3: expected a port from 1 to 65535, found \"http\""},
        {"a:*",
         "3: expected a port from 1 to 65535 (without \":*\" a rule is for every port), found "
         "\"*\""},
        {"a:80-", "6: expected a port from 1 to 65535, found the end of the rule"},
        {"a:-80", "3: expected a port from 1 to 65535, found \"-80\""},
        {"a:90-80", "6: expected a last port not below the first, found \"80\""},
        {"a:1-2-3", "5: expected a port from 1 to 65535, found \"2-3\""},
        {"a:80,443", "5: expected one port or one range: write a line for each, found \",443\""},
        {"a:443/x", "6: expected the rule to end after the ports, found \"/x\""},
        {"icmp/a.example",
         "6: expected an address after \"icmp/\": names open TCP and UDP only, found "
         "\"a.example\""},
        {"icmp/192.0.2.7:7", "16: expected no ports: ICMP has none, found \"7\""},
        {"a\rb", "2: expected printable characters, found \"\\x0db\""},
        {"a\x1b[31m", "2: expected printable characters, found \"\\x1b[31m\""},
        {"a.\xe2\x98\x83.example",
         "3: expected a name that IDNA allows (IDN2_DISALLOWED), found \"\u2603\""},
        {"b\xc3\xbc"
         "cher.ex ample",
         "10: expected one rule a line without blanks inside it, found \" ample\""},
        {"\xc3\xbc.example:0", "11: expected a port from 1 to 65535, found \"0\""},
        {"tcp/\xff\xfe.example",
         "5: expected ASCII or UTF-8 in a name, found "
         "\"\\xff\\xfe\""},
        {"\xef\xbc\x91.\xef\xbc\x91",
         "1: expected the digits of an address in ASCII, found \"\uff11.\uff11\""},
        {"a\xe3\x80\x82"
         "b",
         "1: expected letters and digits, \"-\", \"_\" and \".\" in a name, found \"a\u3002b\""},
        {std::string("a\0b", 3),
         "2: expected text without NUL bytes, found \"\\x00b\": save the file as UTF-8 or ASCII"},
        {std::string("# a\0b", 5),
         "4: expected text without NUL bytes, found \"\\x00b\": save the file as UTF-8 or ASCII"},
    }));

TEST(Rules, ErrorNamesSourceAndLine) {
  RuleSet rules;
  EXPECT_EQ(rules.AddText("allowed_ips", "a.example\r\n\r\nb.example:x\r\n").ToString(),
            "allowed_ips:3:11: expected a port from 1 to 65535, found \"x\"");
}

TEST(Rules, ErrorEscapesTheSourceToo) {
  RuleSet rules;
  EXPECT_EQ(rules.AddText("a\nb", "!").ToString().substr(0, 12), "a\\x0ab:1:2: ");
}

TEST(Rules, OneBadLineLeavesTheSetAsItWas) {
  RuleSet rules;
  ASSERT_TRUE(rules.AddRule("--allow", "a.example").ok());
  EXPECT_FALSE(rules.AddText("f", "b.example\nc.example:0\n").ok());
  EXPECT_EQ(rules.size(), 1u);
  EXPECT_TRUE(rules.MatchName("b.example").empty());
  EXPECT_EQ(rules.MatchName("a.example").size(), 1u);
}

TEST(Rules, AMegabyteLineIsAShortError) {
  const std::string error = ErrorOf(std::string(1 << 20, 'a'));
  EXPECT_EQ(error, StrCat("f:1:64: expected at most 63 bytes between the dots of a name, found \"",
                          std::string(40, 'a'), "...\""));
  std::string dotted;
  while (dotted.size() < (1 << 20)) dotted += "a.";
  EXPECT_EQ(ErrorOf(dotted).substr(0, 46), "f:1:254: expected at most 253 bytes in a name,");
}

TEST(Rules, AMegabyteCommentIsAComment) {
  EXPECT_EQ(Canonical("#" + std::string(1 << 20, 'a') + "\nexample.com"), "example.com");
}

TEST(Rules, TheLongestNameFitsAndOneByteMoreDoesNot) {
  const std::string label63(63, 'a');
  const std::string name = StrCat(label63, ".", label63, ".", label63, ".", std::string(61, 'b'));
  ASSERT_EQ(name.size(), 253u);
  EXPECT_EQ(Canonical(name), name);
  EXPECT_EQ(Canonical(name + "."), name);
  EXPECT_EQ(ErrorOf(name + "b").substr(0, 9), "f:1:254: ");
}

TEST(Rules, SingleRuleRefusesCommentsLineEndsAndNothing) {
  RuleSet rules;
  EXPECT_EQ(rules.AddRule("--allow", "a.example # x").ToString(),
            "--allow:1:11: expected one rule without comment or line end, found \"# x\"");
  EXPECT_EQ(rules.AddRule("--allow", "a.example\nb.example").ToString(),
            "--allow:1:10: expected one rule without comment or line end, found "
            "\"\\x0ab.example\"");
  EXPECT_EQ(rules.AddRule("--allow", "").ToString(),
            "--allow:1:1: expected a rule, found the end of the rule");
  EXPECT_EQ(rules.AddRule("--allow", "  ").ToString(),
            "--allow:1:3: expected a rule, found the end of the rule");
  EXPECT_FALSE(rules.AddRule("--allow", std::string_view("a\0", 2)).ok());
  EXPECT_EQ(rules.size(), 0u);
  EXPECT_TRUE(rules.AddRule("--allow", " a.example ").ok());
}

TEST(Rules, ANameMatchesItselfAndAWildcardWhatIsBelow) {
  RuleSet rules;
  ASSERT_TRUE(rules.AddText("f", "example.com\n*.example.com\n*.com:443\n").ok());
  EXPECT_EQ(rules.MatchName("example.com").size(), 2u) << "the name and *.com";
  EXPECT_EQ(rules.MatchName("a.example.com").size(), 2u);
  EXPECT_EQ(rules.MatchName("b.a.example.com").size(), 2u);
  EXPECT_EQ(rules.MatchName("notexample.com").size(), 1u) << "only *.com";
  EXPECT_TRUE(rules.MatchName("com").empty());
  EXPECT_TRUE(rules.MatchName("example.org").empty());
}

TEST(Rules, AddressesMatchEveryPrefixThatContainsThem) {
  RuleSet rules;
  ASSERT_TRUE(
      rules.AddText("f", "192.0.2.7\n192.0.2.0/25\n192.0.2.128/25\n0.0.0.0/0\n::/0\n").ok());
  EXPECT_EQ(rules.MatchAddress(IpAddress::V4(192, 0, 2, 7)).size(), 3u);
  EXPECT_EQ(rules.MatchAddress(IpAddress::V4(192, 0, 2, 200)).size(), 2u);
  EXPECT_EQ(rules.MatchAddress(IpAddress::V4(198, 51, 100, 1)).size(), 1u);
  EXPECT_EQ(rules.MatchAddress(*IpAddress::Parse("2001:db8::1")).size(), 1u);
}

TEST(Rules, MatchAddressAgreesWithPrefixContainsForAllLengths) {
  RuleSet rules;
  const IpAddress base = *IpAddress::Parse("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
  std::string text;
  for (int length = 0; length <= 128; ++length) {
    std::array<uint8_t, 16> bytes{};
    for (int bit = 0; bit < length; ++bit) {
      bytes[bit / 8] =
          static_cast<uint8_t>(bytes[bit / 8] | (base.bytes()[bit / 8] & (0x80 >> bit % 8)));
    }
    text += StrCat(IpAddress::V6(bytes).ToString(), "/", length, "\n");
  }
  ASSERT_TRUE(rules.AddText("f", text).ok());
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::array<uint8_t, 16> bytes;
    std::copy(base.bytes().begin(), base.bytes().end(), bytes.begin());
    const unsigned bit = random() % 128;
    bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (0x80 >> bit % 8));
    const IpAddress address = IpAddress::V6(bytes);
    size_t expected = 0;
    for (const Rule& rule : rules.rules()) expected += rule.prefix.Contains(address);
    EXPECT_EQ(rules.MatchAddress(address).size(), expected) << address.ToString();
  }
}

TEST(Rules, CoversByProtocolAndPort) {
  const auto rule = [](std::string_view text) {
    RuleSet rules;
    EXPECT_TRUE(rules.AddRule("t", text).ok());
    return rules.rules()[0];
  };
  EXPECT_TRUE(rule("a").Covers(Protocol::kTcp, 1));
  EXPECT_TRUE(rule("a").Covers(Protocol::kUdp, 65535));
  EXPECT_FALSE(rule("192.0.2.7").Covers(Protocol::kIcmp, 0));
  EXPECT_TRUE(rule("icmp/192.0.2.7").Covers(Protocol::kIcmp, 99));
  EXPECT_FALSE(rule("icmp/192.0.2.7").Covers(Protocol::kTcp, 99));
  EXPECT_FALSE(rule("tcp/a").Covers(Protocol::kUdp, 1));
  EXPECT_TRUE(rule("a:80-82").Covers(Protocol::kTcp, 82));
  EXPECT_FALSE(rule("a:80-82").Covers(Protocol::kTcp, 83));
}

TEST(Rules, AMovedFromSetIsEmptyAndUsable) {
  RuleSet first;
  ASSERT_TRUE(first.AddRule("t", "a").ok());
  RuleSet second = std::move(first);
  EXPECT_EQ(second.size(), 1u);
  EXPECT_EQ(first.size(), 0u);  // NOLINT(bugprone-use-after-move): this is what is tested
  EXPECT_TRUE(first.AddRule("t", "b").ok());
  second = std::move(first);
  EXPECT_EQ(second.rules()[0].name, "b");
}

// The figure to reach is milliseconds; the bound leaves room for sanitizers and busy machines, and
// still fails for anything quadratic.
TEST(Rules, OutliveTheirSetWhereTheyAreShared) {
  std::shared_ptr<const std::vector<Rule>> rules;
  {
    RuleSet set;
    ASSERT_TRUE(set.AddText("list", "example.com\n192.0.2.0/24\n").ok());
    rules = set.shared_rules();
  }
  ASSERT_EQ(rules->size(), 2u);
  EXPECT_EQ((*rules)[1].ToString(), "192.0.2.0/24");
  EXPECT_EQ((*rules)[1].source, "list");
}

TEST(TargetTable, TellsTargetsOfOneHashApart) {
  constexpr uint32_t kCount = 1000;
  TargetTable table;
  const auto is = [](uint32_t wanted) {
    return [wanted](uint32_t group) { return group == wanted; };
  };
  EXPECT_FALSE(table.Find(7, is(0)));
  for (uint32_t group = 0; group < kCount; ++group) table.Add(group % 2 == 0 ? 7 : group, group);
  for (uint32_t group = 0; group < kCount; ++group) {
    EXPECT_EQ(table.Find(group % 2 == 0 ? 7 : group, is(group)), group);
  }
  EXPECT_FALSE(table.Find(7, is(kCount)));
  EXPECT_FALSE(table.Find(8, is(8))) << "its hash is another";
}

TEST(Rules, TenThousandRulesParseQuickly) {
  std::string text;
  for (int i = 0; i < 10000; ++i) text += StrCat("host", i, ".example.com:443\n");
  const auto start = std::chrono::steady_clock::now();
  RuleSet rules;
  ASSERT_TRUE(rules.AddText("f", text).ok());
  const auto elapsed = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(rules.size(), 10000u);
  EXPECT_EQ(rules.MatchName("host9999.example.com").size(), 1u);
  EXPECT_LT(elapsed, std::chrono::seconds(2));
  RecordProperty("milliseconds", static_cast<int>(elapsed / std::chrono::milliseconds(1)));
}

// As --allow and the library's file of rules add them. The processor's time, whatever else it does.
TEST(Rules, ThatComeAloneCostNoMoreTheMoreThereAre) {
  constexpr int kCount = 40000;
  const std::clock_t start = std::clock();
  RuleSet rules;
  for (int i = 1; i <= kCount; ++i) {
    ASSERT_TRUE(rules.AddRule("--allow", StrCat("host", i, ".example.com:443"), i).ok());
  }
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  EXPECT_EQ(rules.MatchName("host40000.example.com").size(), 1u);
  EXPECT_LT(seconds, 1.5);
}

// Whatever the bytes, parsing ends, and what it accepts reads back as the same rules.
TEST(Rules, RandomTextNeverCrashesAndAcceptedRulesReadBack) {
  static constexpr std::string_view kAlphabet = "aB1.0:/-*![]#_ \t\r\n%2001:db8::192.0.2\xc3tcpudp";
  std::mt19937 random(7);
  int accepted = 0;
  for (int i = 0; i < 50000; ++i) {
    std::string text;
    const size_t length = random() % 16;
    for (size_t j = 0; j < length; ++j) text += kAlphabet[random() % kAlphabet.size()];
    RuleSet rules;
    if (!rules.AddText("f", text).ok()) continue;
    for (const Rule& rule : rules.rules()) {
      ++accepted;
      RuleSet again;
      ASSERT_TRUE(again.AddRule("t", rule.ToString()).ok()) << rule.ToString();
      EXPECT_EQ(again.rules()[0].ToString(), rule.ToString());
      EXPECT_EQ(again.rules()[0].prefix, rule.prefix);
      EXPECT_EQ(again.rules()[0].ports, rule.ports);
    }
  }
  EXPECT_GT(accepted, 100) << "the alphabet should hit the grammar now and then";
}

TEST(NormalizeName, LowersAndDropsTheFinalDot) {
  EXPECT_EQ(NormalizeName("Example.COM."), "example.com");
  EXPECT_EQ(NormalizeName("_sip._tcp.example"), "_sip._tcp.example");
}

TEST(NormalizeName, RefusesWhatIsNoHostName) {
  for (const std::string_view name :
       {"", ".", "..", "a..b", ".a", "a b", "a/b", "-a", "a-", "b\xc3\xbc", "a\\.b"}) {
    EXPECT_FALSE(NormalizeName(name)) << name;
  }
  EXPECT_FALSE(NormalizeName(std::string_view("a\0b", 3)));
  EXPECT_FALSE(NormalizeName(std::string(64, 'a')));
  EXPECT_TRUE(NormalizeName(std::string(63, 'a')));
}

// What RuleGroup's index has to agree with.
const Rule* FirstCovering(const RuleSet& rules, RuleAction action, RuleSet::Use use) {
  for (const Rule& rule : rules.rules()) {
    if (rule.action == action && rule.Covers(use.protocol, use.port)) return &rule;
  }
  return nullptr;
}

void ExpectFirstOfEach(const RuleSet& rules, const std::vector<const Rule*>& deciding,
                       RuleSet::Use use) {
  std::vector<const Rule*> expected;
  for (const RuleAction action : {RuleAction::kRefuse, RuleAction::kAllow}) {
    if (const Rule* rule = FirstCovering(rules, action, use)) expected.push_back(rule);
  }
  EXPECT_EQ(deciding, expected) << ProtocolName(use.protocol) << " " << use.port << " of "
                                << rules.size();
}

TEST(Rules, ManyRulesOfOneTargetDecideAsIfTheyWereReadOneByOne) {
  std::mt19937 random(7);
  const auto number = [&](int most) { return std::uniform_int_distribution(0, most)(random); };
  for (int round = 0; round < 100; ++round) {
    RuleSet names;
    RuleSet addresses;
    const int widest = round % 3 == 0 ? 65534 : 40;  // ranges that touch and overlap
    for (int count = 1 + number(60); count > 0; --count) {
      const char* protocol = std::array{"", "tcp/", "udp/"}[static_cast<size_t>(number(2))];
      const std::string action = number(3) == 0 ? "!" : "";
      const int first = 1 + number(widest);
      const int last = std::min(65535, first + number(number(1) ? 3 : widest));
      const std::string ports = number(20) == 0 ? "" : StrCat(":", first, "-", last);
      ASSERT_TRUE(names.AddRule("t", StrCat(action, protocol, "a.example", ports)).ok());
      ASSERT_TRUE(addresses
                      .AddRule("t", number(9) == 0 ? StrCat(action, "icmp/192.0.2.7")
                                                   : StrCat(action, protocol, "192.0.2.7", ports))
                      .ok());
    }
    for (int port = 0; port <= 90; ++port) {
      for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp, Protocol::kIcmp}) {
        const int asked = port < 85 ? port : port == 85 ? 65535 : number(65535);
        const RuleSet::Use use{protocol, static_cast<uint16_t>(asked)};
        ExpectFirstOfEach(names, names.DecidingForName("a.example", use), use);
        ExpectFirstOfEach(addresses, addresses.DecidingForAddress(IpAddress::V4(192, 0, 2, 7), use),
                          use);
      }
    }
  }
}

TEST(Rules, ARuleForEachPortOfOneTargetIsFoundAtOnceAndInTheEnd) {
  RuleSet rules;
  std::string text;
  for (int port = 1; port <= 65535; ++port) text += StrCat("a.example:", port, "\n");
  // Each of these closes nothing any more.
  for (int i = 0; i < 5000; ++i) text += "a.example\n";
  ASSERT_TRUE(rules.AddText("t", text).ok());
  for (const auto port : std::to_array<uint16_t>({1, 2, 443, 65534, 65535})) {
    const auto deciding = rules.DecidingForName("a.example", {Protocol::kUdp, port});
    ASSERT_EQ(deciding.size(), 1u);
    EXPECT_EQ(deciding[0]->line, port);
  }
}

TEST(Rules, WhetherAnythingIsAllowedIsDecidedByTheFirstOfEachTarget) {
  RuleSet rules;
  ASSERT_TRUE(rules
                  .AddText("t",
                           "!tcp/a.example\na.example:1\na.example\n!a.example\n!a.example\n"
                           "*.example\n")
                  .ok());
  const auto deciding = rules.DecidingForName("a.example");
  ASSERT_EQ(deciding.size(), 3u);
  EXPECT_EQ(deciding[0]->line, 4);
  EXPECT_EQ(deciding[1]->line, 2);
  EXPECT_EQ(deciding[2]->line, 6);
}

}  // namespace
}  // namespace mini::netstack
