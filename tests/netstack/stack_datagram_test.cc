// Datagrams, echo and ICMP errors between a fake sandbox and real sockets, in a network namespace
// of the test's own: there it may set what a host's administrator sets.
#include <gtest/gtest.h>
#include <linux/udp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <fstream>
#include <set>

#include "base/strings.h"
#include "fake_sandbox.h"
#include "host_server.h"
#include "notices.h"

namespace mini::netstack {
namespace {

const Endpoint kSandboxV4{*IpAddress::Parse("198.18.0.1"), 40000};
const Endpoint kSandboxV6{*IpAddress::Parse("fd6d:696e:6900::1"), 40000};
const IpAddress kLoopbackV4 = *IpAddress::Parse("127.0.0.1");
const IpAddress kLoopbackV6 = *IpAddress::Parse("::1");
const IpAddress kElsewhereV4 = *IpAddress::Parse("203.0.113.1");
const IpAddress kElsewhereV6 = *IpAddress::Parse("2001:db8::1");
constexpr int kWideMtu = 65536;

bool WriteFile(const char* path, std::string_view text) {
  std::ofstream file(path);
  file << text;
  file.close();
  return !file.fail();
}

bool SetLoopback(int mtu) {
  const UniqueFd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  if (ioctl(any.get(), SIOCSIFFLAGS, &request) != 0) return false;
  request.ifr_mtu = mtu;
  return ioctl(any.get(), SIOCSIFMTU, &request) == 0;
}

bool PermitPing(bool permit) {
  return WriteFile("/proc/sys/net/ipv4/ping_group_range", permit ? "0 0" : "1 0");
}

std::string EnterNamespace() {
  const std::string uid = StrCat("0 ", getuid(), " 1"), gid = StrCat("0 ", getgid(), " 1");
  const bool root = geteuid() == 0;
  if (unshare(root ? CLONE_NEWNET : CLONE_NEWNET | CLONE_NEWUSER) != 0) return "no new namespaces";
  if (!root) {
    prctl(PR_SET_DUMPABLE, 1);  // else /proc/self is root's, and the leak check cannot look
    if (!WriteFile("/proc/self/setgroups", "deny") || !WriteFile("/proc/self/gid_map", gid) ||
        !WriteFile("/proc/self/uid_map", uid)) {
      return "no id maps";
    }
  }
  if (!SetLoopback(kWideMtu)) return "no loopback device";
  return PermitPing(true) ? "" : "no net.ipv4.ping_group_range";
}

class StackDatagrams : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { problem_ = EnterNamespace(); }
  void SetUp() override {
    if (!problem_.empty()) GTEST_SKIP() << problem_;
  }

