// Flows whose servers are asked about, packet by packet, against real sockets of the host on
// loopback. Pins never lead there, so the check is put on by hand: everything else of the flow is
// as in the stack.
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <mutex>

#include "fake_sandbox.h"
#include "fake_tcp_client.h"
#include "host_server.h"
#include "made_hello.h"
#include "netstack/epoll_loop.h"
#include "netstack/flow/host_tcp_flow.h"
#include "netstack/flow/server_name_check.h"
#include "netstack/flow/tcp_flow_table.h"

namespace mini::netstack {
namespace {

constexpr uint8_t kFin = 0x01, kRst = 0x04, kPsh = 0x08, kAck = 0x10, kUrg = 0x20;

struct Seen {
  std::mutex mutex;
  std::vector<std::string> refusals;
  std::vector<std::string> unnamed;
};

// A link and TCP flows to anywhere, each with a check.
class CheckingStack final : public Stack {
 public:
  CheckingStack(LinkOptions link, FilterOptions filter)
      : loop_(EpollLoop::Create().value()),
        link_(std::move(link)),
        filter_(std::move(filter)),
        budget_(size_t{64} << 20),
        tcp_(
            *loop_, link_, budget_, TcpLimits(),
            [this](TcpFlowTable& table, const FlowKey& key) {
              auto check = std::make_unique<ServerNameCheck>(filter_, budget_, key.remote);
              return TcpFlowTable::Admission{
                  std::make_unique<HostTcpFlow>(table, key, FlowRecord(), std::move(check))};
            },
            [](std::string_view) {}) {
    loop_->SetBatchEnd([this] { tcp_.ServiceFlows(); });
    EXPECT_TRUE(loop_->Watch(link_.fd(), EPOLLIN, [this](uint32_t) { ReadFrames(); }).ok());
  }

  Status Attach(LinkOptions) override {
    return Status(StatusCode::kUnsupported, Stage::kNetwork, "it has a link");
  }
  Status Run() override { return loop_->Run(); }
  void Stop() override { loop_->Stop(); }
  RefusalSummary refusals() const override { return filter_.refusals(); }

 private:
  void ReadFrames() {
    while (true) {
      RxBuffer* buffer = buffers_.Get();
      const auto length = link_.Read(buffer->bytes());
      if (!length.ok() || *length == 0) return RxBufferPool::Put(buffer);
      const Packet packet = ParseFrame(buffer->bytes().first(*length));
      if (packet.kind != PacketKind::kTcp) {
        RxBufferPool::Put(buffer);
        continue;
      }
      tcp_.Input(buffer, packet);
    }
  }

  std::unique_ptr<EpollLoop> loop_;
  TapLink link_;
  Filter filter_;
  MemoryBudget budget_;
  RxBufferPool buffers_;
  TcpFlowTable tcp_;
};

enum class Names { kAsTheyCome, kStrict };

class ServerNameFlow : public testing::Test {
 protected:
  void Open(Names names = Names::kAsTheyCome, std::string_view rules = "allowed.example\n") {
    FilterOptions filter;
    filter.rules.emplace();
    EXPECT_TRUE(filter.rules->AddText("test", rules).ok());
    filter.strict_names = names == Names::kStrict;
    filter.on_refusal = [this](const RefusalEvent& event) {
      const std::lock_guard lock(seen_.mutex);
      seen_.refusals.push_back(event.ToString());
    };
    filter.on_unnamed = [this](const UnnamedEvent& event) {
      const std::lock_guard lock(seen_.mutex);
      seen_.unnamed.push_back(event.ToString());
    };
    FakeSandboxOptions sandbox;
    sandbox.make_stack = [&](LinkOptions link) {
      return std::make_unique<CheckingStack>(std::move(link), std::move(filter));
    };
    sandbox_.emplace(std::move(sandbox));
    client_.emplace(*sandbox_, Endpoint{*IpAddress::Parse("198.18.0.1"), 40000},
                    server_.endpoint());
    client_->Connect();
    ASSERT_TRUE(client_->connected());
    host_ = server_.Accept();
    ASSERT_TRUE(host_);
  }

