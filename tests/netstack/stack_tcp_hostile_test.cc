// What no sound kernel sends: odd flags, options, sequence numbers, windows and floods. The stack
// neither breaks nor forgets what it was doing, and holds no more than it may.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <thread>

#include "fake_sandbox.h"
#include "fake_tcp_client.h"
#include "host_server.h"

namespace mini::netstack {
namespace {

constexpr int kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08, kAck = 0x10, kUrg = 0x20;

// One connection through the stack.
class HostileTcp : public testing::Test {
 protected:
  HostileTcp() : sandbox_({.rules = {server_.rule()}}), client_(sandbox_, Local(), remote()) {}

  static Endpoint Local(uint16_t port = 40000) { return {*IpAddress::Parse("198.18.0.1"), port}; }
  Endpoint remote() const { return server_.endpoint(); }

  void Connect() {
    const auto answer = client_.Connect();
    ASSERT_TRUE(answer);
    ASSERT_TRUE(answer->Is(kSyn | kAck));
    host_ = server_.Accept();
    ASSERT_TRUE(host_);
    sandbox_.Drain();
  }
  // Both ways, and nothing else has arrived.
  void ExpectIntact() {
    client_.Write(Pattern(100, 3));
    EXPECT_EQ(ReadFrom(host_.get(), 100), Pattern(100, 3));
    ASSERT_TRUE(WriteTo(host_.get(), Pattern(100, 4)));
    EXPECT_EQ(client_.ReadExactly(100), Pattern(100, 4));
  }
  // What came to the host until now is nothing.
  void ExpectNothingDelivered() {
    sandbox_.Drain();  // what was to be delivered has been
    uint8_t byte;
    EXPECT_EQ(recv(host_.get(), &byte, 1, MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, EAGAIN);
  }
  static size_t ResidentBytes() {
    size_t pages = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> pages >> resident;
    return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  }

  HostServer server_;
  FakeSandbox sandbox_;
  FakeTcpClient client_;
  UniqueFd host_;
};

TEST_F(HostileTcp, OddFlagsAreNoAnswerAndNoHarm) {
  Connect();
  for (const int flags : {0, kFin, kSyn | kFin, kSyn | kRst, kFin | kRst, kPsh, kUrg,
                          kFin | kPsh | kUrg, 0x3f, 0xff}) {
    TcpFields fields = client_.Fields(static_cast<uint8_t>(flags));
    client_.Send(fields);
    fields.acknowledgment = 0;
    fields.payload = Pattern(5);
    client_.Send(fields);
    EXPECT_TRUE(sandbox_.Drain().empty()) << flags;
  }
  ExpectNothingDelivered();
  ExpectIntact();
}

TEST_F(HostileTcp, OddFlagsOpenNothing) {
  for (const int flags : {0, kFin, kSyn | kFin, kSyn | kRst, kFin | kPsh | kUrg, 0x3f}) {
    client_.Send(client_.Fields(static_cast<uint8_t>(flags)));
    EXPECT_TRUE(sandbox_.Drain().empty()) << flags;
  }
  // The answer to a SYN that nobody sent (RFC 9293, 3.10.7.1).
  client_.Send(client_.Fields(kSyn | kAck));
  const auto answers = sandbox_.Drain();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers[0].Is(kRst));
  Connect();
  ExpectIntact();
}

// RFC 5961, 3.2 and 4.2.
TEST_F(HostileTcp, OnlyAnExactResetEndsAConnection) {
  Connect();
  TcpFields reset = client_.Fields(kRst | kAck);
  for (const uint32_t off : {1u, 1000u, 0x40000000u, 0x80000000u, ~0u}) {
    reset.sequence = client_.next_sequence() + off;
    client_.Send(reset);
    for (const SeenFrame& answer : sandbox_.Drain()) EXPECT_TRUE(answer.Is(kAck)) << off;
  }
  ExpectIntact();
  client_.Reset();
  EXPECT_EQ(ReadEnd(host_.get()), -ECONNRESET);
}

TEST_F(HostileTcp, ASynWithinAConnectionIsAnsweredWithAcknowledgment) {
  Connect();
  for (const uint32_t off : {0u, 1u, ~0u, 0x40000000u}) {
    TcpFields syn = client_.Fields(kSyn);
    syn.sequence = client_.next_sequence() + off;
    client_.Send(syn);
    const auto answers = sandbox_.Drain();
    ASSERT_EQ(answers.size(), 1u) << off;
    EXPECT_TRUE(answers[0].Is(kAck));
    EXPECT_EQ(answers[0].acknowledgment, client_.next_sequence());
  }
  ExpectIntact();
}

TEST_F(HostileTcp, WhatLiesOutsideTheWindowIsNotTaken) {
  Connect();
  for (const uint32_t off : {~0u - 5000, 0x00800000u, 0x40000000u, 0x80000000u, 0xc0000000u}) {
    TcpFields data = client_.Fields(kAck | kPsh);
    data.sequence = client_.next_sequence() + off;
    data.payload = Pattern(50);
    client_.Send(data);
    for (const SeenFrame& answer : sandbox_.Drain()) {
      EXPECT_TRUE(answer.Is(kAck)) << off;
      EXPECT_EQ(answer.acknowledgment, client_.next_sequence());
    }
  }
  ExpectNothingDelivered();
  ExpectIntact();
}

TEST_F(HostileTcp, WhatIsSentTwiceArrivesOnce) {
  Connect();
  TcpFields data = client_.Fields(kAck | kPsh);
  data.payload = Pattern(50, 1);
  client_.Write(data.payload);
  client_.Send(data);
  // Old bytes, then new ones, in one segment.
  data.payload = Pattern(60, 1);
  client_.Send(data);
  const Bytes all = Pattern(60, 1);
  EXPECT_EQ(ReadFrom(host_.get(), 60), all);
  ExpectNothingDelivered();
}

TEST_F(HostileTcp, WhatComesOutOfOrderIsNotHeldAndTheGapIsFilled) {
  Connect();
  const Bytes all = Pattern(300, 1);
  TcpFields late = client_.Fields(kAck | kPsh);
  late.sequence += 100;
  late.payload.assign(all.begin() + 100, all.end());
  client_.Send(late);
  ExpectNothingDelivered();
  client_.Write(Bytes(all.begin(), all.begin() + 100));
  EXPECT_EQ(ReadFrom(host_.get(), 100), Bytes(all.begin(), all.begin() + 100));
  client_.Send(late);
  EXPECT_EQ(ReadFrom(host_.get(), 200), late.payload);
}

// What AddressSanitizer keeps of freed memory for a while.
#if defined(MINI_ADDRESS_SANITIZER)
constexpr size_t kQuarantine = size_t{512} << 20;
#else
constexpr size_t kQuarantine = 0;
#endif

TEST_F(HostileTcp, AFloodOfSmallSegmentsOutOfOrderCostsNoMemory) {
  Connect();
  const size_t before = ResidentBytes();
  TcpFields late = client_.Fields(kAck | kPsh);
  late.payload = {'x'};
  for (uint32_t i = 0; i < 20000; ++i) {
    late.sequence = client_.next_sequence() + 2 + 2 * (i % 10000);
    client_.Send(late);
    if (i % 64 == 63) sandbox_.Drain();
  }
  sandbox_.Drain();
  EXPECT_LT(ResidentBytes(), before + kQuarantine + (size_t{8} << 20));
  ExpectNothingDelivered();
  ExpectIntact();
}

// A segment of one byte occupies a buffer for a whole frame when it arrives.
TEST_F(HostileTcp, AFloodOfSmallSegmentsThatNobodyReadsStaysWithinTheBudget) {
  const int small = 1;
  setsockopt(server_.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  Connect();
  const size_t before = ResidentBytes();
  for (int i = 0; i < 30000; ++i) {
    client_.Write({'x'});
    if (i % 64 == 63) sandbox_.Drain();
  }
  sandbox_.Drain();
  EXPECT_LT(ResidentBytes(), before + kQuarantine + (size_t{24} << 20));
  EXPECT_EQ(ReadFrom(host_.get(), 30000), Bytes(30000, 'x'));
}

TEST_F(HostileTcp, AcknowledgingWhatWasNeverSentGainsNothing) {
  Connect();
  TcpFields fields = client_.Fields(kAck);
  for (const uint32_t ahead : {1u, 1000u, 0x10000000u, 0x7fffffffu, 0x80000000u}) {
    TcpFields optimistic = fields;
    optimistic.acknowledgment += ahead;
    client_.Send(optimistic);
    for (const SeenFrame& answer : sandbox_.Drain()) EXPECT_TRUE(answer.Is(kAck)) << ahead;
  }
  ExpectIntact();
}

// Savage et al. 1999: acknowledging ahead makes a sender send faster. It must not make it skip.
TEST_F(HostileTcp, AcknowledgingAheadDuringATransferLosesNoByte) {
  Connect();
  const Bytes data = Pattern(200000, 7);
  std::thread writer([&] { EXPECT_TRUE(WriteTo(host_.get(), data)); });
  Bytes got;
  for (size_t part = 0; part < data.size(); part += 10000) {
    const Bytes piece = client_.ReadExactly(10000);
    got.insert(got.end(), piece.begin(), piece.end());
    TcpFields optimistic = client_.Fields(kAck);
    optimistic.acknowledgment += 400000;
    client_.Send(optimistic);
  }
  writer.join();
  EXPECT_EQ(got, data);
}

TEST_F(HostileTcp, TheHandshakesAcknowledgmentHasToBeRight) {
  client_.SendSyn();
  const auto answer = sandbox_.Receive();
  ASSERT_TRUE(answer);
  ASSERT_TRUE(answer->Is(kSyn | kAck));
  TcpFields wrong = client_.Fields(kAck);
  wrong.sequence += 1;
  wrong.acknowledgment = answer->sequence + 77;
  wrong.payload = Pattern(5);
  client_.Send(wrong);
  const auto reset = sandbox_.Receive();
  ASSERT_TRUE(reset);
  EXPECT_TRUE(reset->Is(kRst) || reset->Is(kRst | kAck));
  host_ = server_.Accept();
  ExpectNothingDelivered();
}

TEST_F(HostileTcp, AnotherSynDuringTheHandshakeIsTheSameConnection) {
  client_.SendSyn();
  const auto first = sandbox_.Receive();
  ASSERT_TRUE(first);
  client_.SendSyn();
  for (const SeenFrame& answer : sandbox_.Drain()) {
    EXPECT_TRUE(answer.Is(kSyn | kAck));
    EXPECT_EQ(answer.sequence, first->sequence);
  }
  EXPECT_TRUE(server_.Accept());
}

TEST_F(HostileTcp, DataOnASynIsNotTaken) {
  TcpFields syn = client_.Fields(kSyn);
  syn.payload = Pattern(40);
  client_.Send(syn);
  const auto answer = sandbox_.Receive();
  ASSERT_TRUE(answer);
  ASSERT_TRUE(answer->Is(kSyn | kAck));
  EXPECT_EQ(answer->acknowledgment, syn.sequence + 1);
  host_ = server_.Accept();
  ASSERT_TRUE(host_);
  ExpectNothingDelivered();
}

struct OptionCase {
  const char* name;
  Bytes options;
};
class HostileSynOptions : public testing::TestWithParam<OptionCase> {};

INSTANTIATE_TEST_SUITE_P(
    Options, HostileSynOptions,
    testing::Values(OptionCase{"MssZero", {2, 4, 0, 0}}, OptionCase{"MssOne", {2, 4, 0, 1}},
                    OptionCase{"MssOneScaled", {2, 4, 0, 1, 1, 3, 3, 7}},
                    OptionCase{"MssHuge", {2, 4, 0xff, 0xff, 1, 3, 3, 7}},
                    OptionCase{"ScaleFifteen", {2, 4, 5, 0xb4, 1, 3, 3, 15}},
                    OptionCase{"Scale255", {2, 4, 5, 0xb4, 1, 3, 3, 255}},
                    OptionCase{"Twice", {2, 4, 5, 0xb4, 2, 4, 0, 9, 1, 3, 3, 2, 1, 3, 3, 9}},
                    OptionCase{"Timestamps", {4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7}},
                    OptionCase{"None", {}}),
    [](const auto& test) { return test.param.name; });

TEST_P(HostileSynOptions, DataStillArrivesBothWays) {
  HostServer server;
  FakeSandbox sandbox({.rules = {server.rule()}});
  FakeTcpClient client(sandbox, {*IpAddress::Parse("198.18.0.1"), 40000}, server.endpoint());
  const auto answer = client.Connect(GetParam().options);
  ASSERT_TRUE(answer);
  ASSERT_TRUE(answer->Is(kSyn | kAck));
  const UniqueFd host = server.Accept();
  client.Write(Pattern(1000, 1));
  EXPECT_EQ(ReadFrom(host.get(), 1000), Pattern(1000, 1));
  const Bytes data = Pattern(100000, 2);
  std::thread writer([&] { EXPECT_TRUE(WriteTo(host.get(), data)); });
  EXPECT_EQ(client.ReadExactly(data.size()), data);
  writer.join();
  // However small a segment the sandbox asks for, it does not get one frame a byte.
  EXPECT_LT(client.frames().size(), data.size() / 40);
}

TEST_F(HostileTcp, AWindowThatShrinksAndReopensLosesNothing) {
  Connect();
  const Bytes data = Pattern(100000, 5);
  std::thread writer([&] { EXPECT_TRUE(WriteTo(host_.get(), data)); });
  Bytes got;
  for (const uint16_t window :
       std::initializer_list<uint16_t>{0xffff, 3, 0, 1, 0, 0xffff, 0, 0xffff}) {
    client_.set_window(window);
    client_.SendAck();
    if (window != 0xffff) continue;
    const Bytes piece = client_.ReadExactly(std::min<size_t>(33333, data.size() - got.size()));
    got.insert(got.end(), piece.begin(), piece.end());
  }
  const Bytes rest = client_.ReadExactly(data.size() - got.size());
  got.insert(got.end(), rest.begin(), rest.end());
  writer.join();
  EXPECT_EQ(got, data);
}

// lwIP makes segments of at most half of the largest window that it has seen, if that is not 0.
TEST_F(HostileTcp, AWindowThatOpensByLittleAfterNoneLosesNothing) {
  client_.set_window(0);
  Connect();
  const Bytes data = Pattern(6000, 8);
  const auto host_writes = [&](size_t from, size_t to) {
    ASSERT_TRUE(WriteTo(host_.get(), Bytes(data.begin() + static_cast<ptrdiff_t>(from),
                                           data.begin() + static_cast<ptrdiff_t>(to))));
    // Whatever the stack does for it, it has done.
    client_.Write(Pattern(1));
    EXPECT_EQ(ReadFrom(host_.get(), 1), Pattern(1));
  };
  host_writes(0, 5000);
  client_.set_window(1);
  client_.SendAck();
  host_writes(5000, 6000);
  client_.set_window(0xffff);
  client_.SendAck();
  EXPECT_EQ(client_.ReadExactly(data.size()), data);
}

TEST_F(HostileTcp, BothEndsCloseAtOnce) {
  Connect();
  TcpFields fin = client_.Fields(kFin | kAck);
  const uint32_t ours = client_.next_sequence();
  host_.reset();
  ASSERT_TRUE(client_.AwaitFlag(kFin));
  // As if the two had crossed: it acknowledges nothing of the stack's.
  client_.Send(fin);
  sandbox_.Drain();
  TcpFields last = client_.Fields(kAck);
  last.sequence = ours + 1;
  client_.Send(last);
  // Acknowledged, and nobody is told that anything went wrong.
  fin.acknowledgment = last.acknowledgment;
  client_.Send(fin);
  const auto answers = sandbox_.Drain();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers[0].Is(kAck));
  EXPECT_EQ(answers[0].acknowledgment, ours + 1);
}

TEST_F(HostileTcp, AFinWithDataEndsTheStreamBehindTheData) {
  Connect();
  TcpFields fin = client_.Fields(kFin | kAck | kPsh);
  fin.payload = Pattern(70);
  client_.Send(fin);
  client_.Send(fin);
  EXPECT_EQ(ReadFrom(host_.get(), 70), Pattern(70));
  EXPECT_EQ(ReadEnd(host_.get()), 0);
}

// RFC 9293, 3.10.7.4: what follows a FIN is no part of the stream.
TEST_F(HostileTcp, DataBehindAFinIsNotTaken) {
  Connect();
  client_.Write(Pattern(10));
  client_.Finish();
  client_.Write(Pattern(20));
  EXPECT_EQ(ReadFrom(host_.get(), 10), Pattern(10));
  EXPECT_EQ(ReadEnd(host_.get()), 0);
}

TEST_F(HostileTcp, AnUrgentByteIsUrgentForTheHost) {
  Connect();
  TcpFields data = client_.Fields(kAck | kPsh | kUrg);
  data.payload = {'a', 'b', 'U', 'c'};
  data.urgent = 3;  // behind the urgent byte
  client_.Send(data);
  EXPECT_EQ(ReadFrom(host_.get(), 2), (Bytes{'a', 'b'}));
  pollfd urgent{host_.get(), POLLPRI, 0};
  ASSERT_EQ(poll(&urgent, 1, 5000), 1);
  uint8_t byte = 0;
  EXPECT_EQ(recv(host_.get(), &byte, 1, MSG_OOB), 1);
  EXPECT_EQ(byte, 'U');
  EXPECT_EQ(ReadFrom(host_.get(), 1), (Bytes{'c'}));
}

TEST_F(HostileTcp, AnUrgentByteThatIsAnnouncedEarlyKeepsItsPlace) {
  Connect();
  const int on = 1;
  setsockopt(host_.get(), SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
  TcpFields announcement = client_.Fields(kAck | kUrg);
  announcement.urgent = 1001;  // without any data
  client_.Send(announcement);
  client_.Write(Pattern(1000, 1));
  client_.Write(Bytes{'U', 'v'});
  EXPECT_EQ(ReadFrom(host_.get(), 1000), Pattern(1000, 1));
  while (sockatmark(host_.get()) == 0) {
    pollfd waits{host_.get(), POLLPRI, 0};
    ASSERT_EQ(poll(&waits, 1, 5000), 1);
  }
  EXPECT_EQ(ReadFrom(host_.get(), 2), (Bytes{'U', 'v'}));
}

TEST_F(HostileTcp, UrgentPointersToNowhereDelayAndLoseNothing) {
  Connect();
  const int on = 1;
  setsockopt(host_.get(), SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
  for (const uint16_t pointer : std::initializer_list<uint16_t>{0, 1, 500, 65535}) {
    for (const uint32_t off : {0u, 0x80000000u, ~0u - 100}) {
      TcpFields fields = client_.Fields(kAck | kUrg);
      fields.sequence += off;
      fields.urgent = pointer;
      client_.Send(fields);
    }
    client_.Write(Pattern(600, pointer));
    EXPECT_EQ(ReadFrom(host_.get(), 600), Pattern(600, pointer));
  }
}

TEST_F(HostileTcp, TheHostsUrgentByteIsUrgentForTheSandbox) {
  Connect();
  ASSERT_EQ(send(host_.get(), "abU", 3, MSG_OOB | MSG_NOSIGNAL), 3);
  ASSERT_TRUE(WriteTo(host_.get(), {'c'}));
  EXPECT_EQ(client_.ReadExactly(4), (Bytes{'a', 'b', 'U', 'c'}));
  const uint32_t first = client_.Fields(kAck).acknowledgment - 4;
  const auto urgent = std::ranges::find_if(
      client_.frames(), [](const SeenFrame& frame) { return (frame.flags & kUrg) != 0; });
  ASSERT_NE(urgent, client_.frames().end());
  EXPECT_EQ(urgent->sequence + urgent->urgent, first + 3);
  // Once it is acknowledged, nothing is urgent any more.
  const size_t seen = client_.frames().size();
  ASSERT_TRUE(WriteTo(host_.get(), Pattern(10)));
  EXPECT_EQ(client_.ReadExactly(10), Pattern(10));
  for (size_t i = seen; i < client_.frames().size(); ++i) {
    EXPECT_EQ(client_.frames()[i].flags & kUrg, 0);
  }
}

TEST_F(HostileTcp, UrgentBytesAmongManyKeepTheirPlaces) {
  Connect();
  Bytes sent;
  std::thread writer([&] {
    for (uint32_t i = 0; i < 50; ++i) {
      const Bytes piece = Pattern(5000, i);
      sent.insert(sent.end(), piece.begin(), piece.end());
      EXPECT_TRUE(WriteTo(host_.get(), piece));
      sent.push_back('U');
      EXPECT_EQ(send(host_.get(), "U", 1, MSG_OOB | MSG_NOSIGNAL), 1);
    }
  });
  const Bytes got = client_.ReadExactly(50 * 5001);
  writer.join();
  EXPECT_EQ(got, sent);
}

}  // namespace
}  // namespace mini::netstack
