// TCP through the whole stack, packet by packet, against real sockets of the host on loopback.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "fake_sandbox.h"
#include "fake_tcp_client.h"
#include "host_server.h"

namespace mini::netstack {
namespace {

constexpr uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kAck = 0x10;

struct Family {
  const char* name;
  IpFamily family;
  const char* sandbox;
};

class TcpThroughStack : public testing::TestWithParam<Family> {
 protected:
  Endpoint Local(uint16_t port = 40000) const {
    return {*IpAddress::Parse(GetParam().sandbox), port};
  }
};

// A flow that is open: a client inside, and the host's side of it.
class OpenTcpFlow : public TcpThroughStack {
 protected:
  void SetUp() override {
    client_.Connect();
    host_ = server_.Accept();
    ASSERT_TRUE(host_);
  }

  HostServer server_{GetParam().family};
  FakeSandbox sandbox_{{.rules = {server_.rule()}}};
  FakeTcpClient client_{sandbox_, Local(), server_.endpoint()};
  UniqueFd host_;
};

constexpr Family kV4{"V4", IpFamily::kV4, "198.18.0.1"};
constexpr Family kV6{"V6", IpFamily::kV6, "fd6d:696e:6900::1"};
constexpr auto kName = [](const auto& test) { return test.param.name; };
INSTANTIATE_TEST_SUITE_P(Families, TcpThroughStack, testing::Values(kV4, kV6), kName);
INSTANTIATE_TEST_SUITE_P(Families, OpenTcpFlow, testing::Values(kV4, kV6), kName);

TEST_P(TcpThroughStack, AnswersSynAckAfterTheHostAccepted) {
  HostServer server(GetParam().family);
  FakeSandbox sandbox({.rules = {server.rule()}});
  FakeTcpClient client(sandbox, Local(), server.endpoint());
  const auto answer = client.Connect();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->Is(kSyn | kAck));
  EXPECT_EQ(answer->source, server.endpoint().address);
  EXPECT_EQ(answer->source_port, server.endpoint().port);
  EXPECT_EQ(answer->acknowledgment, 1001u);
  EXPECT_TRUE(answer->window_scale.has_value());
  EXPECT_TRUE(answer->mss.has_value());
  EXPECT_TRUE(server.Accept());
}

TEST_P(TcpThroughStack, ResetsADeniedConnectionAtOnce) {
  HostServer server(GetParam().family);
  FakeSandbox sandbox({});
  FakeTcpClient client(sandbox, Local(), server.endpoint());
  const auto answer = client.Connect();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->Is(kRst | kAck));
  EXPECT_EQ(answer->acknowledgment, 1001u);
}

TEST_P(TcpThroughStack, ResetsWhatTheHostRefuses) {
  HostServer server(GetParam().family);
  const Endpoint endpoint = server.endpoint();
  server.Close();
  FakeSandbox sandbox({.rules = {endpoint.ToString()}});
  FakeTcpClient client(sandbox, Local(), endpoint);
  const auto answer = client.Connect();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->Is(kRst | kAck));
  EXPECT_EQ(answer->acknowledgment, 1001u);
}

TEST_P(OpenTcpFlow, CarriesDataBothWays) {
  const Bytes question = Pattern(1000, 1), answer = Pattern(3000, 2);
  client_.Write(question);
  EXPECT_EQ(ReadFrom(host_.get(), question.size()), question);
  EXPECT_TRUE(client_.AwaitAcknowledged());
  ASSERT_TRUE(WriteTo(host_.get(), answer));
  EXPECT_EQ(client_.ReadExactly(answer.size()), answer);
}

