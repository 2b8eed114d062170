// What the server says to bytes that are no proper query, and the small parsers of dns/.
#include <gtest/gtest.h>

#include <random>

#include "dns_test_world.h"
#include "netstack/dns/answer_cache.h"

namespace mini::netstack {
namespace {

using Bytes = std::vector<uint8_t>;

// The reply to raw bytes, which has to come at once.
Bytes ReplyTo(DnsWorld& world, const Bytes& bytes) {
  const size_t before = world.replies.size();
  world.Send(bytes);
  EXPECT_EQ(world.replies.size(), before + 1);
  return world.replies.empty() ? Bytes() : world.replies.back();
}

int RcodeOf(const Bytes& reply) { return reply.size() < 12 ? -1 : reply[3] & 0xf; }

TEST(DnsMessage, IsSilentWithoutAHeaderAndToReplies) {
  DnsWorld world("a.example\n");
  EXPECT_TRUE(ReplyTo(world, {}).empty());
  EXPECT_TRUE(ReplyTo(world, Bytes(11, 0)).empty());
  Bytes reply = TestQuery{.name = "a.example"}.Bytes();
  reply[2] |= 0x80;
  EXPECT_TRUE(ReplyTo(world, reply).empty());
}

TEST(DnsMessage, FormerrRepeatsTheIdAndNoQuestion) {
  DnsWorld world("a.example\n");
  Bytes cut = TestQuery{.name = "a.example"}.Bytes();
  cut.resize(cut.size() - 1);
  const Bytes reply = ReplyTo(world, cut);
  EXPECT_EQ(reply, (Bytes{0x12, 0x34, 0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(DnsMessage, WantsExactlyOneQuestionAndNoRecords) {
  DnsWorld world("a.example\n");
  for (const size_t count_at : {5u, 7u, 9u}) {
    Bytes query = TestQuery{.name = "a.example"}.Bytes();
    query[count_at] = count_at == 5 ? uint8_t{2} : uint8_t{1};
    EXPECT_EQ(RcodeOf(ReplyTo(world, query)), ARES_RCODE_FORMERR) << count_at;
  }
  Bytes none = TestQuery{.name = "a.example"}.Bytes();
  none[5] = 0;
  EXPECT_EQ(RcodeOf(ReplyTo(world, none)), ARES_RCODE_FORMERR);
  Bytes many = TestQuery{.name = "a.example"}.Bytes();
  many[10] = many[11] = 0xff;
  EXPECT_EQ(RcodeOf(ReplyTo(world, many)), ARES_RCODE_FORMERR);
}

TEST(DnsMessage, OtherOpcodesAreNotImplemented) {
  DnsWorld world("a.example\n");
  for (const int opcode : {1, 2, 4, 5, 15}) {
    Bytes query = TestQuery{.name = "a.example"}.Bytes();
    query[2] = static_cast<uint8_t>(opcode << 3);
    EXPECT_EQ(RcodeOf(ReplyTo(world, query)), ARES_RCODE_NOTIMP);
  }
}

TEST(DnsMessage, OtherClassesAndZoneTransfersAreRefused) {
  DnsWorld world("a.example\n");
  for (const int qclass : {ARES_CLASS_CHAOS, ARES_CLASS_ANY}) {
    EXPECT_EQ(world.AskQuery({.name = "a.example", .qclass = qclass}).rcode, ARES_RCODE_REFUSED);
  }
  EXPECT_EQ(world.Ask("a.example", 252).rcode, ARES_RCODE_REFUSED);
  EXPECT_EQ(world.Ask("a.example", 251).rcode, ARES_RCODE_REFUSED);
  EXPECT_TRUE(world.upstream.seen.empty());
}

TEST(DnsMessage, NamesThatAreNoHostNamesAreRefusedWithoutARemedy) {
  DnsWorld world(std::nullopt);
  for (const std::string& name :
       {std::string("a b.example"), std::string("a\x1b[31m.example"), std::string("-a.example"),
        std::string("a\0b.example", 11), std::string("\xc3\xa4.example")}) {
    EXPECT_EQ(world.Dig(name).rcode, ARES_RCODE_REFUSED);
    EXPECT_EQ(world.Ask(name).rcode, ARES_RCODE_NXDOMAIN) << "without EDNS";
  }
  EXPECT_EQ(world.Dig("").rcode, ARES_RCODE_REFUSED) << "the root";
  EXPECT_TRUE(world.upstream.seen.empty());
  EXPECT_EQ(world.refusals.size(), 5u);
  for (const RefusalEvent& event : world.refusals) {
    EXPECT_EQ(event.remedy, "");
    for (const char c : event.ToString()) EXPECT_TRUE(c >= 0x20 && c < 0x7f);
  }
}

TEST(DnsMessage, ADotInsideALabelIsNoBoundary) {
  DnsWorld world("a.example\n");
  Bytes query = {0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 9};
  for (const char c : std::string_view("a.example")) query.push_back(static_cast<uint8_t>(c));
  query.insert(query.end(), {0, 0, 1, 0, 1});
  EXPECT_EQ(RcodeOf(ReplyTo(world, query)), ARES_RCODE_NXDOMAIN);
  EXPECT_TRUE(world.upstream.seen.empty());
}

TEST(DnsMessage, EveryReplyToEdnsHasAnOptRecord) {  // RFC 6891, section 6.1.1
  DnsWorld world("a.example\n");
  for (const std::string& name :
       {std::string("a.example"), std::string("refused.example"), std::string("a\0b.example", 11),
        std::string("a b.example"), std::string("")}) {
    EXPECT_TRUE(world.Dig(name).has_opt) << name;
    EXPECT_FALSE(world.Ask(name).has_opt) << name;
  }
}

TEST(DnsMessage, OptionsAndTheDoBitStayUnanswered) {
  DnsWorld world("a.example\n");
  world.upstream.Set("a.example", ARES_REC_TYPE_A,
                     {.answers = {{"a.example", ARES_REC_TYPE_A, "192.0.2.7", 300}}});
  const std::vector<std::vector<uint8_t>> lists = {
      {0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8},                  // a client's cookie (RFC 7873)
      {0, 10, 0, 0},                                          // one of no length
      {0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2},                   // client subnet (RFC 7871)
      {0, 12, 0, 3, 0, 0, 0, 0, 11, 0, 0, 0xff, 0xee, 0, 0},  // padding, keep-alive, unknown
  };
  for (const auto& options : lists) {
    const TestMessage reply = world.AskQuery(
        {.name = "a.example", .edns_size = 1232, .edns_flags = 0x8000, .edns_options = options});
    EXPECT_EQ(reply.answers, std::vector<std::string>{"a.example A 192.0.2.7"});
    EXPECT_EQ(reply.options, 0u);
    EXPECT_EQ(reply.opt_flags, 0);
  }
  ASSERT_EQ(world.upstream.raw.size(), 1u);
  const TestMessage sent = ReadMessage(world.upstream.raw[0]);
  EXPECT_EQ(sent.opt_flags, 0) << "nobody is asked for signatures";
  EXPECT_EQ(sent.options, 1u) << "the resolver's cookie is our own";
  const auto& raw = world.upstream.raw[0];
  const std::vector<uint8_t> cookie = {1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(std::search(raw.begin(), raw.end(), cookie.begin(), cookie.end()), raw.end());
}

TEST(DnsMessage, AnOptRecordThatIsCutShortIsMalformed) {
  DnsWorld world("a.example\n");
  Bytes query =
      TestQuery{.name = "a.example", .edns_size = 1232, .edns_options = {0, 10, 0, 8, 1}}.Bytes();
  EXPECT_EQ(RcodeOf(ReplyTo(world, query)), ARES_RCODE_FORMERR) << "an option beyond the record";
  query.resize(query.size() - 8);
  EXPECT_EQ(RcodeOf(ReplyTo(world, query)), ARES_RCODE_FORMERR) << "a record beyond the message";
}

TEST(DnsMessage, EdnsIsEchoedAndLaterVersionsAreNamedBad) {
  DnsWorld world("");
  const TestMessage reply = world.AskQuery({.name = "localhost", .edns_size = 512});
  EXPECT_TRUE(reply.has_opt);
  EXPECT_EQ(reply.answers.size(), 1u);
  const TestMessage bad =
      world.AskQuery({.name = "localhost", .edns_size = 512, .edns_version = 1});
  EXPECT_EQ(bad.rcode, 16);
  EXPECT_TRUE(bad.has_opt);
  EXPECT_TRUE(bad.answers.empty());
}

TEST(DnsMessage, TwoOptRecordsAreMalformed) {
  DnsWorld world("a.example\n");
  Bytes query = TestQuery{.name = "a.example", .edns_size = 512}.Bytes();
  query[11] = 2;
  const Bytes opt(query.end() - 11, query.end());
  query.insert(query.end(), opt.begin(), opt.end());
  EXPECT_EQ(RcodeOf(ReplyTo(world, query)), ARES_RCODE_FORMERR);
}

TEST(DnsMessage, CompressionLoopsAreMalformed) {
  DnsWorld world("a.example\n");
  EXPECT_EQ(RcodeOf(ReplyTo(world, {0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1})),
            ARES_RCODE_FORMERR);
}

// Whatever the bytes: one reply or silence, at once or later, and never a crash. Mutations of real
// queries get deeper than noise.
TEST(DnsMessage, MutatedQueriesAlwaysGetExactlyOneReply) {
  DnsWorld world("");
  std::mt19937 random(3);
  const Bytes base = TestQuery{.name = "some.host.localhost", .edns_size = 1232}.Bytes();
  for (int i = 0; i < 20000; ++i) {
    Bytes bytes = base;
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    }
    if (random() % 4 == 0) bytes.resize(random() % (bytes.size() + 1));
    world.replies.clear();
    const auto transport = random() % 2 ? DnsTransport::kUdp : DnsTransport::kTcp;
    world.Send(bytes, transport);
    ASSERT_EQ(world.replies.size(), 1u);
    if (world.replies[0].empty()) continue;
    ASSERT_GE(world.replies[0].size(), 12u);
    EXPECT_EQ(world.replies[0][0], bytes[0]);
    EXPECT_EQ(world.replies[0][1], bytes[1]);
    EXPECT_LE(world.replies[0].size(), 1232u);
  }
  EXPECT_TRUE(world.upstream.seen.empty());
}

TEST(ReverseAddress, TakesWholeAddressesOnly) {
  EXPECT_EQ(ReverseAddress("7.2.0.192.in-addr.arpa"), IpAddress::V4(192, 0, 2, 7));
  for (const char* name : {"2.0.192.in-addr.arpa", "x.2.0.192.in-addr.arpa", "in-addr.arpa",
                           "256.2.0.192.in-addr.arpa", "1.ip6.arpa", "a.example"}) {
    EXPECT_FALSE(ReverseAddress(name)) << name;
  }
}

TEST(AnswerCache, DropsTheOldestBeyondItsBytes) {
  AnswerCache cache(100000);
  const TimePoint now{};
  Answer answer;
  answer.rcode = Rcode::kNoError;
  answer.ttl = std::chrono::seconds(60);
  answer.records.push_back({.strings = {std::string(1000, 'x')}});
  for (int i = 0; i < 1000; ++i) {
    cache.Add({StrCat("n", i), 16}, answer, now);
    ASSERT_LE(cache.bytes(), 100000u);
  }
  EXPECT_FALSE(cache.Find({"n0", 16}, now));
  EXPECT_TRUE(cache.Find({"n999", 16}, now));
  EXPECT_FALSE(cache.Find({"n999", 1}, now));
  answer.records[0].strings[0].resize(50000);
  cache.Add({"huge", 16}, answer, now);
  EXPECT_FALSE(cache.Find({"huge", 16}, now)) << "one answer may not push out all others";
}

TEST(AnswerCache, ForgetsWhatHasExpiredAndKeepsNoFailure) {
  AnswerCache cache(100000);
  const TimePoint now{};
  Answer answer;
  answer.ttl = std::chrono::seconds(60);
  cache.Add({"a", 1}, answer, now);
  EXPECT_EQ(cache.size(), 0u) << "SERVFAIL";
  answer.rcode = Rcode::kNxDomain;
  cache.Add({"a", 1}, answer, now);
  EXPECT_EQ(cache.Find({"a", 1}, now + std::chrono::seconds(20))->ttl, std::chrono::seconds(40));
  EXPECT_FALSE(cache.Find({"a", 1}, now + std::chrono::seconds(60)));
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(cache.bytes(), 0u);
}

}  // namespace
}  // namespace mini::netstack