 private:
  static std::string problem_;
};
std::string StackDatagrams::problem_;

struct Peer {
  sockaddr_storage address;
  socklen_t length = sizeof address;
};

// The next datagram of a host's socket.
std::optional<Bytes> Receive(const HostServer& server, Peer& peer) {
  pollfd poll_fd{server.fd(), POLLIN, 0};
  if (poll(&poll_fd, 1, 5000) <= 0) return std::nullopt;
  Bytes bytes(70000);
  const ssize_t size = recvfrom(server.fd(), bytes.data(), bytes.size(), 0,
                                reinterpret_cast<sockaddr*>(&peer.address), &peer.length);
  if (size < 0) return std::nullopt;
  bytes.resize(static_cast<size_t>(size));
  return bytes;
}

bool SendTo(const HostServer& server, const Peer& peer, const Bytes& bytes,
            uint16_t datagram_size = 0) {
  if (datagram_size != 0) {
    const int size = datagram_size;
    setsockopt(server.fd(), IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size);
  }
  return sendto(server.fd(), bytes.data(), bytes.size(), 0,
                reinterpret_cast<const sockaddr*>(&peer.address),
                peer.length) == static_cast<ssize_t>(bytes.size());
}

Bytes Row(const Endpoint& from, const Endpoint& to, const Bytes& payload, uint16_t size) {
  Bytes frame = MakeUdp(from, to, payload);
  SetVnet(frame, {.flags = 1,
                  .gso_type = 5,
                  .gso_size = size,
                  .checksum_start = from.address.is_v4() ? uint16_t{34} : uint16_t{54},
                  .checksum_offset = 6});
  return frame;
}

std::string UdpRule(const HostServer& server) { return "udp/" + server.rule(); }

uint32_t Quoted16(const SeenFrame& frame, size_t at) {
  return uint32_t{frame.payload[at]} << 8 | frame.payload[at + 1];
}

TEST_F(StackDatagrams, CarriesTheLongestDatagramsBothWaysInFragments) {
  for (const Endpoint& from : {kSandboxV4, kSandboxV6}) {
    const bool v4 = from.address.is_v4();
    HostServer server(from.address.family(), SOCK_DGRAM);
    FakeSandbox sandbox({.rules = {UdpRule(server)}});
    for (const size_t size : {size_t{1473}, size_t{8192}, size_t{65507}}) {
      for (const Bytes& frame :
           MakeFragments(MakeUdp(from, server.endpoint(), Pattern(size)), v4 ? 1480 : 1448, 9)) {
        sandbox.Send(frame);
      }
      Peer peer;
      ASSERT_EQ(Receive(server, peer), Pattern(size));
      ASSERT_TRUE(SendTo(server, peer, Pattern(size, 2)));
      size_t fragments = 0;
      const auto answer = sandbox.ReceiveWhole(fragments);
      ASSERT_TRUE(answer);
      EXPECT_TRUE(answer->sound);
      EXPECT_EQ(answer->payload, Pattern(size, 2));
      EXPECT_EQ(answer->destination_port, from.port);
      const size_t room = v4 ? 1480 : 1448;  // of 1500, a multiple of eight
      EXPECT_EQ(fragments, (size + 8 + room - 1) / room);
    }
  }
}

TEST_F(StackDatagrams, WhatFitsTheLinkIsNotCut) {
  for (const Endpoint& from : {kSandboxV4, kSandboxV6}) {
    HostServer server(from.address.family(), SOCK_DGRAM);
    FakeSandbox sandbox({.rules = {UdpRule(server)}, .mtu = 1400});
    const size_t longest = from.address.is_v4() ? 1372 : 1352;
    sandbox.Send(MakeUdp(from, server.endpoint(), {}));
    Peer peer;
    ASSERT_TRUE(Receive(server, peer));
    for (const size_t more : {0, 1}) {
      ASSERT_TRUE(SendTo(server, peer, Pattern(longest + more)));
      size_t fragments = 0;
      const auto answer = sandbox.ReceiveWhole(fragments);
      ASSERT_TRUE(answer);
      EXPECT_TRUE(answer->sound);
      EXPECT_EQ(answer->payload, Pattern(longest + more));
      EXPECT_EQ(fragments, 1 + more);
    }
  }
}

TEST_F(StackDatagrams, ARowFromTheHostIsOneFrameWhereTheDeviceTakesIt) {
  for (const Endpoint& from : {kSandboxV4, kSandboxV6}) {
    HostServer server(from.address.family(), SOCK_DGRAM);
    FakeSandbox sandbox({.rules = {UdpRule(server)}, .udp_segmentation = true});
    sandbox.Send(MakeUdp(from, server.endpoint(), Pattern(1)));
    Peer peer;
    ASSERT_TRUE(Receive(server, peer));
    ASSERT_TRUE(SendTo(server, peer, Pattern(9500), 1000));
    const auto frame = sandbox.ReceiveFor(from.port);
    ASSERT_TRUE(frame);
    EXPECT_TRUE(frame->sound);
    EXPECT_EQ(frame->vnet.gso_type, 5);
    EXPECT_EQ(frame->vnet.gso_size, 1000);
    EXPECT_EQ(frame->vnet.header_length, from.address.is_v4() ? 42 : 62);
    EXPECT_EQ(frame->payload, Pattern(9500));
  }
}

TEST_F(StackDatagrams, ARowFromTheHostIsCutWhereTheDeviceDoesNotTakeIt) {
  HostServer server(IpFamily::kV4, SOCK_DGRAM);
  FakeSandbox sandbox({.rules = {UdpRule(server)}});
  sandbox.Send(MakeUdp(kSandboxV4, server.endpoint(), Pattern(1)));
  Peer peer;
  ASSERT_TRUE(Receive(server, peer));
  ASSERT_TRUE(SendTo(server, peer, Pattern(2500), 1000));
  Bytes got;
  for (const size_t size : {1000, 1000, 500}) {
    const auto frame = sandbox.ReceiveFor(kSandboxV4.port);
    ASSERT_TRUE(frame);
    EXPECT_TRUE(frame->sound);
    EXPECT_EQ(frame->vnet.gso_type, 0);
    EXPECT_EQ(frame->payload.size(), size);
    got.insert(got.end(), frame->payload.begin(), frame->payload.end());
  }
  EXPECT_EQ(got, Pattern(2500));
}

TEST_F(StackDatagrams, DatagramsOfManySizesKeepTheirOrderAndTheirBorders) {
  for (const bool segmentation : {false, true}) {
    HostServer server(IpFamily::kV4, SOCK_DGRAM);
    FakeSandbox sandbox({.rules = {UdpRule(server)}, .udp_segmentation = segmentation});
    const size_t sizes[] = {100, 100, 100, 40, 100, 0, 0, 100, 200, 1400, 1400, 3, 3, 1400, 1};
    uint32_t seed = 0;
    for (const size_t size : sizes) {
      sandbox.Send(MakeUdp(kSandboxV4, server.endpoint(), Pattern(size, ++seed)));
    }
    seed = 0;
    Peer peer;
    for (const size_t size : sizes) {
      ASSERT_EQ(Receive(server, peer), Pattern(size, ++seed)) << seed;
      ASSERT_TRUE(SendTo(server, peer, Pattern(size, seed)));
    }
    seed = 0;
    Bytes row;  // what is left of a frame that carries several
    size_t step = 0;
    for (const size_t size : sizes) {
      if (row.empty()) {
        const auto frame = sandbox.ReceiveFor(kSandboxV4.port);
        ASSERT_TRUE(frame);
        EXPECT_TRUE(frame->sound);
        row = frame->payload;
        step = frame->vnet.gso_type == 5 ? frame->vnet.gso_size : row.size();
      }
      const size_t taken = std::min(step, row.size());
      EXPECT_EQ(Bytes(row.begin(), row.begin() + static_cast<ptrdiff_t>(taken)),
                Pattern(size, ++seed))
          << seed;
      row.erase(row.begin(), row.begin() + static_cast<ptrdiff_t>(taken));
    }
  }
}

TEST_F(StackDatagrams, FlowsThatInterleaveStayApart) {
  HostServer one(IpFamily::kV4, SOCK_DGRAM), two(IpFamily::kV6, SOCK_DGRAM);
  FakeSandbox sandbox({.rules = {UdpRule(one), UdpRule(two)}});
  for (uint32_t i = 0; i < 200; ++i) {
    sandbox.Send(MakeUdp(kSandboxV4, one.endpoint(), Pattern(64, i)));
    sandbox.Send(MakeUdp(kSandboxV6, two.endpoint(), Pattern(64, 1000 + i)));
  }
  Peer peer;
  for (uint32_t i = 0; i < 200; ++i) {
    ASSERT_EQ(Receive(one, peer), Pattern(64, i));
    ASSERT_EQ(Receive(two, peer), Pattern(64, 1000 + i));
  }
}

TEST_F(StackDatagrams, TellsTheHostsMtuToWhoDoesNotWantToBeCut) {
  ASSERT_TRUE(SetLoopback(1400));
  for (const Endpoint& from : {kSandboxV4, kSandboxV6}) {
    const bool v4 = from.address.is_v4();
    HostServer server(from.address.family(), SOCK_DGRAM);
    FakeSandbox sandbox({.rules = {UdpRule(server)}});
    const Bytes frame = MakeUdp(from, server.endpoint(), Pattern(1440));
    sandbox.Send(frame);
    auto error = sandbox.Receive();
    ASSERT_TRUE(error);
    EXPECT_TRUE(error->sound);
    EXPECT_EQ(error->icmp_type, v4 ? 3 : 2);
    EXPECT_EQ(error->icmp_code, v4 ? 4 : 0);
    EXPECT_EQ(error->icmp_rest, 1400u);
    EXPECT_EQ(error->source, server.endpoint().address);
    EXPECT_EQ(error->destination, from.address);
    EXPECT_TRUE(std::equal(error->payload.begin(), error->payload.end(), frame.begin() + 24));
    // The sender then cuts: nothing to tell.
    for (const Bytes& fragment :
         MakeFragments(MakeUdp(from, server.endpoint(), Pattern(5000)), 1352, 9)) {
      sandbox.Send(fragment);
    }
    Peer peer;
    EXPECT_EQ(Receive(server, peer), Pattern(5000));
    // A row is as long as one of its datagrams, and is quoted as one.
    sandbox.Send(Row(from, server.endpoint(), Pattern(2900), 1450));
    error = sandbox.Receive();
    ASSERT_TRUE(error);
    EXPECT_TRUE(error->sound);
    EXPECT_EQ(error->icmp_rest, 1400u);
    EXPECT_EQ(Quoted16(*error, v4 ? 2 : 4), v4 ? 1478u : 1458u);
    EXPECT_EQ(Quoted16(*error, v4 ? 24 : 44), 1458u);
    sandbox.Drain();
    sandbox.Send(Row(from, server.endpoint(), Pattern(2500), 1250));
    EXPECT_EQ(Receive(server, peer)->size(), 1250u);
    EXPECT_EQ(Receive(server, peer)->size(), 1250u);
  }
  EXPECT_TRUE(SetLoopback(kWideMtu));
}

TEST_F(StackDatagrams, CutsOnTheHostsSideWhatMayBeCut) {
  ASSERT_TRUE(SetLoopback(1400));
  HostServer server(IpFamily::kV4, SOCK_DGRAM);
  FakeSandbox sandbox({.rules = {UdpRule(server)}});
  Bytes frame = MakeUdp(kSandboxV4, server.endpoint(), Pattern(1440));
  frame[30] = 0;  // DF
  FixChecksums(frame);
  sandbox.Send(frame);
  Peer peer;
  EXPECT_EQ(Receive(server, peer), Pattern(1440));
  EXPECT_TRUE(SetLoopback(kWideMtu));
}

TEST_F(StackDatagrams, QuotesARowToAClosedPortAsOneDatagram) {
  for (const Endpoint& from : {kSandboxV4, kSandboxV6}) {
    const bool v4 = from.address.is_v4();
    HostServer server(from.address.family(), SOCK_DGRAM);
    const Endpoint closed = server.endpoint();
    server.Close();
    FakeSandbox sandbox({.rules = {"udp/" + closed.ToString()}});
    sandbox.Send(Row(from, closed, Pattern(2500), 1000));
    const auto error = sandbox.Receive();
    ASSERT_TRUE(error);
    EXPECT_TRUE(error->sound);
    EXPECT_EQ(error->icmp_type, v4 ? 3 : 1);
    EXPECT_EQ(error->icmp_code, v4 ? 3 : 4);
    EXPECT_EQ(error->icmp_rest, 0u);
    ASSERT_EQ(error->payload.size(), v4 ? 28u : 48u);
    EXPECT_EQ(Quoted16(*error, v4 ? 2 : 4), v4 ? 1028u : 1008u);
    EXPECT_EQ(Quoted16(*error, v4 ? 22 : 42), closed.port);
    EXPECT_EQ(Quoted16(*error, v4 ? 24 : 44), 1008u);
    if (!v4) continue;
    uint32_t sum = 0;
    for (size_t at = 0; at < 20; at += 2) sum += Quoted16(*error, at);
    EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffffu);
  }
}