  // The sandbox sees a reset, the host's server sees one and nothing else.
  void ExpectRefused(std::string_view words) {
    EXPECT_TRUE(client_->AwaitFlag(kRst));
    EXPECT_EQ(ReadEnd(host_.get()), -ECONNRESET);
    const std::lock_guard lock(seen_.mutex);
    ASSERT_EQ(seen_.refusals.size(), 1u);
    EXPECT_NE(seen_.refusals[0].find(words), std::string::npos) << seen_.refusals[0];
  }
  void ExpectNoRefusal() {
    const std::lock_guard lock(seen_.mutex);
    EXPECT_EQ(seen_.refusals, std::vector<std::string>());
  }
  size_t Unnamed() {
    const std::lock_guard lock(seen_.mutex);
    return seen_.unnamed.size();
  }
  void ExpectNothingAtTheHost() {
    EXPECT_TRUE(client_->AwaitAcknowledged());  // so the stack has it
    uint8_t byte;
    EXPECT_EQ(recv(host_.get(), &byte, 1, MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, EAGAIN);
  }

  Seen seen_;
  HostServer server_;
  std::optional<FakeSandbox> sandbox_;
  std::optional<FakeTcpClient> client_;
  UniqueFd host_;
};

TEST_F(ServerNameFlow, AnAllowedHelloPassesUnchanged) {
  Open();
  const Bytes hello = Joined({HelloFor("Allowed.Example."), Pattern(2000)});
  client_->Write(hello);
  EXPECT_EQ(ReadFrom(host_.get(), hello.size()), hello);
  const Bytes more = Pattern(100'000, 2);
  client_->WriteOffloaded(Bytes(more.begin(), more.begin() + 40'000), 1460);
  EXPECT_EQ(ReadFrom(host_.get(), 40'000), Bytes(more.begin(), more.begin() + 40'000));
  ExpectNoRefusal();
  EXPECT_EQ(Unnamed(), 0u);
}

TEST_F(ServerNameFlow, AnotherNameIsResetOnBothSidesBeforeTheHostSeesAByte) {
  Open();
  client_->Write(HelloFor("other.example"));
  ExpectRefused("for other.example: no rule names it; to allow it: --allow other.example:");
}

TEST_F(ServerNameFlow, TheRemedyOfARefusalAllowsIt) {
  Open(Names::kAsTheyCome,
       "allowed.example\nother.example:" + std::to_string(server_.endpoint().port) + "\n");
  client_->Write(HelloFor("other.example"));
  EXPECT_EQ(ReadFrom(host_.get(), 5).size(), 5u);
  ExpectNoRefusal();
}

TEST_F(ServerNameFlow, NothingOfAHelloPassesBeforeItIsWhole) {
  Open();
  const Bytes hello = HelloFor("allowed.example", 20);
  for (size_t i = 0; i + 1 < hello.size(); ++i) client_->Write({hello[i]});
  ExpectNothingAtTheHost();
  client_->Write({hello.back()});
  EXPECT_EQ(ReadFrom(host_.get(), hello.size()), hello);
}

TEST_F(ServerNameFlow, ASplitHelloWithAnotherNameIsReset) {
  Open();
  const Bytes hello = HelloFor("other.example", 20);
  for (const uint8_t byte : hello) client_->Write({byte});
  ExpectRefused("for other.example");
}

TEST_F(ServerNameFlow, WhatTheHostSendsFlowsWhileAHelloIsHeld) {
  Open();
  const Bytes hello = HelloFor("allowed.example");
  client_->Write(Bytes(hello.begin(), hello.begin() + 50));
  ExpectNothingAtTheHost();
  ASSERT_TRUE(WriteTo(host_.get(), Pattern(5000)));
  EXPECT_EQ(client_->ReadExactly(5000), Pattern(5000));
  client_->Write(Bytes(hello.begin() + 50, hello.end()));
  EXPECT_EQ(ReadFrom(host_.get(), hello.size()), hello);
}

TEST_F(ServerNameFlow, EveryRequestOfAConnectionIsAskedAbout) {
  Open();
  const Bytes first =
      BytesOf("POST / HTTP/1.1\r\nHost: allowed.example\r\nContent-Length: 4\r\n\r\nbody");
  client_->Write(first);
  EXPECT_EQ(ReadFrom(host_.get(), first.size()), first);
  client_->Write(first);
  EXPECT_EQ(ReadFrom(host_.get(), first.size()), first);
  client_->Write(BytesOf("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n"));
  ExpectRefused("for other.example");
}

TEST_F(ServerNameFlow, APipelinedRequestForAnotherServerNeverGetsThere) {
  Open();
  client_->Write(
      BytesOf("GET / HTTP/1.1\r\nHost: allowed.example\r\n\r\n"
              "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n"));
  ExpectRefused("for other.example");
}

TEST_F(ServerNameFlow, WhatIsNoRequestBehindOneIsReset) {
  for (const std::string_view second :
       {" GET / HTTP/1.1\r\nHost: other.example\r\n\r\n", "GET http://other.example/\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "anything else\r\n", "\x01"}) {
    for (const Names names : {Names::kAsTheyCome, Names::kStrict}) {
      SCOPED_TRACE(second);
      {
        const std::lock_guard lock(seen_.mutex);
        seen_.refusals.clear();
      }
      Open(names);
      const Bytes first = BytesOf("GET / HTTP/1.1\r\nHost: allowed.example\r\n\r\n");
      client_->Write(first);
      EXPECT_EQ(ReadFrom(host_.get(), first.size()), first);
      client_->Write(BytesOf(second));
      ExpectRefused("which server it means cannot be read");
    }
  }
}

TEST_F(ServerNameFlow, AWordBehindARequestAndThenTheEndIsReset) {
  Open();
  const Bytes first = BytesOf("GET / HTTP/1.1\r\nHost: allowed.example\r\n\r\n");
  client_->Write(first);
  EXPECT_EQ(ReadFrom(host_.get(), first.size()), first);
  client_->Write(BytesOf("word"));
  client_->Finish();
  ExpectRefused("which server it means cannot be read");
}

TEST_F(ServerNameFlow, AClientThatFinishesBehindARequestIsNoRefusal) {
  Open(Names::kStrict);
  const Bytes first = BytesOf("GET / HTTP/1.1\r\nHost: allowed.example\r\n\r\n");
  client_->Write(first);
  client_->Finish();
  EXPECT_EQ(ReadFrom(host_.get(), first.size()), first);
  EXPECT_EQ(ReadEnd(host_.get()), 0);
  ExpectNoRefusal();
}

constexpr std::string_view kUpgrade =
    "GET / HTTP/1.1\r\nHost: allowed.example\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\n\r\n";

TEST_F(ServerNameFlow, AnUpgradeIsFollowedByAnotherProtocolWhichIsNoted) {
  Open();
  const Bytes stream = Joined({BytesOf(kUpgrade), {0x81, 0x80, 1, 2, 3, 4}});
  client_->Write(stream);
  EXPECT_EQ(ReadFrom(host_.get(), stream.size()), stream);
  ExpectNoRefusal();
  EXPECT_EQ(Unnamed(), 1u);
}

TEST_F(ServerNameFlow, StrictlyWhatFollowsAnUpgradeIsReset) {
  Open(Names::kStrict);
  client_->Write(BytesOf(kUpgrade));
  EXPECT_EQ(ReadFrom(host_.get(), kUpgrade.size()), BytesOf(kUpgrade));
  client_->Write({0x81, 0x80, 1, 2, 3, 4});
  ExpectRefused("does not say which server it means (--strict-names)");
}

TEST_F(ServerNameFlow, AnUpgradeIsNoWayToARequestForAnotherServer) {
  Open();
  client_->Write(BytesOf(kUpgrade));
  EXPECT_EQ(ReadFrom(host_.get(), kUpgrade.size()), BytesOf(kUpgrade));
  client_->Write(BytesOf(" GET / HTTP/1.1\r\nHost: other.example\r\n\r\n"));
  ExpectRefused("which server it means cannot be read");
}

TEST_F(ServerNameFlow, ARequestBehindATunnelHasToBeAllowedAtTheConnectionsPort) {
  Open(Names::kAsTheyCome, "allowed.example\nother.example:443\n");
  const Bytes tunnel = BytesOf("CONNECT other.example:443 HTTP/1.1\r\n\r\n");
  client_->Write(tunnel);
  EXPECT_EQ(ReadFrom(host_.get(), tunnel.size()), tunnel);
  client_->Write(BytesOf("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n"));
  ExpectRefused("for other.example");
}

TEST_F(ServerNameFlow, AHelloInATunnelHasToBeAllowedAtItsPort) {
  Open(Names::kAsTheyCome, "allowed.example\nother.example:443\n");
  const Bytes stream =
      Joined({BytesOf("CONNECT other.example:443 HTTP/1.1\r\n\r\n"), HelloFor("other.example")});
  client_->Write(stream);
  EXPECT_EQ(ReadFrom(host_.get(), stream.size()), stream);
  ExpectNoRefusal();
}

TEST_F(ServerNameFlow, ARecordBeforeAHelloIsReset) {
  Open();
  client_->Write(Joined({{20, 3, 3, 0, 0}, HelloFor("other.example")}));
  ExpectRefused("which server it means cannot be read");
}

TEST_F(ServerNameFlow, ARequestLineWithoutAnEndIsReset) {
  Open();
  client_->Write(BytesOf("GET http://other.example/ HTTP/1.1"));
  client_->Finish();
  ExpectRefused("which server it means cannot be read");
}

TEST_F(ServerNameFlow, GitsOwnProtocolPassesAndIsNoted) {
  Open();
  constexpr char kLine[] = "0033git-upload-pack /project\0host=b.example\0";
  const Bytes line = BytesOf({kLine, sizeof kLine - 1});
  client_->Write(line);
  EXPECT_EQ(ReadFrom(host_.get(), line.size()), line);
  EXPECT_EQ(Unnamed(), 1u);
}

TEST_F(ServerNameFlow, AUploadPassesAsItComes) {
  Open();
  const Bytes head =
      BytesOf("PUT / HTTP/1.1\r\nHost: allowed.example\r\nContent-Length: 300000\r\n\r\n");
  client_->Write(head);
  EXPECT_EQ(ReadFrom(host_.get(), head.size()), head);
  for (int i = 0; i < 10; ++i) {
    client_->WriteOffloaded(Pattern(30'000, 9), 1460);
    EXPECT_EQ(ReadFrom(host_.get(), 30'000), Pattern(30'000, 9));
    EXPECT_TRUE(client_->AwaitAcknowledged());
  }
  client_->Write(BytesOf("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n"));
  ExpectRefused("for other.example");
}

TEST_F(ServerNameFlow, AnotherProtocolPassesAndIsNoted) {
  Open();
  client_->Write(BytesOf("hello, who are you\n"));
  EXPECT_EQ(ReadFrom(host_.get(), 19), BytesOf("hello, who are you\n"));
  ExpectNoRefusal();
  EXPECT_EQ(Unnamed(), 1u);
}

TEST_F(ServerNameFlow, AServerThatSpeaksFirstIsAnswered) {
  Open();
  ASSERT_TRUE(WriteTo(host_.get(), BytesOf("220 mail\r\n")));
  EXPECT_EQ(client_->ReadExactly(10), BytesOf("220 mail\r\n"));
  client_->Write(BytesOf("E"));  // else held: it may become a method
  EXPECT_EQ(ReadFrom(host_.get(), 1), BytesOf("E"));
  EXPECT_EQ(Unnamed(), 1u);
}

TEST_F(ServerNameFlow, StrictlyAnotherProtocolIsReset) {
  Open(Names::kStrict);
  client_->Write(BytesOf("hello, who are you\n"));
  ExpectRefused(
      "does not say which server it means (--strict-names); to allow it: --allow 127.0.0.1:");
}

TEST_F(ServerNameFlow, StrictlyAServerThatSpeaksFirstIsReset) {
  Open(Names::kStrict);
  ASSERT_TRUE(WriteTo(host_.get(), BytesOf("220 mail\r\n")));
  ExpectRefused("does not say which server it means");
}

TEST_F(ServerNameFlow, StrictlyAHelloWithoutANameIsReset) {
  Open(Names::kStrict);
  client_->Write(HelloWithoutExtensions());
  ExpectRefused("does not say which server it means");
}

TEST_F(ServerNameFlow, StrictlyAnAllowedNamePasses) {
  Open(Names::kStrict);
  const Bytes hello = HelloFor("allowed.example");
  client_->Write(hello);
  EXPECT_EQ(ReadFrom(host_.get(), hello.size()), hello);
  ExpectNoRefusal();
}

TEST_F(ServerNameFlow, AHelloThatCannotBeReadIsReset) {
  Open();
  client_->Write(HelloWith(
      Joined({ServerNameExtension("allowed.example"), ServerNameExtension("other.example")})));
  ExpectRefused("which server it means cannot be read");
}

TEST_F(ServerNameFlow, AHelloThatEndsInTheMiddleIsReset) {
  Open();
  const Bytes hello = HelloFor("allowed.example");
  client_->Write(Bytes(hello.begin(), hello.begin() + 50));
  client_->Finish();
  ExpectRefused("which server it means cannot be read");
}

TEST_F(ServerNameFlow, AClientThatFinishesWithoutAWordIsNoRefusal) {
  Open(Names::kStrict);
  client_->Finish();
  EXPECT_EQ(ReadEnd(host_.get()), 0);
  host_.reset();
  EXPECT_TRUE(client_->AwaitFlag(kFin));
  ExpectNoRefusal();
}

TEST_F(ServerNameFlow, AHostThatFinishesWhileAHelloIsHeldStillGetsIt) {
  Open();
  const Bytes hello = HelloFor("allowed.example");
  client_->Write(Bytes(hello.begin(), hello.begin() + 50));
  ExpectNothingAtTheHost();
  shutdown(host_.get(), SHUT_WR);
  EXPECT_TRUE(client_->AwaitFlag(kFin));
  client_->Write(Bytes(hello.begin() + 50, hello.end()));
  EXPECT_EQ(ReadFrom(host_.get(), hello.size()), hello);
}

// The host's server would take an urgent byte out of what it reads, and read another name.
TEST_F(ServerNameFlow, AnUrgentByteInAHelloIsAnOrdinaryOne) {
  Open();
  const Bytes hello = HelloFor("allowed.example");
  TcpFields fields = client_->Fields(kAck | kPsh | kUrg);
  fields.payload = hello;
  fields.urgent = 60;
  client_->Send(fields);
  EXPECT_EQ(ReadFrom(host_.get(), hello.size()), hello);
}

TEST_F(ServerNameFlow, AnUrgentByteInARequestIsAnOrdinaryOne) {
  Open(Names::kAsTheyCome, "allowed.example\nxother.example\n");
  const Bytes request = BytesOf("GET / HTTP/1.1\r\nHost: xother.example\r\n\r\n");
  TcpFields fields = client_->Fields(kAck | kPsh | kUrg);
  fields.payload = request;
  fields.urgent = 23;  // behind the x
  client_->Send(fields);
  EXPECT_EQ(ReadFrom(host_.get(), request.size()), request);
}

// The clock is given, so nobody has to wait.
TEST(ServerNameCheck, AHelloIsHeldForAMinute) {
  FilterOptions options;
  options.rules.emplace();
  Filter filter(std::move(options));
  MemoryBudget budget(1 << 20);
  {
    ServerNameCheck check(filter, budget, {*IpAddress::Parse("192.0.2.7"), 443});
    Bytes bytes = {22, 3, 1, 0, 100, 1, 0, 0, 96};
    const iovec held{bytes.data(), bytes.size()};
    const TimePoint begin{std::chrono::hours(1)};
    EXPECT_EQ(check.Read({&held, 1}, begin), ServerNameCheck::State::kReading);
    EXPECT_EQ(check.may_pass(), 0u);
    EXPECT_GT(budget.used(), 0u);
    EXPECT_EQ(check.OnTick(begin + std::chrono::seconds(59)), ServerNameCheck::State::kReading);
    EXPECT_EQ(check.OnTick(begin + std::chrono::seconds(60)), ServerNameCheck::State::kRefused);
  }
  EXPECT_EQ(budget.used(), 0u);
}

}  // namespace
}  // namespace mini::netstack
