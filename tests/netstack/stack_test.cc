// UDP, ICMP, ARP, DNS, malformed frames and the life of a Stack.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <random>

#include "fake_sandbox.h"
#include "fake_tcp_client.h"
#include "host_server.h"

namespace mini::netstack {
namespace {

const Endpoint kSandboxV4{*IpAddress::Parse("198.18.0.1"), 40000};
const Endpoint kSandboxV6{*IpAddress::Parse("fd6d:696e:6900::1"), 40000};
const Endpoint kElsewhereV4{*IpAddress::Parse("203.0.113.1"), 4242};
const Endpoint kElsewhereV6{*IpAddress::Parse("2001:db8::1"), 4242};

// A query for `name` (A), as a client sends it.
Bytes DnsQuery(std::string_view name, uint16_t id) {
  Bytes query = {
      static_cast<uint8_t>(id >> 8), static_cast<uint8_t>(id), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  while (!name.empty()) {
    const size_t dot = std::min(name.find('.'), name.size());
    query.push_back(static_cast<uint8_t>(dot));
    query.insert(query.end(), name.begin(), name.begin() + static_cast<ptrdiff_t>(dot));
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  query.insert(query.end(), {0, 0, 1, 0, 1});
  return query;
}

FakeSandboxOptions WithHosts() {
  FakeSandboxOptions options;
  options.rules = {"allowed.example"};
  options.resolver.hosts.emplace_back("allowed.example", *IpAddress::Parse("192.0.2.10"));
  return options;
}

TEST(Stack, ASecondOneIsUnsupported) {
  FakeSandbox sandbox({});
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
  const UniqueFd other(pair[0]);
  StackOptions options;
  options.link.fd = UniqueFd(pair[1]);
  const auto second = Stack::Create(std::move(options));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), StatusCode::kUnsupported);
}

TEST(Stack, RefusesAnMtuThatIpv6CannotUse) {
  StackOptions options;
  options.link.mtu = 1279;
  const auto stack = Stack::Create(std::move(options));
  ASSERT_FALSE(stack.ok());
  EXPECT_EQ(stack.status().code(), StatusCode::kInvalidArgument);
}

TEST(Stack, AnotherOneMayFollow) {
  for (int round = 0; round < 3; ++round) {
    FakeSandbox sandbox({});
    EXPECT_TRUE(sandbox.Drain().empty());
  }
}

TEST(Stack, StopsFromAnotherThread) {
  FakeSandbox sandbox({});
  sandbox.Stop();
  EXPECT_TRUE(sandbox.RunStatus().ok());
}

TEST(Stack, EndsWithAnErrorWhenTheLinkIsGone) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
  StackOptions options;
  options.link.fd = UniqueFd(pair[1]);
  auto stack = Stack::Create(std::move(options));
  ASSERT_TRUE(stack.ok());
  close(pair[0]);
  EXPECT_FALSE((*stack)->Run().ok());
}

TEST(Stack, ServesALinkThatCameAfterItWasMade) {
  FakeSandboxOptions options;
  options.make_stack = [](LinkOptions link) {
    auto stack = Stack::Create({});
    EXPECT_TRUE(stack.ok() && (*stack)->Attach(std::move(link)).ok());
    return std::move(stack).value();
  };
  FakeSandbox sandbox(std::move(options));
  sandbox.Send(MakeIcmpEcho(kSandboxV4.address, IpAddress::V4(127, 0, 0, 1), Pattern(10)));
  const auto answer = sandbox.Receive();
  ASSERT_TRUE(answer && answer->sound);
  EXPECT_EQ(answer->source, IpAddress::V4(127, 0, 0, 1));
  EXPECT_EQ(answer->icmp_type, 3) << "destination unreachable";
}

// More than are read before other descriptors have their turn.
TEST(Stack, ReadsAllThatTheSandboxHasSentWhenItEnds) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd sandbox(ends[0]);
  StackOptions options;
  options.link.fd = UniqueFd(ends[1]);
  options.filter.rules.emplace();
  options.filter.counts_refusals = true;
  int stop[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, stop), 0);
  const UniqueFd supervisor(stop[0]);
  const UniqueFd stop_descriptor(stop[1]);
  options.stop_descriptor = stop_descriptor.get();
  const auto stack = Stack::Create(std::move(options));
  ASSERT_TRUE(stack.ok()) << stack.status().ToString();
  const int most = 1 << 20;  // net.core.wmem_max is what it becomes
  ASSERT_EQ(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &most, sizeof most), 0);
  const Bytes refused = MakeUdp(kSandboxV4, kElsewhereV4, Pattern(1));
  uint64_t sent = 0;
  while (send(ends[0], refused.data(), refused.size(), 0) >= 0) ++sent;
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_GT(sent, 100u);
  ASSERT_EQ(shutdown(stop[0], SHUT_WR), 0);
  EXPECT_TRUE((*stack)->Run().ok());
  const RefusalSummary refusals = (*stack)->refusals();
  ASSERT_EQ(refusals.entries.size(), 1u);
  EXPECT_EQ(refusals.entries[0].times, sent);
}

