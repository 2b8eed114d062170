// What the TCP flows of a sandbox are bounded by: how many, for how long, and who has to go.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "fake_sandbox.h"
#include "fake_tcp_client.h"
#include "host_server.h"
#include "log_file.h"
#include "notices.h"

namespace mini::netstack {
namespace {

constexpr uint8_t kSyn = 0x02, kRst = 0x04, kAck = 0x10;

Endpoint Local(uint16_t port) { return {*IpAddress::Parse("198.18.0.1"), port}; }

// A listening socket on another address of loopback.
class ServerAt {
 public:
  explicit ServerAt(const IpAddress& address)
      : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage bound;
    socklen_t length = ToSockaddr({address, 0}, bound);
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&bound), length), 0);
    EXPECT_EQ(listen(fd_.get(), 8), 0);
    EXPECT_EQ(getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&bound), &length), 0);
    endpoint_ = *FromSockaddr(bound);
  }
  Endpoint endpoint() const { return endpoint_; }
  std::string rule() const { return endpoint_.ToString(); }

 private:
  UniqueFd fd_;
  Endpoint endpoint_;
};

// A server whose queue of connections is full: the kernel leaves further SYNs unanswered.
class DeafServer {
 public:
  DeafServer() : server_(IpFamily::kV4) {
    EXPECT_EQ(listen(server_.fd(), 0), 0);  // again, with a shorter queue
    sockaddr_storage address;
    const socklen_t length = ToSockaddr(server_.endpoint(), address);
    for (UniqueFd& client : clients_) {
      client = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      connect(client.get(), reinterpret_cast<sockaddr*>(&address), length);
    }
  }
  Endpoint endpoint() const { return server_.endpoint(); }
  std::string rule() const { return server_.rule(); }

 private:
  HostServer server_;
  std::array<UniqueFd, 4> clients_;
};

// A client and the connection that the server has accepted from it.
struct Connection {
  Connection(FakeSandbox& sandbox, uint16_t port, HostServer& server)
      : client(sandbox, Local(port), server.endpoint()) {
    const auto answer = client.Connect();
    EXPECT_TRUE(answer && answer->Is(kSyn | kAck));
    host = server.Accept();
  }

  FakeTcpClient client;
  UniqueFd host;
};

TEST(TcpLimitsOfStack, RefusesFlowsAboveTheCap) {
  HostServer server;
  StackLimits limits;
  limits.max_flows = 4;
  FakeSandbox sandbox({.rules = {server.rule()}, .limits = limits});
  for (uint16_t i = 0; i < 6; ++i) {
    FakeTcpClient client(sandbox, Local(static_cast<uint16_t>(5000 + i)), server.endpoint());
    const auto answer = client.Connect();
    ASSERT_TRUE(answer);
    EXPECT_TRUE(answer->Is(i < 4 ? kSyn | kAck : kRst | kAck)) << i;
  }
}

TEST(TcpLimitsOfStack, AFloodOfSynsStaysWithinTheCaps) {
  HostServer server;
  StackLimits limits;
  limits.max_flows = 32;
  limits.max_pending_connects = 33;
  FakeSandbox sandbox({.rules = {server.rule()}, .limits = limits});
  size_t accepted = 0, refused = 0;
  for (int i = 0; i < 2000; ++i) {
    FakeTcpClient client(sandbox, Local(static_cast<uint16_t>(10000 + i)), server.endpoint());
    client.SendSyn();
    if (i % 16 != 15) continue;
    for (const SeenFrame& frame : sandbox.Drain()) {
      if (frame.Is(kSyn | kAck)) ++accepted;
      if (frame.Is(kRst | kAck)) ++refused;
    }
  }
  EXPECT_LE(accepted, 32u);
  EXPECT_GE(refused, 1900u);
}

TEST(TcpLimitsOfStack, SaysOnceThatConnectionsAreRefused) {
  HostServer server;
  StackLimits limits;
  limits.max_flows = 1;
  Notices notices;
  FakeSandbox sandbox({.rules = {server.rule()}, .limits = limits, .on_notice = notices.Taker()});
  for (uint16_t i = 0; i < 4; ++i) {
    FakeTcpClient client(sandbox, Local(static_cast<uint16_t>(5000 + i)), server.endpoint());
    ASSERT_TRUE(client.Connect());
  }
  ASSERT_EQ(notices.sentences().size(), 1u);
  EXPECT_EQ(notices.sentences()[0],
            "too many TCP connections at once (1), and none of them "
            "idle: further ones are refused meanwhile; to allow more: --max-connections 2");
}