TEST_P(OpenTcpFlow, TakesAndSendsOffloadedSegments) {
  const uint16_t segment = GetParam().family == IpFamily::kV4 ? 1460 : 1440;
  const Bytes up = Pattern(40000, 3), down = Pattern(400000, 4);
  client_.WriteOffloaded(up, segment);
  EXPECT_EQ(ReadFrom(host_.get(), up.size()), up);
  std::thread writer([&] { EXPECT_TRUE(WriteTo(host_.get(), down)); });
  EXPECT_EQ(client_.ReadExactly(down.size()), down);
  writer.join();
  const uint8_t gso_type = GetParam().family == IpFamily::kV4 ? 1 : 4;
  const auto offloaded = std::ranges::find_if(
      client_.frames(), [&](const SeenFrame& f) { return f.vnet.gso_type == gso_type; });
  ASSERT_NE(offloaded, client_.frames().end());
  EXPECT_EQ(offloaded->vnet.gso_size, segment);
  EXPECT_EQ(offloaded->vnet.flags, 1);
  EXPECT_EQ(offloaded->vnet.header_length, offloaded->vnet.checksum_start + 20);
}

TEST_P(OpenTcpFlow, SandboxHalfClosesAndStillReads) {
  client_.Write(Pattern(10));
  client_.Finish();
  EXPECT_EQ(ReadFrom(host_.get(), 10), Pattern(10));
  EXPECT_EQ(ReadEnd(host_.get()), 0);
  const Bytes answer = Pattern(100000, 5);
  std::thread writer([&] {
    EXPECT_TRUE(WriteTo(host_.get(), answer));
    shutdown(host_.get(), SHUT_WR);
  });
  EXPECT_EQ(client_.ReadExactly(answer.size()), answer);
  writer.join();
  EXPECT_TRUE(client_.AwaitFlag(kFin));
}

TEST_P(OpenTcpFlow, TheSandboxsEndIsAcknowledgedWhenTheHostDoesNotEnd) {
  client_.Finish();
  EXPECT_EQ(ReadEnd(host_.get()), 0);
  EXPECT_TRUE(client_.AwaitAcknowledged());
}

// A frame less for each short connection.
TEST_P(OpenTcpFlow, OneSegmentEndsAnAnsweredConnectionAndAcknowledgesItsEnd) {
  // The host has a millisecond for it, which it may miss now and then.
  bool seen = false;
  for (uint16_t attempt = 0; attempt < 100 && !seen; ++attempt) {
    const Endpoint local = Local(static_cast<uint16_t>(40001 + attempt));
    FakeTcpClient client(sandbox_, local, server_.endpoint());
    client.Connect();
    ASSERT_TRUE(client.connected());
    UniqueFd host = server_.Accept();
    std::thread server([&] {
      EXPECT_EQ(ReadEnd(host.get()), 0);
      host.reset();
    });
    client.Finish();
    const auto next = sandbox_.ReceiveFor(local.port);
    server.join();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->acknowledgment, client.next_sequence());
    seen = next->Is(kFin | kAck);
  }
  EXPECT_TRUE(seen);
}

// By their number a sender learns that one is missing (RFC 5681, 3.2).
TEST_P(OpenTcpFlow, EachSegmentBehindAGapIsAcknowledged) {
  TcpFields ahead = client_.Fields(kAck);
  const uint32_t expected = ahead.sequence;
  for (uint32_t number = 1; number <= 3; ++number) {
    ahead.sequence = expected + number * 100;
    ahead.payload = Pattern(100);
    client_.Send(ahead);
  }
  const auto answers = sandbox_.Drain();
  EXPECT_EQ(std::ranges::count_if(answers,
                                  [&](const SeenFrame& frame) {
                                    return frame.Is(kAck) && frame.acknowledgment == expected;
                                  }),
            3);
}

TEST_P(OpenTcpFlow, HostHalfClosesAndStillReads) {
  shutdown(host_.get(), SHUT_WR);
  EXPECT_TRUE(client_.AwaitFlag(kFin));
  client_.Write(Pattern(500));
  client_.Finish();
  EXPECT_EQ(ReadFrom(host_.get(), 500), Pattern(500));
  EXPECT_EQ(ReadEnd(host_.get()), 0);
}

TEST_P(OpenTcpFlow, PassesTheSandboxsResetToTheHost) {
  client_.Reset();
  EXPECT_EQ(ReadEnd(host_.get()), -ECONNRESET);
}