TEST_F(StackDatagrams, SaysThatThereIsNoRoute) {
  FakeSandbox sandbox(
      {.rules = {"203.0.113.1", "icmp/203.0.113.1", "2001:db8::1", "icmp/2001:db8::1"}});
  sandbox.Send(MakeUdp(kSandboxV4, {kElsewhereV4, 4242}, Pattern(5)));
  sandbox.Send(MakeUdp(kSandboxV6, {kElsewhereV6, 4242}, Pattern(5)));
  sandbox.Send(MakeIcmpEcho(kSandboxV4.address, kElsewhereV4, Pattern(5)));
  sandbox.Send(MakeIcmpEcho(kSandboxV6.address, kElsewhereV6, Pattern(5)));
  for (const int type : {3, 1, 3, 1}) {
    const auto error = sandbox.Receive();
    ASSERT_TRUE(error);
    EXPECT_TRUE(error->sound);
    EXPECT_EQ(error->icmp_type, type);
    EXPECT_EQ(error->icmp_code, 0);
  }
}

struct PingFamily {
  IpAddress sandbox, remote;
  uint8_t reply;
};
const PingFamily kPings[] = {{kSandboxV4.address, kLoopbackV4, 0},
                             {kSandboxV6.address, kLoopbackV6, 129}};