// Invariant 11: every verdict can be seen.
TEST(TcpLimitsOfStack, RefusalsForWantOfRoomAreLoggedAndSummedUp) {
  HostServer server;
  StackLimits limits;
  limits.max_flows = 1;
  LogFile log;
  FakeSandbox sandbox({.rules = {server.rule()}, .limits = limits, .verdict_log = log.Writer()});
  for (uint16_t i = 0; i < 3; ++i) {
    FakeTcpClient client(sandbox, Local(static_cast<uint16_t>(5000 + i)), server.endpoint());
    ASSERT_TRUE(client.Connect());
  }
  FakeTcpClient forbidden(sandbox, Local(5009), {*IpAddress::Parse("203.0.113.9"), 80});
  ASSERT_TRUE(forbidden.Connect()->Is(kRst | kAck));
  sandbox.Stop();
  EXPECT_EQ(sandbox.Summary(),
            (std::vector{StrCat("refused 2 tcp flows, the first to ", server.endpoint().ToString(),
                                ": too many connections at once; to allow more: "
                                "--max-connections 2"),
                         std::string("refused tcp 203.0.113.9:80: no rule names it; to allow it: "
                                     "--allow 203.0.113.9:80")}));
  std::vector<std::string> seen;
  for (const auto& verdict : log.Events("verdict")) {
    seen.push_back(StrCat(verdict["verdict"].get<std::string>(), " ",
                          verdict["reason"].get<std::string>(), " ", verdict.value("repeated", 1),
                          " ", verdict.value("option", "none")));
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, (std::vector<std::string>{
                      "allowed a rule decides 1 none", "refused no rule names it 1 none",
                      "refused too many connections at once 1 --max-connections 2",
                      "refused too many connections at once 1 --max-connections 2"}));
  EXPECT_EQ(log.Events("close").size(), 1u) << "what is refused for want of room never began";
}

TEST(TcpLimitsOfStack, SynsThatAreHeldBackAreNoVerdict) {
  HostServer closed;
  const Endpoint nobody = closed.endpoint();
  closed.Close();
  StackLimits limits;
  limits.failed_connects_per_second = 1e-9;
  limits.failed_connects_burst = 1;
  LogFile log;
  FakeSandbox sandbox(
      {.rules = {nobody.ToString()}, .limits = limits, .verdict_log = log.Writer()});
  // One of all, one of its address.
  FakeTcpClient first(sandbox, Local(5000), nobody), second(sandbox, Local(5001), nobody),
      third(sandbox, Local(5002), nobody);
  ASSERT_TRUE(first.Connect()->Is(kRst | kAck));
  ASSERT_TRUE(second.Connect()->Is(kRst | kAck));
  third.SendSyn();
  EXPECT_TRUE(sandbox.Drain().empty());
  sandbox.Stop();
  EXPECT_EQ(log.Events("verdict").size(), 2u);
  EXPECT_EQ(log.Events("close").size(), 2u);
  EXPECT_TRUE(sandbox.Summary().empty());
}

TEST(TcpLimitsOfStack, ANewcomerTakesThePlaceOfTheFlowThatIsIdleForLongest) {
  HostServer server;
  StackLimits limits;
  limits.max_flows = 2;
  limits.min_idle = std::chrono::milliseconds(0);
  Notices notices;
  FakeSandbox sandbox({.rules = {server.rule()}, .limits = limits, .on_notice = notices.Taker()});
  Connection first(sandbox, 5000, server);
  Connection second(sandbox, 5001, server);
  // The older one is used again, so the younger one is idle for longer.
  ASSERT_TRUE(WriteTo(first.host.get(), Pattern(10)));
  EXPECT_EQ(first.client.ReadExactly(10), Pattern(10));

  FakeTcpClient third(sandbox, Local(5002), server.endpoint());
  third.SendSyn();
  EXPECT_TRUE(second.client.AwaitFlag(kRst));
  EXPECT_EQ(ReadEnd(second.host.get()), -ECONNRESET);
  EXPECT_TRUE(server.Accept());
  first.client.Write(Pattern(20));
  EXPECT_EQ(ReadFrom(first.host.get(), 20), Pattern(20));
  ASSERT_EQ(notices.sentences().size(), 1u);
  EXPECT_NE(notices.sentences()[0].find("idle for longest are reset"), std::string::npos);
}