TEST(Stack, RefusesALinkWithAnMtuThatIpv6CannotUse) {
  const auto stack = Stack::Create({});
  ASSERT_TRUE(stack.ok()) << stack.status().ToString();
  LinkOptions link;
  link.mtu = 1279;
  EXPECT_EQ((*stack)->Attach(std::move(link)).code(), StatusCode::kInvalidArgument);
}

TEST(Stack, CarriesDatagramsBothWays) {
  for (const Endpoint& from : {kSandboxV4, kSandboxV6}) {
    HostServer server(from.address.family(), SOCK_DGRAM);
    FakeSandbox sandbox({.rules = {"udp/" + server.rule()}});
    sandbox.Send(MakeUdp(from, server.endpoint(), Pattern(700)));
    Bytes got(2000);
    sockaddr_storage peer;
    socklen_t length = sizeof peer;
    const ssize_t size = recvfrom(server.fd(), got.data(), got.size(), 0,
                                  reinterpret_cast<sockaddr*>(&peer), &length);
    ASSERT_EQ(size, 700);
    got.resize(700);
    EXPECT_EQ(got, Pattern(700));
    const Bytes answer = Pattern(1200, 2);
    sendto(server.fd(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&peer),
           length);
    const auto frame = sandbox.ReceiveFor(from.port);
    ASSERT_TRUE(frame);
    EXPECT_TRUE(frame->sound);
    EXPECT_EQ(frame->protocol, 17);
    EXPECT_EQ(frame->source, server.endpoint().address);
    EXPECT_EQ(frame->source_port, server.endpoint().port);
    EXPECT_EQ(frame->payload, answer);
  }
}

TEST(Stack, CutsARowOfDatagrams) {
  HostServer server(IpFamily::kV4, SOCK_DGRAM);
  FakeSandbox sandbox({.rules = {"udp/" + server.rule()}});
  const Bytes row = Pattern(2500);
  Bytes frame = MakeUdp(kSandboxV4, server.endpoint(), row);
  SetVnet(frame, {.flags = 1,
                  .gso_type = 5,
                  .header_length = 42,
                  .gso_size = 1000,
                  .checksum_start = 34,
                  .checksum_offset = 6});
  sandbox.Send(frame);
  Bytes got;
  for (const size_t expected : {1000, 1000, 500}) {
    Bytes datagram(4000);
    ASSERT_EQ(recv(server.fd(), datagram.data(), datagram.size(), 0),
              static_cast<ssize_t>(expected));
    got.insert(got.end(), datagram.begin(), datagram.begin() + static_cast<ptrdiff_t>(expected));
  }
  EXPECT_EQ(got, row);
}

TEST(Stack, RefusesDeniedDatagramsAsProhibited) {
  FakeSandbox sandbox({});
  const Bytes v4 = MakeUdp(kSandboxV4, kElsewhereV4, Pattern(20));
  sandbox.Send(v4);
  auto answer = sandbox.Receive();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->sound);
  EXPECT_EQ(answer->protocol, 1);
  EXPECT_EQ(answer->icmp_type, 3);
  EXPECT_EQ(answer->icmp_code, 13);
  EXPECT_EQ(answer->source, kElsewhereV4.address);
  EXPECT_TRUE(std::equal(answer->payload.begin(), answer->payload.end(), v4.begin() + 24));
  EXPECT_EQ(answer->payload.size(), 48u);
  sandbox.Send(MakeUdp(kSandboxV6, kElsewhereV6, Pattern(20)));
  answer = sandbox.Receive();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->sound);
  EXPECT_EQ(answer->protocol, 58);
  EXPECT_EQ(answer->icmp_type, 1);
  EXPECT_EQ(answer->icmp_code, 1);
}

TEST(Stack, LimitsHowOftenItSaysProhibited) {
  FakeSandbox sandbox({});
  for (int i = 0; i < 3000; ++i) {
    sandbox.Send(MakeUdp({kSandboxV4.address, static_cast<uint16_t>(1000 + i)}, kElsewhereV4, {}));
    if (i % 50 == 0) sandbox.Receive(std::chrono::milliseconds(0));
  }
  EXPECT_LT(sandbox.Drain().size(), 2900u);
}