TEST_F(StackDatagrams, CarriesEchoWithItsIdentifierSequenceAndPayload) {
  FakeSandbox sandbox({.rules = {"icmp/127.0.0.1", "icmp/::1"}});
  for (const auto& [from, to, reply] : kPings) {
    for (const size_t size : {size_t{0}, size_t{56}, size_t{1472}, size_t{20000}, size_t{65507}}) {
      const Bytes request = MakeIcmpEcho(from, to, Pattern(size), 0xbeef, 0x0203);
      if (size <= 1472) {
        sandbox.Send(request);
      } else {
        for (const Bytes& frame : MakeFragments(request, 1448, 5)) sandbox.Send(frame);
      }
      size_t fragments = 0;
      const auto answer = sandbox.ReceiveWhole(fragments);
      ASSERT_TRUE(answer) << size;
      EXPECT_TRUE(answer->sound);
      EXPECT_EQ(answer->source, to);
      EXPECT_EQ(answer->destination, from);
      EXPECT_EQ(answer->icmp_type, reply);
      EXPECT_EQ(answer->icmp_rest, 0xbeef0203u);
      EXPECT_EQ(answer->payload, Pattern(size));
    }
  }
}

TEST_F(StackDatagrams, CarriesSeveralPingsAtOnce) {
  FakeSandbox sandbox({.rules = {"icmp/127.0.0.1", "icmp/::1"}});
  std::set<std::pair<IpAddress, uint32_t>> awaited;
  for (uint16_t sequence = 1; sequence <= 3; ++sequence) {
    for (uint16_t identifier = 1; identifier <= 10; ++identifier) {
      for (const auto& [from, to, reply] : kPings) {
        sandbox.Send(MakeIcmpEcho(from, to, Pattern(20, identifier), identifier, sequence));
        awaited.emplace(to, uint32_t{identifier} << 16 | sequence);
      }
    }
  }
  while (!awaited.empty()) {
    const auto answer = sandbox.Receive();
    ASSERT_TRUE(answer);
    EXPECT_TRUE(answer->sound);
    EXPECT_EQ(answer->payload, Pattern(20, answer->icmp_rest >> 16));
    EXPECT_EQ(awaited.erase({answer->source, answer->icmp_rest}), 1u);
  }
}