TEST(TcpLimitsOfStack, AThousandNewcomersPassThroughAFullTable) {
  HostServer server;
  StackLimits limits;
  limits.max_flows = 16;
  limits.min_idle = std::chrono::milliseconds(0);
  Notices notices;
  FakeSandbox sandbox({.rules = {server.rule()}, .limits = limits, .on_notice = notices.Taker()});
  for (uint16_t i = 0; i < 1000; ++i) {
    FakeTcpClient client(sandbox, Local(static_cast<uint16_t>(5000 + i)), server.endpoint());
    const auto answer = client.Connect();
    ASSERT_TRUE(answer);
    ASSERT_TRUE(answer->Is(kSyn | kAck)) << i;
    ASSERT_TRUE(server.Accept());
  }
  EXPECT_EQ(notices.sentences().size(), 1u);
}

TEST(TcpLimitsOfStack, AConnectThatNobodyAnswersGivesWay) {
  DeafServer deaf;
  HostServer server;
  StackLimits limits;
  limits.max_pending_connects = 1;
  limits.min_idle = std::chrono::milliseconds(0);
  FakeSandbox sandbox({.rules = {deaf.rule(), server.rule()}, .limits = limits});
  FakeTcpClient waiting(sandbox, Local(5000), deaf.endpoint());
  waiting.SendSyn();
  EXPECT_TRUE(sandbox.Drain().empty());
  FakeTcpClient other(sandbox, Local(5001), server.endpoint());
  other.SendSyn();
  const auto first = sandbox.Receive();
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->Is(kRst | kAck));
  EXPECT_EQ(first->destination_port, 5000);
  const auto second = sandbox.Receive();
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->Is(kSyn | kAck));
  EXPECT_EQ(second->destination_port, 5001);
}

TEST(TcpLimitsOfStack, ConnectsThatOneDestinationDoesNotAnswerShutNoOtherOut) {
  DeafServer deaf;
  // Which shares they have is chance; that three of them have the deaf one's is none.
  const std::array servers = {
      ServerAt(IpAddress::V4(127, 0, 0, 2)), ServerAt(IpAddress::V4(127, 0, 0, 3)),
      ServerAt(IpAddress::V4(127, 0, 0, 4)), ServerAt(IpAddress::V4(127, 0, 0, 5))};
  StackLimits limits;
  limits.max_pending_connects = 8;
  std::vector<std::string> rules = {deaf.rule()};
  for (const ServerAt& server : servers) rules.push_back(server.rule());
  FakeSandbox sandbox({.rules = rules, .limits = limits});
  for (uint16_t i = 0; i < 100; ++i) {
    FakeTcpClient(sandbox, Local(static_cast<uint16_t>(5000 + i)), deaf.endpoint()).SendSyn();
  }
  // Those beyond its share are not answered either: the kernel sends them again.
  EXPECT_TRUE(sandbox.Drain().empty());
  for (uint16_t i = 0; i < servers.size(); ++i) {
    FakeTcpClient(sandbox, Local(static_cast<uint16_t>(6000 + i)), servers[i].endpoint()).SendSyn();
  }
  int answered = 0;
  while (answered < 2) {
    const auto frame = sandbox.Receive();
    ASSERT_TRUE(frame);
    ASSERT_TRUE(frame->Is(kSyn | kAck));
    EXPECT_GE(frame->destination_port, 6000);  // who gave way was told nothing
    ++answered;
  }
}