TEST_P(OpenTcpFlow, PassesTheHostsResetToTheSandbox) {
  const linger now{1, 0};
  setsockopt(host_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  host_.reset();
  EXPECT_TRUE(client_.AwaitFlag(kRst));
}

TEST_P(OpenTcpFlow, StopsOfferingWindowWhenTheHostDoesNotRead) {
  const uint32_t start = client_.next_sequence();
  // As a kernel would: nothing beyond the offered window.
  client_.Write(Pattern(1));
  ASSERT_TRUE(client_.AwaitAcknowledged());
  while (client_.peer_window() >= 60000 && client_.next_sequence() - start < (64u << 20)) {
    client_.WriteOffloaded(Pattern(60000), 1400);
    ASSERT_TRUE(client_.AwaitAcknowledged());
  }
  const uint32_t sent = client_.next_sequence() - start;
  EXPECT_LT(client_.peer_window(), 60000u);
  EXPECT_LT(sent, 32u << 20);
  // Once the host reads, everything arrives, and the window opens again.
  EXPECT_EQ(ReadFrom(host_.get(), sent).size(), sent);
  EXPECT_TRUE(client_.AwaitWindow(60000));
  client_.Write(Pattern(100, 9));
  EXPECT_EQ(ReadFrom(host_.get(), 100), Pattern(100, 9));
}

TEST_P(TcpThroughStack, StopsReadingFromTheHostWhenTheSandboxDoesNotRead) {
  HostServer server(GetParam().family);
  FakeSandbox sandbox({.rules = {server.rule()}});
  FakeTcpClient client(sandbox, Local(), server.endpoint());
  client.set_window(0);
  client.Connect();
  const UniqueFd host = server.Accept();
  ASSERT_TRUE(host);
  // The host's own buffers hold a few megabytes; then it must block.
  const int small = 1 << 16;
  setsockopt(host.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  const Bytes chunk = Pattern(1 << 16);
  size_t taken = 0;
  while (taken < (size_t{64} << 20)) {
    const ssize_t length = send(host.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (length > 0) {
      taken += static_cast<size_t>(length);
      continue;
    }
    sandbox.Drain();  // whatever the stack still wants to read, it has read
    if (send(host.get(), chunk.data(), 1, MSG_DONTWAIT) < 0) break;
    ++taken;
  }
  EXPECT_LT(taken, size_t{32} << 20);
}

// lwIP would append what comes next to the last unsent segment, whatever place of the stream that
// one is from.
TEST_P(OpenTcpFlow, ARetransmissionThatWaitsForTheLinkGetsNoOtherBytes) {
  const Bytes data = Pattern(45000, 9);
  const auto part = [&](size_t from, size_t to) {
    return Bytes(data.begin() + static_cast<ptrdiff_t>(from),
                 data.begin() + static_cast<ptrdiff_t>(to));
  };
  // Two segments, of which this client loses the first.
  for (const size_t from : {0u, 20000u}) {
    ASSERT_TRUE(WriteTo(host_.get(), part(from, from + 20000)));
    for (size_t got = 0; got < 20000;) {
      const auto segment = sandbox_.ReceiveFor(Local().port);
      ASSERT_TRUE(segment);
      got += segment->payload.size();
    }
  }
  // More answers than the link holds.
  const Bytes question =
      MakeArpRequest(IpAddress::V4(198, 18, 0, 1), IpAddress::V4(203, 0, 113, 9));
  for (int i = 0; i < 4000; ++i) sandbox_.Send(question);
  for (int i = 0; i < 4; ++i) client_.SendAck();
  const auto await_stack = [&] {
    client_.Write(Pattern(1));
    EXPECT_EQ(ReadFrom(host_.get(), 1), Pattern(1));
  };
  await_stack();
  ASSERT_TRUE(WriteTo(host_.get(), part(40000, 45000)));
  await_stack();
  await_stack();
  EXPECT_EQ(client_.ReadExactly(20000), part(0, 20000));
  TcpFields both = client_.Fields(kAck);
  both.acknowledgment += 20000;
  client_.Send(both);
  auto last = sandbox_.ReceiveFor(Local().port);
  while (last && last->payload.empty()) last = sandbox_.ReceiveFor(Local().port);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->sequence, both.acknowledgment);
  EXPECT_EQ(last->payload, part(40000, 45000));
}

TEST_P(OpenTcpFlow, KeepsASmallWindowFilled) {
  client_.set_window(16);  // scaled by 7: 2048 bytes, less than a segment
  client_.SendAck();
  const Bytes data = Pattern(100000);
  std::thread writer([&] { EXPECT_TRUE(WriteTo(host_.get(), data)); });
  // lwIP's persist timer alone would take more than a minute for this.
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(client_.ReadExactly(data.size()), data);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  writer.join();
}

// lwIP 2.2.1, splitting a segment for a small window, leaves a FIN on its first part.
TEST_P(OpenTcpFlow, TheEndOfTheStreamComesAfterItsLastByteThroughASmallWindow) {
  client_.set_window(16);  // scaled by 7: 2048 bytes, so that every segment has to be split
  // A window is taken from a segment that is newer than the last one it was taken from (RFC 9293,
  // 3.10.7.4), and the first byte is as old as the handshake's ACK.
  client_.Write({'x'});
  client_.Write({'y'});
  EXPECT_EQ(ReadFrom(host_.get(), 2), (Bytes{'x', 'y'}));  // the stack knows the window now
  const Bytes data = Pattern(9000);
  ASSERT_TRUE(WriteTo(host_.get(), data));
  host_.reset();
  // Once another connection stands, the stack has seen the end of this one's stream.
  Endpoint elsewhere = Local();
  ++elsewhere.port;
  FakeTcpClient other(sandbox_, elsewhere, server_.endpoint());
  ASSERT_TRUE(other.Connect());
  EXPECT_EQ(client_.ReadExactly(data.size()), data) << "the FIN came too early";
  EXPECT_TRUE(client_.AwaitFlag(kFin));
}

TEST_P(TcpThroughStack, AcceptsTheSameEndpointsAgainAfterAClose) {
  HostServer server(GetParam().family);
  FakeSandbox sandbox({.rules = {server.rule()}});
  for (int round = 0; round < 3; ++round) {
    FakeTcpClient client(sandbox, Local(), server.endpoint());
    const auto answer = client.Connect();
    ASSERT_TRUE(answer);
    ASSERT_TRUE(answer->Is(kSyn | kAck)) << round;
    UniqueFd host = server.Accept();
    ASSERT_TRUE(host);
    host.reset();  // the stack is the one that closes first: it enters TIME-WAIT
    ASSERT_TRUE(client.AwaitFlag(kFin));
    client.Finish();
    ASSERT_TRUE(client.AwaitAcknowledged());
  }
}

TEST(TcpOfStack, AnswersStraySegmentsWithReset) {
  FakeSandbox sandbox({});
  const Endpoint from{*IpAddress::Parse("198.18.0.1"), 4000};
  const Endpoint to{*IpAddress::Parse("203.0.113.1"), 80};
  sandbox.Send(MakeTcp({.from = from,
                        .to = to,
                        .sequence = 7,
                        .acknowledgment = 99,
                        .flags = kAck,
                        .payload = Pattern(3)}));
  const auto answer = sandbox.Receive();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->Is(kRst));
  EXPECT_EQ(answer->sequence, 99u);
  // A reset is never answered.
  sandbox.Send(MakeTcp({.from = from, .to = to, .sequence = 7, .flags = kRst}));
  EXPECT_TRUE(sandbox.Drain().empty());
}

TEST(TcpOfStack, InitialSequenceNumbersDiffer) {
  HostServer server;
  FakeSandbox sandbox({.rules = {server.rule()}});
  std::vector<uint32_t> numbers;
  for (uint16_t i = 0; i < 4; ++i) {
    FakeTcpClient client(sandbox,
                         {*IpAddress::Parse("198.18.0.1"), static_cast<uint16_t>(6000 + i)},
                         server.endpoint());
    const auto answer = client.Connect();
    ASSERT_TRUE(answer);
    numbers.push_back(answer->sequence);
  }
  std::ranges::sort(numbers);
  for (size_t i = 1; i < numbers.size(); ++i) EXPECT_GT(numbers[i] - numbers[i - 1], 100000u);
}

}  // namespace
}  // namespace mini::netstack