TEST_F(StackDatagrams, AnAddressRuleWithoutIcmpDoesNotAllowPing) {
  FakeSandbox sandbox({.rules = {"127.0.0.1", "::1"}});
  for (const auto& [from, to, reply] : kPings) {
    sandbox.Send(MakeIcmpEcho(from, to, Pattern(56)));
    const auto error = sandbox.Receive();
    ASSERT_TRUE(error);
    EXPECT_TRUE(error->sound);
    EXPECT_EQ(error->icmp_type, from.is_v4() ? 3 : 1);
    EXPECT_EQ(error->icmp_code, from.is_v4() ? 13 : 1);
  }
}

TEST_F(StackDatagrams, TellsTheHostsMtuToAPing) {
  ASSERT_TRUE(SetLoopback(1400));
  FakeSandbox sandbox({.rules = {"icmp/127.0.0.1", "icmp/::1"}});
  for (const auto& [from, to, reply] : kPings) {
    sandbox.Send(MakeIcmpEcho(from, to, Pattern(1440)));
    const auto error = sandbox.Receive();
    ASSERT_TRUE(error);
    EXPECT_TRUE(error->sound);
    EXPECT_EQ(error->icmp_type, from.is_v4() ? 3 : 2);
    EXPECT_EQ(error->icmp_rest, 1400u);
  }
  EXPECT_TRUE(SetLoopback(kWideMtu));
}