TEST(TcpLimitsOfStack, ConnectsThatFailAreSlowedDownAndThoseThatSucceedAreNot) {
  HostServer server;
  HostServer closed;
  const Endpoint nobody = closed.endpoint();
  closed.Close();
  StackLimits limits;
  limits.failed_connects_per_second = 1e-9;
  limits.failed_connects_burst = 3;
  Notices notices;
  FakeSandbox sandbox({.rules = {server.rule(), nobody.ToString()},
                       .limits = limits,
                       .on_notice = notices.Taker()});
  for (uint16_t i = 0; i < 20; ++i) {
    FakeTcpClient client(sandbox, Local(static_cast<uint16_t>(6000 + i)), server.endpoint());
    ASSERT_TRUE(client.Connect()->Is(kSyn | kAck)) << i;
    ASSERT_TRUE(server.Accept());
  }
  EXPECT_TRUE(notices.sentences().empty());
  for (uint16_t i = 0; i < 6; ++i) {  // three of all, and three of its address
    FakeTcpClient client(sandbox, Local(static_cast<uint16_t>(5000 + i)), nobody);
    ASSERT_TRUE(client.Connect()->Is(kRst | kAck)) << i;
  }
  FakeTcpClient client(sandbox, Local(5006), nobody);
  client.SendSyn();
  EXPECT_TRUE(sandbox.Drain().empty());  // a kernel sends it again later
  ASSERT_EQ(notices.sentences().size(), 1u);
  EXPECT_NE(notices.sentences()[0].find("slowed down"), std::string::npos);
  // The same address, but a server that has answered before.
  FakeTcpClient known(sandbox, Local(5007), server.endpoint());
  EXPECT_TRUE(known.Connect()->Is(kSyn | kAck));
}

TEST(TcpLimitsOfStack, FlowsToTheDnsServerHaveACapOfTheirOwn) {
  HostServer server;
  StackLimits limits;
  limits.max_dns_flows = 2;
  limits.min_idle = std::chrono::milliseconds(0);
  FakeSandbox sandbox({.rules = {server.rule()}, .limits = limits});
  FakeTcpClient other(sandbox, Local(6000), server.endpoint());
  ASSERT_TRUE(other.Connect()->Is(kSyn | kAck));
  const Endpoint dns{*IpAddress::Parse("198.18.0.53"), 53};
  FakeTcpClient first(sandbox, Local(5000), dns), second(sandbox, Local(5001), dns),
      third(sandbox, Local(5002), dns);
  ASSERT_TRUE(first.Connect()->Is(kSyn | kAck));
  ASSERT_TRUE(second.Connect()->Is(kSyn | kAck));
  third.SendSyn();
  EXPECT_TRUE(first.AwaitFlag(kRst));
  // The flow that is older than all of them is of another kind.
  const UniqueFd host = server.Accept();
  other.Write(Pattern(5));
  EXPECT_EQ(ReadFrom(host.get(), 5), Pattern(5));
}

TEST(TcpLimitsOfStack, AQueryThatIsLongerThanAnyHasToBeEndsItsConnection) {
  FakeSandbox sandbox({});
  const Endpoint dns{*IpAddress::Parse("198.18.0.53"), 53};
  FakeTcpClient longest(sandbox, Local(5000), dns), longer(sandbox, Local(5001), dns);
  ASSERT_TRUE(longest.Connect()->Is(kSyn | kAck));
  longest.Write({0x10, 0x00});
  ASSERT_TRUE(longest.AwaitAcknowledged());
  ASSERT_TRUE(longer.Connect()->Is(kSyn | kAck));
  longer.Write({0x10, 0x01});
  EXPECT_TRUE(longer.AwaitFlag(kRst));
  // The other one is served: the rest of its query is no message, which is answered with FORMERR.
  Bytes rest = Pattern(0x1000);
  rest[2] = 0;  // a query
  longest.Write(rest);
  EXPECT_EQ(longest.ReadExactly(2 + 4)[2 + 3] & 0x0f, 1);
}

TEST(TcpLimitsOfStack, ASmallWindowIsOfferedWhenMemoryIsShort) {
  HostServer server;
  StackLimits limits;
  limits.max_buffered_bytes = 1;
  FakeSandbox sandbox({.rules = {server.rule()}, .limits = limits});
  FakeTcpClient client(sandbox, Local(5000), server.endpoint());
  ASSERT_TRUE(client.Connect()->Is(kSyn | kAck));
  const UniqueFd host = server.Accept();
  for (uint32_t i = 0; i < 40; ++i) {
    client.Write(Pattern(4000, i));
    ASSERT_TRUE(client.AwaitAcknowledged());
    EXPECT_LE(client.peer_window(), 16u * 1024);
    EXPECT_GE(client.peer_window(), 4u * 1024);
    ASSERT_EQ(ReadFrom(host.get(), 4000), Pattern(4000, i));
  }
}

