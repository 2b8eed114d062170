// The host's side of DNS: which resolver is asked, how, how often, and what of it is believed.
#include <gtest/gtest.h>

#include "dns_test_world.h"

namespace mini::netstack {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Strings = std::vector<std::string>;

// Of one address, as most are.
FakeUpstream::Reply Leads(const std::string& name, const std::string& address, unsigned ttl = 300) {
  return {.answers = {{name, ARES_REC_TYPE_A, address, ttl}}};
}

TEST(DnsUpstream, IsServfailWhenTheResolverFails) {
  ResolverConfig config;
  config.timeout = std::chrono::milliseconds(250);
  config.attempts = 1;
  DnsWorld world("*.example\n", config);
  world.upstream.Set("a.example", ARES_REC_TYPE_A, {.rcode = ARES_RCODE_SERVFAIL});
  world.upstream.Set("b.example", ARES_REC_TYPE_A, {.rcode = ARES_RCODE_REFUSED});
  world.upstream.Set("c.example", ARES_REC_TYPE_A, {.silent = true});
  EXPECT_EQ(world.Ask("a.example").rcode, ARES_RCODE_SERVFAIL);
  EXPECT_EQ(world.Ask("b.example").rcode, ARES_RCODE_SERVFAIL);
  EXPECT_EQ(world.Ask("c.example").rcode, ARES_RCODE_SERVFAIL);
}

TEST(DnsUpstream, AsksAgainWhenTheResolverIsSilent) {
  ResolverConfig config;
  config.timeout = std::chrono::milliseconds(250);
  config.attempts = 3;
  DnsWorld world("a.example\n", config);
  world.upstream.Set("a.example", ARES_REC_TYPE_A, {.silent = true});
  EXPECT_EQ(world.Ask("a.example").rcode, ARES_RCODE_SERVFAIL);
  EXPECT_EQ(world.upstream.seen.size(), 3u);
}

TEST(DnsUpstream, TakesResolversOfBothFamilies) {
  TestLoop loop;
  Filter filter({});
  ResolverConfig config;
  config.servers = {{{IpAddress::V4(192, 0, 2, 53), 53}},
                    {{*IpAddress::Parse("2001:db8::53"), 5353}}};
  EXPECT_TRUE(DnsServer::Create(config, &filter, &loop).ok());
  EXPECT_TRUE(DnsServer::Create(ResolverConfig(), &filter, &loop).ok()) << "127.0.0.1 by default";
}

TEST(DnsUpstream, TakesTheNextResolverWhenOneIsGone) {
  TestLoop other_loop;
  std::optional<FakeUpstream> gone(&other_loop);
  const Endpoint dead = gone->endpoint();
  gone.reset();
  DnsWorld probe("a.example\n");
  ResolverConfig config;
  config.timeout = std::chrono::milliseconds(500);
  config.servers = {{dead}, {probe.upstream.endpoint()}};
  auto server = DnsServer::Create(config, &*probe.filter, &probe.loop);
  ASSERT_TRUE(server.ok());
  probe.server = std::move(server).value();
  probe.upstream.Set("a.example", ARES_REC_TYPE_A,
                     {.answers = {{"a.example", ARES_REC_TYPE_A, "192.0.2.7", 300}}});
  EXPECT_EQ(probe.Ask("a.example").answers.size(), 1u);
}

// A world whose host names several resolvers, the first of them being world.upstream.
struct Others {
  explicit Others(DnsWorld& world) : second(&world.loop) {}
  FakeUpstream second;
};

TEST(DnsUpstream, AServerThatIsSilentOrFailsIsFollowedByTheNext) {
  for (const bool silent : {true, false}) {
    DnsWorld world("a.example\nb.example\n");
    Others others(world);
    ResolverConfig config;
    config.timeout = milliseconds(250);
    config.servers = {{world.upstream.endpoint()}, {others.second.endpoint()}};
    world.Serve(config);
    for (const char* name : {"a.example", "b.example"}) {
      world.upstream.Set(name, ARES_REC_TYPE_A, {.rcode = ARES_RCODE_SERVFAIL, .silent = silent});
      others.second.Set(name, ARES_REC_TYPE_A, Leads(name, "192.0.2.7"));
    }
    EXPECT_EQ(world.Ask("a.example").answers, Strings{"a.example A 192.0.2.7"});
    const TimePoint begun = Clock::now();
    EXPECT_EQ(world.Ask("b.example").answers, Strings{"b.example A 192.0.2.7"});
    EXPECT_LT(Clock::now() - begun, milliseconds(200)) << "who failed is no longer asked first";
  }
}

TEST(DnsUpstream, RotateSpreadsTheQuestions) {
  DnsWorld world("*.example\n");
  Others others(world);
  ResolverConfig config;
  config.rotate = true;
  config.servers = {{world.upstream.endpoint()}, {others.second.endpoint()}};
  world.Serve(config);
  for (int i = 0; i < 40; ++i) world.Ask(StrCat("n", i, ".example"));
  EXPECT_GT(world.upstream.seen.size(), 0u);
  EXPECT_GT(others.second.seen.size(), 0u);
}

TEST(DnsUpstream, AsksOverTcpWhereTheHostIsToldTo) {
  ResolverConfig config;
  config.use_tcp = true;
  DnsWorld world("a.example\n", config);
  world.upstream.Set("a.example", ARES_REC_TYPE_A, Leads("a.example", "192.0.2.7"));
  EXPECT_EQ(world.Ask("a.example").answers.size(), 1u);
  EXPECT_EQ(world.upstream.seen, Strings{"a.example A/tcp"});
}

TEST(DnsUpstream, ALinkLocalServerOfAnInterfaceThatIsNotThereIsPassedOver) {
  DnsWorld world("a.example\n");
  world.upstream.Set("a.example", ARES_REC_TYPE_A, Leads("a.example", "192.0.2.7"));
  ResolverConfig config;
  config.servers = {{{*IpAddress::Parse("fe80::1"), 53}, "nowhere0"}, {world.upstream.endpoint()}};
  world.Serve(config);
  EXPECT_EQ(world.Ask("a.example").answers.size(), 1u);
}

TEST(DnsUpstream, GivesUpWhenClientsHaveStoppedWaiting) {
  ResolverConfig config;
  config.timeout = seconds(30);
  config.attempts = 5;
  DnsWorld world("a.example\n", config);
  world.upstream.Set("a.example", ARES_REC_TYPE_A, {.silent = true});
  const size_t before = world.replies.size();
  world.Send(TestQuery{.name = "a.example", .edns_size = 1232}.Bytes());
  world.loop.RunTimersOf(seconds(11));
  ASSERT_TRUE(world.loop.RunUntil([&] { return world.replies.size() > before; }, seconds(2)));
  const TestMessage reply = ReadMessage(world.replies.back());
  EXPECT_EQ(reply.rcode, ARES_RCODE_SERVFAIL);
  EXPECT_EQ(reply.extended_error, "23 the host's resolver failed");
}

TEST(DnsUpstream, EachQuestionHasAPortAndAnIdOfItsOwn) {
  DnsWorld world("*.example\n");
  std::set<int> ids;
  for (int i = 0; i < 50; ++i) world.Ask(StrCat("n", i, ".example"));
  for (const auto& raw : world.upstream.raw) ids.insert(raw[0] << 8 | raw[1]);
  EXPECT_GE(world.upstream.ports.size(), 45u);
  EXPECT_GE(ids.size(), 45u);
}

TEST(DnsUpstream, BelievesNoAnswerWithAnotherIdQuestionOrCookie) {
  DnsWorld world("a.example\n");
  world.upstream.Set("a.example", ARES_REC_TYPE_A, Leads("a.example", "192.0.2.7"));
  world.upstream.Forge([](const std::vector<uint8_t>& answer) {
    auto other_id = answer;
    other_id[1] ^= 1;
    auto other_question = answer;
    other_question[13] = 'b';
    auto other_type = answer;
    other_type[12 + 11 + 1] = ARES_REC_TYPE_AAAA;
    std::vector<std::vector<uint8_t>> forged = {other_id, other_question, other_type, {}};
    for (auto& message : forged) {
      if (message.size() > 4) message[message.size() - 1] = 66;  // 192.0.2.66
    }
    return forged;
  });
  EXPECT_EQ(world.Ask("a.example").answers, Strings{"a.example A 192.0.2.7"});
  EXPECT_FALSE(world.TcpOpen("192.0.2.66"));
}

TEST(DnsUpstream, BelievesOnlyRecordsOfTheAskedNamesChain) {
  DnsWorld world("a.example\nbank.example\n");
  FakeUpstream::Reply reply{.answers = {{"bank.example", ARES_REC_TYPE_A, "192.0.2.66", 300},
                                        {"a.example", ARES_REC_TYPE_CNAME, "b.test", 300},
                                        {"b.test", ARES_REC_TYPE_A, "192.0.2.7", 300},
                                        {"b.test", ARES_REC_TYPE_AAAA, "2001:db8::66", 300}},
                            .authority = {{"bank.example", ARES_REC_TYPE_A, "192.0.2.67", 300}}};
  world.upstream.Set("a.example", ARES_REC_TYPE_A, reply);
  world.upstream.Set("bank.example", ARES_REC_TYPE_A, Leads("bank.example", "192.0.2.9"));
  EXPECT_EQ(world.Ask("a.example").answers, Strings{"a.example A 192.0.2.7"});
  EXPECT_EQ(world.Ask("bank.example").answers, Strings{"bank.example A 192.0.2.9"});
  for (const char* address : {"192.0.2.66", "192.0.2.67", "2001:db8::66"}) {
    EXPECT_FALSE(world.TcpOpen(address)) << address;
  }
}

TEST(DnsUpstream, HostileNamesInAnswersReachNoTerminal) {
  DnsWorld world("a.example\n!secret.example\n");
  const std::string hostile = "\\027[31mred.secret.example";
  world.upstream.Set("a.example", ARES_REC_TYPE_A,
                     {.answers = {{"a.example", ARES_REC_TYPE_CNAME, hostile, 300},
                                  {hostile, ARES_REC_TYPE_CNAME, "secret.example", 300},
                                  {"secret.example", ARES_REC_TYPE_A, "192.0.2.7", 300}}});
  EXPECT_EQ(world.Dig("a.example").rcode, ARES_RCODE_REFUSED);
  ASSERT_EQ(world.refusals.size(), 1u);
  for (const char c : world.refusals[0].ToString()) EXPECT_TRUE(c >= 0x20 && c < 0x7f);
}

TEST(DnsUpstream, KeepsNoMoreAddressesThanANameMayHave) {
  DnsWorld world("a.example\n");
  FakeUpstream::Reply reply;
  reply.truncate_udp = true;
  for (int i = 0; i < 300; ++i) {
    const std::string address = StrCat(i < 200 ? "198.51.100." : "203.0.113.", i % 200 + 1);
    reply.answers.push_back({"a.example", ARES_REC_TYPE_A, address, 300});
  }
  world.upstream.Set("a.example", ARES_REC_TYPE_A, reply);
  const TestMessage answer = world.Ask("a.example");
  EXPECT_LE(answer.size, 512u);
  const TestMessage whole = world.AskQuery({.name = "a.example"}, DnsTransport::kTcp);
  EXPECT_EQ(whole.answers.size(), 32u);
  EXPECT_TRUE(world.TcpOpen("198.51.100.1"));
  EXPECT_FALSE(world.TcpOpen("203.0.113.1"));
}

TEST(DnsUpstream, AnAnswerTooLargeForAnyClientIsAFailure) {
  DnsWorld world("a.example\n");
  FakeUpstream::Reply reply;
  reply.truncate_udp = true;
  for (int i = 0; i < 100; ++i) {
    reply.answers.push_back({"a.example", ARES_REC_TYPE_TXT, std::string(250, 'x'), 300});
  }
  world.upstream.Set("a.example", ARES_REC_TYPE_TXT, reply);
  EXPECT_EQ(
      world.AskQuery({.name = "a.example", .type = ARES_REC_TYPE_TXT}, DnsTransport::kTcp).rcode,
      ARES_RCODE_SERVFAIL);
}

TEST(DnsUpstream, AFloodOfQuestionsWaitsItsTurn) {
  std::string lines;
  for (int i = 0; i < 1200; ++i) lines += StrCat("n", i, ".example\n");
  DnsWorld world(lines);
  const TimePoint begun = Clock::now();
  for (int i = 0; i < 1200; ++i) {
    world.Send(TestQuery{.name = StrCat("n", i, ".example")}.Bytes());
    // As they are answered, so that it is the rate that bounds them and not their number.
    if (i % 100 == 99) {
      ASSERT_TRUE(world.loop.RunUntil([&] { return world.replies.size() + 60 >= size_t(i); }));
    }
  }
  ASSERT_TRUE(world.loop.RunUntil([&] { return world.replies.size() == 1200u; }));
  EXPECT_GT(Clock::now() - begun, milliseconds(700)) << "200 beyond the burst, 200 a second";
  EXPECT_EQ(world.upstream.seen.size(), 1200u) << "none was lost";
}

TEST(DnsUpstream, TakesOverWhatTheHostsFilesSayLater) {
  DnsWorld world("a.example\nb.example\n");
  Others others(world);
  std::optional<ResolverConfig> next;
  int looks = 0;
  ResolverConfig config;
  config.timeout = milliseconds(300);
  config.servers = {{world.upstream.endpoint()}};
  config.reread = [&] {
    ++looks;
    return std::exchange(next, std::nullopt);
  };
  world.Serve(config);
  world.upstream.Set("a.example", ARES_REC_TYPE_A, Leads("a.example", "192.0.2.1"));
  others.second.Set("a.example", ARES_REC_TYPE_A, Leads("a.example", "192.0.2.2"));
  EXPECT_EQ(world.Ask("a.example").answers, Strings{"a.example A 192.0.2.1"});
  for (int i = 0; i < 10; ++i) world.Ask("a.example");
  EXPECT_EQ(looks, 1) << "not more than every two seconds";

  next.emplace();
  next->servers = {{others.second.endpoint()}};
  next->hosts = ParseHosts("192.0.2.9 b.example\n");
  next->search = {"lab.example"};
  world.loop.Skip(seconds(3));
  EXPECT_EQ(world.Ask("a.example").answers, Strings{"a.example A 192.0.2.2"}) << "nor by the cache";
  EXPECT_EQ(world.Ask("b.example").answers, Strings{"b.example A 192.0.2.9"});
  EXPECT_EQ(world.Dig("x.lab.example").rcode, ARES_RCODE_NXDOMAIN);
  EXPECT_EQ(world.upstream.seen.size(), 1u);
  EXPECT_EQ(looks, 2);
}

TEST(DnsUpstream, AsksTheSuccessorOfAServerThatIsGone) {
  DnsWorld world("a.example\nb.example\n");
  Others others(world);
  std::optional<ResolverConfig> next;
  ResolverConfig config;
  config.timeout = seconds(30);
  config.servers = {{world.upstream.endpoint()}};
  config.reread = [&] { return std::exchange(next, std::nullopt); };
  world.Serve(config);
  world.upstream.Set("a.example", ARES_REC_TYPE_A, {.silent = true});
  for (FakeUpstream* upstream : {&world.upstream, &others.second}) {
    upstream->Set("b.example", ARES_REC_TYPE_A, Leads("b.example", "192.0.2.2"));
  }
  others.second.Set("a.example", ARES_REC_TYPE_A, Leads("a.example", "192.0.2.2"));
  world.Send(TestQuery{.name = "a.example"}.Bytes());
  next.emplace();
  next->servers = {{others.second.endpoint()}};
  world.loop.Skip(seconds(3));
  world.Send(TestQuery{.name = "b.example"}.Bytes());
  EXPECT_TRUE(world.loop.RunUntil([&] { return world.replies.size() == 2; }, seconds(2)));
  for (const auto& reply : world.replies) EXPECT_EQ(ReadMessage(reply).answers.size(), 1u);
}

}  // namespace
}  // namespace mini::netstack