TEST_F(StackDatagrams, OnlyEchoRequestsOfIcmpLeave) {
  FakeSandbox sandbox({.rules = {"icmp/127.0.0.1", "icmp/::1"}});
  for (const auto& [from, to, reply] : kPings) {
    for (int type = 0; type < 256; ++type) {
      if (type == (from.is_v4() ? 8 : 128) || (from.is_v6() && type == 135)) continue;
      Bytes frame = MakeIcmpEcho(from, to, Pattern(24));
      frame[from.is_v4() ? 44 : 64] = static_cast<uint8_t>(type);
      FixChecksums(frame);
      sandbox.Send(frame);
    }
    EXPECT_TRUE(sandbox.Drain().empty());
  }
}

TEST_F(StackDatagrams, NamesTheSettingThatForbidsPingOnce) {
  ASSERT_TRUE(PermitPing(false));
  Notices notices;
  FakeSandbox sandbox({.rules = {"icmp/127.0.0.1", "icmp/::1"}, .on_notice = notices.Taker()});
  for (const auto& [from, to, reply] : kPings) {
    sandbox.Send(MakeIcmpEcho(from, to, Pattern(56)));
    const auto error = sandbox.Receive();
    ASSERT_TRUE(error);
    EXPECT_TRUE(error->sound);
    EXPECT_EQ(error->icmp_code, from.is_v4() ? 13 : 1);
  }
  const std::vector<std::string> sentences = notices.sentences();
  ASSERT_EQ(sentences.size(), 1u);
  EXPECT_NE(sentences[0].find("refused icmp 127.0.0.1"), std::string::npos) << sentences[0];
  EXPECT_NE(sentences[0].find("net.ipv4.ping_group_range"), std::string::npos) << sentences[0];
  EXPECT_TRUE(PermitPing(true));
}

TEST_F(StackDatagrams, LimitsHowManyPingsLeave) {
  FakeSandbox sandbox({.rules = {"icmp/127.0.0.1"}});
  size_t replies = 0;
  for (uint16_t i = 0; i < 3000; ++i) {
    sandbox.Send(MakeIcmpEcho(kSandboxV4.address, kLoopbackV4, {}, 7, i));
    if (i % 50 == 49) replies += sandbox.Drain().size();
  }
  replies += sandbox.Drain().size();
  EXPECT_GE(replies, 100u);
  EXPECT_LT(replies, 2900u);
}

TEST_F(StackDatagrams, RefusesEchoFlowsAboveTheCap) {
  FakeSandbox sandbox({.rules = {"icmp/127.0.0.0/8"}});
  size_t refused = 0;
  for (uint16_t identifier = 0; identifier < 300; ++identifier) {
    sandbox.Send(MakeIcmpEcho(kSandboxV4.address, kLoopbackV4, {}, identifier));
    if (identifier % 20 != 19) continue;
    usleep(20000);  // below the rate at which requests are lost
    for (const SeenFrame& frame : sandbox.Drain()) refused += frame.icmp_type == 3;
  }
  EXPECT_GE(refused, 20u);
  EXPECT_LE(refused, 44u);
}

TEST_F(StackDatagrams, AFloodOfFragmentsThatNeverEndStopsNothing) {
  HostServer server(IpFamily::kV4, SOCK_DGRAM);
  FakeSandbox sandbox({.rules = {UdpRule(server)}});
  for (uint32_t id = 0; id < 5000; ++id) {
    auto frames = MakeFragments(MakeUdp(kSandboxV4, server.endpoint(), Pattern(2000)), 1480, id);
    sandbox.Send(frames[id % 2]);
    if (id % 50 == 49) sandbox.Drain();
  }
  for (const Bytes& frame :
       MakeFragments(MakeUdp(kSandboxV4, server.endpoint(), Pattern(3000)), 1480, 60000)) {
    sandbox.Send(frame);
  }
  Peer peer;
  EXPECT_EQ(Receive(server, peer), Pattern(3000));
}

}  // namespace
}  // namespace mini::netstack