TEST(Stack, RefusesUdpFlowsAboveTheCap) {
  HostServer server(IpFamily::kV4, SOCK_DGRAM);
  StackLimits limits;
  limits.max_flows = 16;  // a quarter of them for UDP
  std::vector<std::string> notices;
  FakeSandbox sandbox({.rules = {"udp/" + server.rule()},
                       .limits = limits,
                       .on_notice = [&](std::string_view text) { notices.emplace_back(text); }});
  for (uint16_t i = 0; i < 10; ++i) {
    sandbox.Send(MakeUdp({kSandboxV4.address, static_cast<uint16_t>(7000 + i)}, server.endpoint(),
                         Pattern(3)));
  }
  EXPECT_EQ(sandbox.Drain().size(), 6u);
  sandbox.Stop();
  EXPECT_EQ(notices, std::vector<std::string>{
                         "too many udp flows at once, and none of them idle: further ones are "
                         "refused meanwhile; to allow more: --max-connections 32"});
  EXPECT_EQ(sandbox.Summary(),
            std::vector{StrCat("refused 6 udp flows, the first to ", server.endpoint().ToString(),
                               ": too many connections at once; to allow more: "
                               "--max-connections 32")});
}

TEST(Stack, AnswersArpAndNeighbourSolicitations) {
  FakeSandbox sandbox({});
  Bytes solicitation = MakeIcmpEcho(kSandboxV6.address, kElsewhereV6.address, Bytes(16, 0));
  solicitation[31] = 255;  // hop limit
  solicitation[64] = 135;
  std::fill(solicitation.begin() + 68, solicitation.begin() + 72, uint8_t{0});
  std::copy(kElsewhereV6.address.bytes().begin(), kElsewhereV6.address.bytes().end(),
            solicitation.begin() + 72);
  FixChecksums(solicitation);
  sandbox.Send(solicitation);
  const auto answer = sandbox.Receive();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->sound);
  EXPECT_EQ(answer->icmp_type, 136);
  EXPECT_EQ(answer->source, kElsewhereV6.address);
  EXPECT_TRUE(sandbox.Drain().empty());  // itself an ARP request, answered
}

TEST(Stack, TellsAClosedUdpPortOfTheHost) {
  for (const Endpoint& from : {kSandboxV4, kSandboxV6}) {
    HostServer server(from.address.family(), SOCK_DGRAM);
    const Endpoint endpoint = server.endpoint();
    server.Close();
    FakeSandbox sandbox({.rules = {"udp/" + endpoint.ToString()}});
    sandbox.Send(MakeUdp(from, endpoint, Pattern(5)));
    const auto answer = sandbox.Receive();
    ASSERT_TRUE(answer);
    EXPECT_TRUE(answer->sound);
    EXPECT_EQ(answer->icmp_type, from.address.is_v4() ? 3 : 1);
    EXPECT_EQ(answer->icmp_code, from.address.is_v4() ? 3 : 4);
  }
}

TEST(Stack, AnswersDnsOverUdpFromTheAddressAsked) {
  FakeSandbox sandbox(WithHosts());
  const Endpoint anywhere{*IpAddress::Parse("203.0.113.53"), 53};
  sandbox.Send(MakeUdp(kSandboxV4, anywhere, DnsQuery("allowed.example", 0x1234)));
  auto reply = sandbox.ReceiveFor(kSandboxV4.port);
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->sound);
  EXPECT_EQ(reply->source, anywhere.address);
  EXPECT_EQ(reply->source_port, 53);
  ASSERT_GE(reply->payload.size(), 16u);
  EXPECT_EQ(reply->payload[0] << 8 | reply->payload[1], 0x1234);
  EXPECT_EQ(reply->payload[3] & 0x0f, 0);
  const Bytes address = {192, 0, 2, 10};
  EXPECT_EQ(Bytes(reply->payload.end() - 4, reply->payload.end()), address);
  sandbox.Send(MakeUdp(kSandboxV4, anywhere, DnsQuery("refused.example", 0x1235)));
  reply = sandbox.ReceiveFor(kSandboxV4.port);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->payload[3] & 0x0f, 3);  // a client without EDNS is told NXDOMAIN (dns_server.cc)
}

TEST(Stack, AnswersSeveralDnsQueriesOnOneTcpConnection) {
  FakeSandbox sandbox(WithHosts());
  FakeTcpClient client(sandbox, kSandboxV4, {*IpAddress::Parse("203.0.113.53"), 53});
  client.Connect();
  ASSERT_TRUE(client.connected());
  Bytes queries;
  for (uint16_t id = 1; id <= 3; ++id) {
    const Bytes query = DnsQuery("allowed.example", id);
    queries.insert(queries.end(), {0, static_cast<uint8_t>(query.size())});
    queries.insert(queries.end(), query.begin(), query.end());
  }
  // Cut anywhere, as TCP may.
  client.Write(Bytes(queries.begin(), queries.begin() + 37));
  client.Write(Bytes(queries.begin() + 37, queries.end()));
  for (uint16_t id = 1; id <= 3; ++id) {
    const Bytes prefix = client.ReadExactly(2);
    ASSERT_EQ(prefix.size(), 2u);
    const Bytes message = client.ReadExactly(size_t{prefix[0]} << 8 | prefix[1]);
    ASSERT_GE(message.size(), 16u);
    EXPECT_EQ(message[0] << 8 | message[1], id);
    EXPECT_EQ(Bytes(message.end() - 4, message.end()), (Bytes{192, 0, 2, 10}));
  }
  client.Finish();
  EXPECT_TRUE(client.AwaitFlag(0x01));
}

