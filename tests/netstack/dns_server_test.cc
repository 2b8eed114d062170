#include <gtest/gtest.h>

#include "dns_test_world.h"

namespace mini::netstack {
namespace {

using std::chrono::seconds;
using Strings = std::vector<std::string>;

TEST(DnsServer, AnswersAnAllowedNameAndPinsItsAddress) {
  DnsWorld world("a.example\n");
  world.upstream.Set("a.example", ARES_REC_TYPE_A,
                     {.answers = {{"a.example", ARES_REC_TYPE_A, "192.0.2.7", 300}}});
  EXPECT_FALSE(world.TcpOpen("192.0.2.7"));
  const TestMessage reply = world.Ask("a.example");
  EXPECT_EQ(reply.id, 0x1234);
  EXPECT_EQ(reply.rcode, ARES_RCODE_NOERROR);
  EXPECT_EQ(reply.flags, static_cast<unsigned>(ARES_FLAG_QR | ARES_FLAG_RD | ARES_FLAG_RA));
  EXPECT_EQ(reply.answers, Strings{"a.example A 192.0.2.7"});
  EXPECT_EQ(reply.ttls, std::vector<unsigned>{300});
  EXPECT_FALSE(reply.has_opt);
  EXPECT_TRUE(world.TcpOpen("192.0.2.7"));
}

TEST(DnsServer, AnswersAaaa) {
  DnsWorld world("a.example\n");
  world.upstream.Set("a.example", ARES_REC_TYPE_AAAA,
                     {.answers = {{"a.example", ARES_REC_TYPE_AAAA, "2001:db8::7", 300}}});
  EXPECT_EQ(world.Ask("a.example", ARES_REC_TYPE_AAAA).answers,
            Strings{"a.example AAAA 2001:db8::7"});
  EXPECT_TRUE(world.TcpOpen("2001:db8::7"));
}

TEST(DnsServer, RefusesOtherNamesAndAsksNobody) {
  DnsWorld world("a.example\n!b.example\n");
  for (const char* name : {"refused.example", "example", "b.example", "x.a.example"}) {
    for (const int type : {ARES_REC_TYPE_A, ARES_REC_TYPE_AAAA, ARES_REC_TYPE_TXT,
                           ARES_REC_TYPE_HTTPS, ARES_REC_TYPE_ANY}) {
      EXPECT_EQ(world.Dig(name, type).rcode, ARES_RCODE_REFUSED) << name;
    }
  }
  world.loop.RunUntil([] { return false; }, std::chrono::milliseconds(20));
  EXPECT_EQ(world.upstream.seen, Strings{});
  ASSERT_EQ(world.refusals.size(), 4u) << "each name once";
  EXPECT_EQ(world.refusals[0].remedy, "refused.example");
}

TEST(DnsServer, TellsClientsWithEdnsWhyANameIsRefused) {
  DnsWorld world("*.example\n!b.example\n");
  EXPECT_EQ(world.Dig("refused.test").extended_error, "15 no rule names it");
  EXPECT_EQ(world.Dig("b.example").extended_error, "15 a rule decides");
  EXPECT_EQ(world.Dig("a.b.c.d.e.f.example").extended_error,
            "15 a wildcard allows no names as long or as many");
}

// musl's resolver takes no other code but 0 and 3 for an answer and waits for one.
TEST(DnsServer, ForClientsWithoutEdnsARefusedNameDoesNotExist) {
  DnsWorld world("a.example\n");
  for (const int type : {ARES_REC_TYPE_A, ARES_REC_TYPE_AAAA, ARES_REC_TYPE_TXT}) {
    const TestMessage reply = world.Ask("refused.example", type);
    EXPECT_EQ(reply.rcode, ARES_RCODE_NXDOMAIN);
    EXPECT_EQ(reply.soa, "") << "nobody may remember it, or take it for the names below";
  }
  EXPECT_EQ(world.refusals.size(), 1u);
  EXPECT_EQ(world.upstream.seen, Strings{});
}

TEST(DnsServer, RefusedNamesBelowTheSearchListDoNotExistSoThatClientsSearchOn) {
  ResolverConfig config;
  config.search = {"corp.example", "example"};
  DnsWorld world("intranet.lab.example\n", config);
  EXPECT_EQ(world.Dig("intranet.corp.example").rcode, ARES_RCODE_NXDOMAIN);
  EXPECT_EQ(world.Dig("intranet.example").rcode, ARES_RCODE_NXDOMAIN);
  EXPECT_EQ(world.Dig("intranet.test").rcode, ARES_RCODE_REFUSED);
  EXPECT_EQ(world.Dig("intranetcorp.test").rcode, ARES_RCODE_REFUSED);
  EXPECT_EQ(world.Dig("example").rcode, ARES_RCODE_REFUSED) << "the domain itself";
  EXPECT_EQ(world.Dig("notexample").rcode, ARES_RCODE_REFUSED);
}

// /etc/hosts inside has its IPv4 address only, so clients ask for the other one.
TEST(DnsServer, AnswersTheSandboxsOwnNameItself) {
  ResolverConfig config;
  config.search = {"corp.example", "example"};
  config.own_name = "box";
  DnsWorld world("box.example\n", config);
  for (const char* name : {"box", "Box", "box.corp.example"}) {
    EXPECT_EQ(world.Ask(name).answers, Strings{StrCat(name, " A 127.0.1.1")});
    for (const int type : {ARES_REC_TYPE_AAAA, ARES_REC_TYPE_MX}) {
      EXPECT_EQ(world.Ask(name, type).rcode, ARES_RCODE_NOERROR) << name;
      EXPECT_EQ(world.Ask(name, type).answers, Strings{}) << name;
    }
  }
  EXPECT_TRUE(world.refusals.empty()) << "no verdict";
  EXPECT_EQ(world.upstream.seen, Strings{});
  for (const char* other : {"bo", "box2", "a.box", "box.test", "box.corp.example.example"}) {
    EXPECT_EQ(world.Ask(other).rcode, ARES_RCODE_NXDOMAIN) << other;
  }
  EXPECT_EQ(world.refusals.size(), 5u);
  world.upstream.Set("box.example", ARES_REC_TYPE_A,
                     {.answers = {{"box.example", ARES_REC_TYPE_A, "192.0.2.7", 300}}});
  EXPECT_EQ(world.Ask("box.example").answers, Strings{"box.example A 192.0.2.7"})
      << "a rule allows it";
}

TEST(DnsServer, WithoutANameOfItsOwnTheHostsIsLikeAnyOther) {
  DnsWorld world("a.example\n");
  EXPECT_EQ(world.Ask("box").rcode, ARES_RCODE_NXDOMAIN);
  EXPECT_EQ(world.refusals.size(), 1u);
}

TEST(DnsServer, NegativeAnswersSayHowLongTheyHold) {  // RFC 2308
  DnsWorld world("*.example\n");
  world.upstream.Set(
      "a.example", ARES_REC_TYPE_A,
      {.rcode = ARES_RCODE_NXDOMAIN, .authority = {{"example", ARES_REC_TYPE_SOA, "40", 300}}});
  world.upstream.Set("b.example", ARES_REC_TYPE_A,
                     {.authority = {{"example", ARES_REC_TYPE_SOA, "40", 20}}});
  world.upstream.Set("c.example", ARES_REC_TYPE_A,
                     {.answers = {{"c.example", ARES_REC_TYPE_A, "127.0.0.1", 300}}});
  EXPECT_EQ(world.Ask("a.example").soa, "example 40") << "above the name that does not exist";
  world.loop.Skip(seconds(10));
  EXPECT_EQ(world.Ask("A.example").soa, "example 30") << "what is left";
  EXPECT_EQ(world.Ask("b.example").soa, "b.example 20") << "the less of both";
  EXPECT_EQ(world.Ask("a.example", ARES_REC_TYPE_HTTPS).soa, "a.example 60");
  EXPECT_EQ(world.Ask("c.example").soa, "") << "it was the filter that left nothing";
}

TEST(DnsServer, RebuildsTheQueryLowerCaseWithoutClientOptions) {
  DnsWorld world("a.example\n");
  world.upstream.Set("a.example", ARES_REC_TYPE_A,
                     {.answers = {{"a.example", ARES_REC_TYPE_A, "192.0.2.7", 300}}});
  const TestMessage reply = world.AskQuery({.name = "A.eXample", .edns_size = 4096});
  EXPECT_EQ(world.upstream.seen, Strings{"a.example A"});
  EXPECT_EQ(reply.question, "A.eXample") << "clients that vary the case look for it";
  EXPECT_EQ(reply.answers, Strings{"A.eXample A 192.0.2.7"});
  const std::vector<uint8_t>& sent = world.upstream.raw.at(0);
  EXPECT_NE((sent[0] << 8 | sent[1]), 0x1234) << "the client's id stays inside";
}

TEST(DnsServer, HandsTheEndOfACnameChainInsideUnderTheAskedName) {
  DnsWorld world("a.example\n");
  world.upstream.Set("a.example", ARES_REC_TYPE_A,
                     {.answers = {{"c.test", ARES_REC_TYPE_A, "192.0.2.7", 300},
                                  {"a.example", ARES_REC_TYPE_CNAME, "B.test", 20},
                                  {"b.test", ARES_REC_TYPE_CNAME, "c.test", 300},
                                  {"other.test", ARES_REC_TYPE_A, "198.51.100.1", 300}}});
  const TestMessage reply = world.Ask("a.example");
  EXPECT_EQ(reply.answers, Strings{"a.example A 192.0.2.7"});
  EXPECT_EQ(reply.ttls, std::vector<unsigned>{20}) << "the least of the chain";
  EXPECT_FALSE(world.TcpOpen("198.51.100.1"));
  EXPECT_EQ(world.Dig("c.test").rcode, ARES_RCODE_REFUSED);
}

TEST(DnsServer, RefusesAliasesOfARefusedName) {
  DnsWorld world("*.example\n!secret.example\n!tcp/ports.example:25\n");
  const auto alias_of = [&](const std::string& name, const std::string& target) {
    world.upstream.Set(name, ARES_REC_TYPE_A,
                       {.answers = {{name, ARES_REC_TYPE_CNAME, target, 300},
                                    {target, ARES_REC_TYPE_A, "192.0.2.7", 300}}});
  };
  alias_of("alias.example", "Secret.Example");
  alias_of("other.example", "ports.example");
  for (int cached = 0; cached < 2; ++cached) {
    EXPECT_EQ(world.Dig("alias.example").rcode, ARES_RCODE_REFUSED);
  }
  EXPECT_FALSE(world.TcpOpen("192.0.2.7"));
  ASSERT_EQ(world.refusals.size(), 2u);
  EXPECT_EQ(world.refusals[0].ToString(),
            "refused name secret.example: the rule \"!secret.example\" (allowed_ips:2) "
            "refuses it");
  EXPECT_EQ(world.Ask("other.example").answers.size(), 1u) << "ports are the flows' concern";
}

FakeUpstream::Reply Chain(int cnames) {
  FakeUpstream::Reply reply;
  std::string owner = "a.example";
  for (int i = 0; i < cnames; ++i) {
    const std::string next = StrCat("n", i, ".test");
    reply.answers.push_back({owner, ARES_REC_TYPE_CNAME, next, 300});
    owner = next;
  }
  reply.answers.push_back({owner, ARES_REC_TYPE_A, "192.0.2.7", 300});
  return reply;
}

TEST(DnsServer, FollowsEightCnamesAndNoMore) {
  DnsWorld eight("a.example\n");
  eight.upstream.Set("a.example", ARES_REC_TYPE_A, Chain(8));
  EXPECT_EQ(eight.Ask("a.example").answers.size(), 1u);
  DnsWorld nine("a.example\n");
  nine.upstream.Set("a.example", ARES_REC_TYPE_A, Chain(9));
  EXPECT_EQ(nine.Ask("a.example").rcode, ARES_RCODE_SERVFAIL);
  DnsWorld loop("a.example\n");
  loop.upstream.Set("a.example", ARES_REC_TYPE_A,
                    {.answers = {{"a.example", ARES_REC_TYPE_CNAME, "a.example", 300}}});
  EXPECT_EQ(loop.Ask("a.example").rcode, ARES_RCODE_SERVFAIL);
}

TEST(DnsServer, AnswersHttpsSvcbAndAnyEmptyWithoutAsking) {
  DnsWorld world("a.example\n");
  for (const int type : {int{ARES_REC_TYPE_HTTPS}, int{ARES_REC_TYPE_SVCB}, int{ARES_REC_TYPE_ANY},
                         int{ARES_REC_TYPE_CAA}, 4711}) {
    const TestMessage reply = world.Ask("a.example", type);
    EXPECT_EQ(reply.rcode, ARES_RCODE_NOERROR) << type;
    EXPECT_EQ(reply.type, type);
    EXPECT_TRUE(reply.answers.empty());
  }
  EXPECT_EQ(world.upstream.seen, Strings{});
}

TEST(DnsServer, PassesOnMxTxtAndSrv) {
  DnsWorld world("a.example\n_x._tcp.a.example\n");
  world.upstream.Set("a.example", ARES_REC_TYPE_MX,
                     {.answers = {{"a.example", ARES_REC_TYPE_MX, "10 mail.example", 300}}});
  world.upstream.Set("a.example", ARES_REC_TYPE_TXT,
                     {.answers = {{"a.example", ARES_REC_TYPE_TXT, "v=spf1 -all", 300}}});
  world.upstream.Set(
      "_x._tcp.a.example", ARES_REC_TYPE_SRV,
      {.answers = {{"_x._tcp.a.example", ARES_REC_TYPE_SRV, "1 2 443 s.example", 9}}});
  EXPECT_EQ(world.Ask("a.example", ARES_REC_TYPE_MX).answers,
            Strings{"a.example MX 10 mail.example"});
  EXPECT_EQ(world.Ask("a.example", ARES_REC_TYPE_TXT).answers,
            Strings{"a.example TXT v=spf1 -all"});
  const TestMessage srv = world.Ask("_x._tcp.a.example", ARES_REC_TYPE_SRV);
  EXPECT_EQ(srv.answers, Strings{"_x._tcp.a.example SRV 1 2 443 s.example"});
  EXPECT_EQ(srv.ttls, std::vector<unsigned>{9});
}

TEST(DnsServer, PassesOnNxdomainAndEmptyAnswers) {
  DnsWorld world("*.example\n");
  world.upstream.Set("b.example", ARES_REC_TYPE_A, {});
  EXPECT_EQ(world.Ask("a.example").rcode, ARES_RCODE_NXDOMAIN);
  const TestMessage empty = world.Ask("b.example");
  EXPECT_EQ(empty.rcode, ARES_RCODE_NOERROR);
  EXPECT_TRUE(empty.answers.empty());
}

TEST(DnsServer, FetchesTruncatedAnswersOverTcp) {
  DnsWorld world("a.example\n");
  FakeUpstream::Reply reply{.truncate_udp = true};
  for (int i = 1; i <= 20; ++i) {
    reply.answers.push_back({"a.example", ARES_REC_TYPE_A, StrCat("192.0.2.", i), 300});
  }
  world.upstream.Set("a.example", ARES_REC_TYPE_A, reply);
  EXPECT_EQ(world.AskQuery({.name = "a.example", .edns_size = 1232}).answers.size(), 20u);
  EXPECT_EQ(world.upstream.seen, (Strings{"a.example A", "a.example A/tcp"}));
}

TEST(DnsServer, TruncatesUdpRepliesToTheClientsSizeAndTcpNever) {
  DnsWorld world("a.example\n");
  FakeUpstream::Reply reply;
  for (int i = 0; i < 4; ++i) {
    reply.answers.push_back({"a.example", ARES_REC_TYPE_TXT, std::string(250, 'x'), 300});
  }
  world.upstream.Set("a.example", ARES_REC_TYPE_TXT, reply);
  const TestMessage cut = world.Ask("a.example", ARES_REC_TYPE_TXT);
  EXPECT_NE(cut.flags & ARES_FLAG_TC, 0u);
  EXPECT_LE(cut.size, 512u);
  EXPECT_TRUE(cut.answers.empty());
  const TestMessage edns =
      world.AskQuery({.name = "a.example", .type = ARES_REC_TYPE_TXT, .edns_size = 4096});
  EXPECT_EQ(edns.flags & ARES_FLAG_TC, 0u);
  EXPECT_EQ(edns.answers.size(), 4u);
  EXPECT_TRUE(edns.has_opt);
  const TestMessage tiny =
      world.AskQuery({.name = "a.example", .type = ARES_REC_TYPE_TXT, .edns_size = 0});
  EXPECT_NE(tiny.flags & ARES_FLAG_TC, 0u) << "sizes below 512 count as 512 (RFC 6891)";
  const TestMessage tcp =
      world.AskQuery({.name = "a.example", .type = ARES_REC_TYPE_TXT}, DnsTransport::kTcp);
  EXPECT_EQ(tcp.answers.size(), 4u);
}

TEST(DnsServer, ATruncatedReplyHasAsManyAddressesAsFit) {
  DnsWorld world("a.example\n");
  FakeUpstream::Reply v4;
  FakeUpstream::Reply v6;
  for (int i = 1; i <= 32; ++i) {
    v4.answers.push_back({"a.example", ARES_REC_TYPE_A, StrCat("192.0.2.", i), 300});
    v6.answers.push_back({"a.example", ARES_REC_TYPE_AAAA, StrCat("2001:db8::", i), 300});
  }
  world.upstream.Set("a.example", ARES_REC_TYPE_A, v4);
  world.upstream.Set("a.example", ARES_REC_TYPE_AAAA, v6);
  const TestMessage a = world.Ask("a.example");
  EXPECT_NE(a.flags & ARES_FLAG_TC, 0u);
  EXPECT_EQ(a.answers.size(), (512u - 12 - 15) / 16);
  const TestMessage aaaa = world.Ask("a.example", ARES_REC_TYPE_AAAA);
  EXPECT_NE(aaaa.flags & ARES_FLAG_TC, 0u);
  EXPECT_EQ(aaaa.answers.size(), (512u - 12 - 15) / 28);
}

TEST(DnsServer, AnswersFromTheCacheWithTheTimeThatIsLeft) {
  DnsWorld world("a.example\n");
  world.upstream.Set("a.example", ARES_REC_TYPE_A,
                     {.answers = {{"a.example", ARES_REC_TYPE_A, "192.0.2.7", 300}}});
  world.Ask("a.example");
  world.loop.Skip(seconds(100));
  const TestMessage cached = world.Ask("A.EXAMPLE");
  ASSERT_EQ(cached.ttls.size(), 1u);
  EXPECT_LE(cached.ttls[0], 200u);
  EXPECT_GE(cached.ttls[0], 190u);
  EXPECT_EQ(world.upstream.seen.size(), 1u);
  world.loop.Skip(seconds(201));
  world.Ask("a.example");
  EXPECT_EQ(world.upstream.seen.size(), 2u);
}

TEST(DnsServer, CachesNamesThatDoNotExistAsLongAsTheZoneSays) {
  DnsWorld world("a.example\n");
  world.upstream.Set(
      "a.example", ARES_REC_TYPE_A,
      {.rcode = ARES_RCODE_NXDOMAIN, .authority = {{"example", ARES_REC_TYPE_SOA, "30", 300}}});
  world.Ask("a.example");
  world.loop.Skip(seconds(28));
  EXPECT_EQ(world.Ask("a.example").rcode, ARES_RCODE_NXDOMAIN);
  EXPECT_EQ(world.upstream.seen.size(), 1u);
  world.loop.Skip(seconds(3));
  world.Ask("a.example");
  EXPECT_EQ(world.upstream.seen.size(), 2u);
}

TEST(DnsServer, ACachedAnswerRenewsItsPin) {
  DnsWorld world("a.example\n");
  world.upstream.Set("a.example", ARES_REC_TYPE_A,
                     {.answers = {{"a.example", ARES_REC_TYPE_A, "192.0.2.7", 100}}});
  world.Ask("a.example");
  world.loop.Skip(seconds(98));
  EXPECT_EQ(world.Ask("a.example").answers.size(), 1u);
  EXPECT_EQ(world.upstream.seen.size(), 1u);
  world.loop.Skip(seconds(80));
  EXPECT_TRUE(world.TcpOpen("192.0.2.7")) << "at least 30 s and the grace from the last answer on";
}

TEST(DnsServer, TellsNoLongerTimeToLiveThanThePinHas) {
  DnsWorld world("a.example\n");
  world.upstream.Set("a.example", ARES_REC_TYPE_A,
                     {.answers = {{"a.example", ARES_REC_TYPE_A, "192.0.2.7", 1000000}}});
  const TestMessage reply = world.Ask("a.example");
  EXPECT_EQ(reply.ttls, std::vector<unsigned>{3600});
  world.loop.Skip(seconds(3600));
  EXPECT_TRUE(world.TcpOpen("192.0.2.7"));
}

TEST(DnsServer, LeavesOutAddressesThatTheNameMayNotLeadTo) {
  DnsWorld world("a.example\nb.example\n");
  world.upstream.Set("a.example", ARES_REC_TYPE_A,
                     {.answers = {{"a.example", ARES_REC_TYPE_A, "127.0.0.1", 300},
                                  {"a.example", ARES_REC_TYPE_A, "192.0.2.7", 300}}});
  world.upstream.Set("b.example", ARES_REC_TYPE_A,
                     {.answers = {{"b.example", ARES_REC_TYPE_A, "169.254.169.254", 300}}});
  EXPECT_EQ(world.Ask("a.example").answers, Strings{"a.example A 192.0.2.7"});
  const TestMessage none = world.Ask("b.example");
  EXPECT_EQ(none.rcode, ARES_RCODE_NOERROR);
  EXPECT_TRUE(none.answers.empty());
  ASSERT_EQ(world.refusals.size(), 2u);
  EXPECT_EQ(world.refusals[1].remedy, "169.254.169.254");
}

TEST(DnsServer, AsksOnceForTheSameQuestionUnderWay) {
  DnsWorld world("a.example\n");
  world.upstream.Set("a.example", ARES_REC_TYPE_A,
                     {.answers = {{"a.example", ARES_REC_TYPE_A, "192.0.2.7", 0}}});
  for (int id = 1; id <= 10; ++id) world.Send(TestQuery{.name = "a.example", .id = id}.Bytes());
  EXPECT_TRUE(world.loop.RunUntil([&] { return world.replies.size() == 10; }));
  EXPECT_EQ(world.upstream.seen.size(), 1u);
  std::set<int> ids;
  for (const auto& reply : world.replies) ids.insert(ReadMessage(reply).id);
  EXPECT_EQ(ids.size(), 10u);
}

TEST(DnsServer, BoundsQuestionsUnderWayAndQueriesWaiting) {
  std::string lines;
  for (int i = 0; i < 300; ++i) lines += StrCat("n", i, ".example\n");
  DnsWorld world(lines);
  world.upstream.held = true;
  for (int i = 0; i < 300; ++i) world.Send(TestQuery{.name = StrCat("n", i, ".example")}.Bytes());
  EXPECT_EQ(world.replies.size(), 300u - 256u);
  EXPECT_EQ(ReadMessage(world.replies[0]).rcode, ARES_RCODE_SERVFAIL);
  for (int i = 0; i < 2000; ++i) world.Send(TestQuery{.name = "n0.example"}.Bytes());
  EXPECT_EQ(world.replies.size(), 300u + 2000u - 1024u);
  EXPECT_TRUE(world.loop.RunUntil([&] {
    world.upstream.Release();
    return world.replies.size() == 2300u;
  }));
  EXPECT_EQ(ReadMessage(world.replies.back()).rcode, ARES_RCODE_NXDOMAIN);
}

TEST(DnsServer, DestroyingItDropsWhatIsUnderWay) {
  DnsWorld world("a.example\n");
  world.upstream.held = true;
  const size_t watched = world.loop.watched();
  world.Send(TestQuery{.name = "a.example"}.Bytes());
  EXPECT_GT(world.loop.watched(), watched);
  world.server.reset();
  EXPECT_EQ(world.loop.watched(), watched) << "the resolver's sockets are unwatched";
  EXPECT_TRUE(world.replies.empty());
}

TEST(DnsServer, LimitsTheFormOfNamesUnderAWildcard) {
  DnsWorld world("*.example\na.b.c.d.e.f.example\n");
  EXPECT_EQ(world.Ask("a.b.c.d.e.example").rcode, ARES_RCODE_NXDOMAIN) << "five labels pass";
  EXPECT_EQ(world.Dig("x.b.c.d.e.f.example").rcode, ARES_RCODE_REFUSED);
  EXPECT_EQ(world.Ask("a.b.c.d.e.f.example").rcode, ARES_RCODE_NXDOMAIN) << "named exactly";
  const std::string label(60, 'x');
  EXPECT_EQ(world.Ask(StrCat(label, ".example")).rcode, ARES_RCODE_NXDOMAIN);
  EXPECT_EQ(world.Dig(StrCat(label, ".", label, ".example")).rcode, ARES_RCODE_REFUSED);
  ASSERT_EQ(world.refusals.size(), 2u);
  EXPECT_EQ(world.refusals[0].reason, Reason::kWildcardLimit);
  EXPECT_EQ(world.refusals[0].remedy, "x.b.c.d.e.f.example");
}

TEST(DnsServer, LimitsTheRateOfNewNamesUnderAWildcard) {
  DnsWorld world("*.example\nexact.example\n");
  int failed = 0;
  for (int i = 0; i < 250; ++i) {
    failed += world.Ask(StrCat("n", i, ".example")).rcode == ARES_RCODE_SERVFAIL;
  }
  EXPECT_GT(failed, 0);
  EXPECT_LE(world.upstream.seen.size(), 240u);
  EXPECT_EQ(world.Ask("n0.example").rcode, ARES_RCODE_NXDOMAIN) << "the cache is free";
  EXPECT_EQ(world.Ask("exact.example").rcode, ARES_RCODE_NXDOMAIN) << "and so are exact names";
  world.loop.Skip(seconds(10));
  EXPECT_EQ(world.Ask("new.example").rcode, ARES_RCODE_NXDOMAIN) << "the bucket refills";
}

TEST(DnsServer, AnswersLocalhostItself) {
  DnsWorld world("");
  EXPECT_EQ(world.Ask("localhost").answers, Strings{"localhost A 127.0.0.1"});
  EXPECT_EQ(world.Ask("x.LOCALHOST", ARES_REC_TYPE_AAAA).answers, Strings{"x.LOCALHOST AAAA ::1"});
  EXPECT_EQ(world.Ask("localhost", ARES_REC_TYPE_MX).rcode, ARES_RCODE_NOERROR);
  EXPECT_TRUE(world.refusals.empty());
  EXPECT_EQ(world.upstream.seen, Strings{});
}

TEST(DnsServer, HonoursTheHostsFileForAllowedNames) {
  ResolverConfig config;
  config.hosts = ParseHosts("192.0.2.9 a.example alias.example\n2001:db8::9 a.example\n");
  DnsWorld world("a.example\n", config);
  EXPECT_EQ(world.Ask("a.example").answers, Strings{"a.example A 192.0.2.9"});
  EXPECT_EQ(world.Ask("a.example", ARES_REC_TYPE_AAAA).answers,
            Strings{"a.example AAAA 2001:db8::9"});
  EXPECT_EQ(world.Dig("alias.example").rcode, ARES_RCODE_REFUSED);
  EXPECT_EQ(world.upstream.seen, Strings{});
  EXPECT_TRUE(world.TcpOpen("192.0.2.9"));
}

TEST(DnsServer, ReverseLookupsKnowPinsAndLoopbackOnly) {
  DnsWorld world("a.example\n");
  world.upstream.Set("a.example", ARES_REC_TYPE_A,
                     {.answers = {{"a.example", ARES_REC_TYPE_A, "192.0.2.7", 300}}});
  world.upstream.Set("a.example", ARES_REC_TYPE_AAAA,
                     {.answers = {{"a.example", ARES_REC_TYPE_AAAA, "2001:db8::7", 300}}});
  world.Ask("a.example");
  world.Ask("a.example", ARES_REC_TYPE_AAAA);
  EXPECT_EQ(world.Ask("7.2.0.192.in-addr.arpa", ARES_REC_TYPE_PTR).answers,
            Strings{"7.2.0.192.in-addr.arpa PTR a.example"});
  const std::string v6 = "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
  EXPECT_EQ(world.Ask(v6, ARES_REC_TYPE_PTR).answers, Strings{v6 + " PTR a.example"});
  EXPECT_EQ(world.Ask("8.2.0.192.in-addr.arpa", ARES_REC_TYPE_PTR).rcode, ARES_RCODE_NXDOMAIN);
  EXPECT_EQ(world.Ask("1.0.0.127.in-addr.arpa", ARES_REC_TYPE_PTR).answers,
            Strings{"1.0.0.127.in-addr.arpa PTR localhost"});
  EXPECT_EQ(world.upstream.seen.size(), 2u);
}

TEST(DnsServer, OpenModeResolvesAllButLeadsNowherePrivate) {
  DnsWorld world(std::nullopt);
  world.upstream.Set("a.example", ARES_REC_TYPE_A,
                     {.answers = {{"a.example", ARES_REC_TYPE_A, "10.0.0.1", 300},
                                  {"a.example", ARES_REC_TYPE_A, "192.0.2.7", 300}}});
  EXPECT_EQ(world.Ask("a.example").answers, Strings{"a.example A 192.0.2.7"});
}

}  // namespace
}  // namespace mini::netstack