TEST(TcpLimitsOfStack, OnlyOneLimitCountsFlowsToTheDnsServer) {
  StackLimits limits;
  FakeSandbox sandbox({.limits = limits});
  const Endpoint dns{*IpAddress::Parse("198.18.0.53"), 53};
  const auto count = static_cast<uint16_t>(limits.max_dns_flows);
  for (uint16_t i = 0; i <= count; ++i) {
    FakeTcpClient client(sandbox, Local(static_cast<uint16_t>(5000 + i)), dns);
    const auto answer = client.Connect();
    ASSERT_TRUE(answer);
    EXPECT_TRUE(answer->Is(i < count ? kSyn | kAck : kRst | kAck)) << i;
  }
}

// What the stack sends when nothing else comes: a segment that begins before what was acknowledged.
bool IsProbe(const SeenFrame& frame, const FakeTcpClient& client) {
  return frame.Is(kAck) && frame.payload.empty() &&
         frame.sequence + 1 == client.Fields(kAck).acknowledgment;
}

TEST(TcpLimitsOfStack, AFlowThatTheSandboxHasForgottenEnds) {
  HostServer server;
  StackLimits limits;
  limits.probe_after = std::chrono::milliseconds(0);
  FakeSandbox sandbox({.rules = {server.rule()}, .limits = limits});
  FakeTcpClient client(sandbox, Local(5000), server.endpoint());
  ASSERT_TRUE(client.Connect()->Is(kSyn | kAck));
  const UniqueFd host = server.Accept();
  const auto probe = sandbox.ReceiveFor(5000);
  ASSERT_TRUE(probe);
  EXPECT_TRUE(IsProbe(*probe, client));
  client.Reset();
  EXPECT_EQ(ReadEnd(host.get()), -ECONNRESET);
}

TEST(TcpLimitsOfStack, TheAnswerToAProbeIsNoActivity) {
  HostServer server;
  StackLimits limits;
  limits.probe_after = std::chrono::milliseconds(0);
  limits.idle_timeout = std::chrono::seconds(1);
  FakeSandbox sandbox({.rules = {server.rule()}, .limits = limits});
  FakeTcpClient client(sandbox, Local(5000), server.endpoint());
  ASSERT_TRUE(client.Connect()->Is(kSyn | kAck));
  int answered = 0;
  auto frame = sandbox.ReceiveFor(5000);
  for (; frame && IsProbe(*frame, client) && answered < 10; ++answered) {
    client.SendAck();
    frame = sandbox.ReceiveFor(5000);
  }
  EXPECT_GE(answered, 1);
  ASSERT_TRUE(frame);
  EXPECT_NE(frame->flags & kRst, 0);
}

TEST(TcpLimitsOfStack, AFlowWithoutActivityIsResetOnBothSides) {
  HostServer server;
  StackLimits limits;
  limits.idle_timeout = std::chrono::seconds(1);
  FakeSandbox sandbox({.rules = {server.rule()}, .limits = limits});
  Connection connection(sandbox, 5000, server);
  EXPECT_TRUE(connection.client.AwaitFlag(kRst));
  EXPECT_EQ(ReadEnd(connection.host.get()), -ECONNRESET);
}

TEST(TcpLimitsOfStack, AHalfClosedFlowIsGivenLessTime) {
  HostServer server;
  StackLimits limits;
  limits.half_closed_timeout = std::chrono::seconds(1);
  FakeSandbox sandbox({.rules = {server.rule()}, .limits = limits});
  Connection connection(sandbox, 5000, server);
  Connection whole(sandbox, 5001, server);
  connection.client.Finish();
  EXPECT_EQ(ReadEnd(connection.host.get()), 0);
  EXPECT_TRUE(connection.client.AwaitFlag(kRst));
  whole.client.Write(Pattern(5));
  EXPECT_EQ(ReadFrom(whole.host.get(), 5), Pattern(5));
}

}  // namespace
}  // namespace mini::netstack