TEST(Stack, SaysThatADeniedPingIsProhibited) {
  FakeSandbox sandbox({});
  sandbox.Send(MakeIcmpEcho(kSandboxV4.address, kElsewhereV4.address, Pattern(56)));
  auto answer = sandbox.Receive();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->sound);
  EXPECT_EQ(answer->icmp_type, 3);
  EXPECT_EQ(answer->icmp_code, 13);
  sandbox.Send(MakeIcmpEcho(kSandboxV6.address, kElsewhereV6.address, Pattern(56)));
  answer = sandbox.Receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->icmp_type, 1);
  EXPECT_EQ(answer->icmp_code, 1);
}

TEST(Stack, IgnoresMalformedFramesOfEveryLength) {
  HostServer server;
  FakeSandbox sandbox({.rules = {server.rule()}});
  const Bytes whole = MakeTcp({.from = kSandboxV4,
                               .to = server.endpoint(),
                               .flags = 0x02,
                               .options = {2, 4, 5, 0xb4},
                               .payload = {}});
  for (size_t length = 1; length < whole.size(); ++length) {
    sandbox.Send(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length)));
  }
  EXPECT_TRUE(sandbox.Drain().empty());
}

// Random damage to sound frames, with and without the checksums made good again: the stack must
// neither fall nor stop answering. The sanitizers watch.
TEST(Stack, SurvivesDamagedFrames) {
  HostServer server;
  HostServer datagrams(IpFamily::kV4, SOCK_DGRAM);
  FakeSandbox sandbox({.rules = {server.rule(), "udp/" + datagrams.rule()}});
  FakeTcpClient client(sandbox, kSandboxV4, server.endpoint());
  client.Connect();
  const UniqueFd host = server.Accept();
  std::mt19937 random(4711);
  std::vector<Bytes> seeds = {
      MakeTcp({.from = kSandboxV4,
               .to = server.endpoint(),
               .sequence = client.next_sequence(),
               .flags = 0x18,
               .options = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8},
               .payload = Pattern(100)}),
      MakeTcp({.from = {kSandboxV4.address, 41000},
               .to = server.endpoint(),
               .flags = 0x02,
               .options = {2, 4, 5, 0xb4, 1, 3, 3, 7},
               .payload = {}}),
      MakeTcp({.from = kSandboxV6, .to = kElsewhereV6, .flags = 0x02, .payload = {}}),
      MakeUdp(kSandboxV4, datagrams.endpoint(), Pattern(64)),
      MakeUdp(kSandboxV6, {kElsewhereV6.address, 53}, DnsQuery("allowed.example", 1)),
      MakeIcmpEcho(kSandboxV6.address, kElsewhereV6.address, Pattern(32)),
  };
  for (int round = 0; round < 6000; ++round) {
    Bytes frame = seeds[random() % seeds.size()];
    const int damages = 1 + static_cast<int>(random() % 4);
    for (int i = 0; i < damages; ++i) {
      frame[random() % frame.size()] = static_cast<uint8_t>(random());
    }
    if (random() % 8 == 0) frame.resize(1 + random() % frame.size());
    if (random() % 2 == 0 && frame.size() >= 64) FixChecksums(frame);
    sandbox.Send(frame);
    if (round % 32 == 31) sandbox.Drain();
  }
  sandbox.Drain();
  FakeTcpClient again(sandbox, {kSandboxV4.address, 49999}, server.endpoint());
  again.Connect();
  EXPECT_TRUE(again.connected());
}

TEST(Stack, SurvivesRandomBytes) {
  FakeSandbox sandbox({});
  std::mt19937 random(815);
  for (int round = 0; round < 3000; ++round) {
    Bytes frame(1 + random() % 200);
    for (uint8_t& b : frame) b = static_cast<uint8_t>(random());
    if (frame.size() > 30) {
      frame[22] = random() % 2 == 0 ? 0x08 : 0x86;
      frame[23] = frame[22] == 0x08 ? 0x00 : 0xdd;
      frame[24] = frame[22] == 0x08 ? 0x45 : 0x60;
    }
    sandbox.Send(frame);
    if (round % 32 == 31) sandbox.Drain();
  }
  sandbox.Drain();
}

}  // namespace
}  // namespace mini::netstack
