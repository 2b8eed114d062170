// Parsing frames from the sandbox: each header field, each length, each option.
#include "netstack/link/packet.h"

#include <gtest/gtest.h>

#include "netstack/link/checksum.h"
#include "test_frames.h"

namespace mini::netstack {
namespace {

const Endpoint kFrom{*IpAddress::Parse("198.18.0.1"), 40000};
const Endpoint kTo{*IpAddress::Parse("203.0.113.5"), 443};
const Endpoint kFromV6{*IpAddress::Parse("fd6d:696e:6900::1"), 40000};
const Endpoint kToV6{*IpAddress::Parse("2001:db8::5"), 443};
constexpr size_t kIp = 24;  // behind vnet and Ethernet headers
constexpr size_t kTcpV4 = kIp + 20;
constexpr size_t kTcpV6 = kIp + 40;

Bytes Syn(Bytes options = {}) {
  return MakeTcp(
      {.from = kFrom, .to = kTo, .sequence = 77, .flags = 0x02, .options = std::move(options)});
}
Bytes Data(Bytes options = {}) {
  return MakeTcp({.from = kFrom,
                  .to = kTo,
                  .sequence = 77,
                  .acknowledgment = 5,
                  .flags = 0x18,
                  .options = std::move(options),
                  .payload = Pattern(33)});
}
PacketKind KindOf(const Bytes& frame) { return ParseFrame(frame).kind; }
// After a change, with the checksums made good again.
PacketKind KindWith(Bytes frame, size_t at, uint8_t value) {
  frame[at] = value;
  FixChecksums(frame);
  return KindOf(frame);
}

TEST(ParseFrame, ReadsATcpSegmentOfEitherFamily) {
  const Packet v4 = ParseFrame(Data());
  EXPECT_EQ(v4.kind, PacketKind::kTcp);
  EXPECT_EQ(v4.source, kFrom.address);
  EXPECT_EQ(v4.destination, kTo.address);
  EXPECT_EQ(v4.source_port, kFrom.port);
  EXPECT_EQ(v4.destination_port, kTo.port);
  EXPECT_EQ(v4.tcp_sequence, 77u);
  EXPECT_EQ(v4.tcp_acknowledgment, 5u);
  EXPECT_EQ(v4.tcp_flags, 0x18);
  EXPECT_EQ(v4.transport_offset, kTcpV4);
  EXPECT_EQ(v4.payload_offset, kTcpV4 + 20);
  EXPECT_EQ(v4.payload_length, 33u);
  const Packet v6 =
      ParseFrame(MakeTcp({.from = kFromV6, .to = kToV6, .flags = 0x10, .payload = Pattern(7)}));
  EXPECT_EQ(v6.kind, PacketKind::kTcp);
  EXPECT_EQ(v6.destination, kToV6.address);
  EXPECT_EQ(v6.payload_offset, kTcpV6 + 20);
  EXPECT_EQ(v6.payload_length, 7u);
}

TEST(ParseFrame, RefusesEveryTruncation) {
  for (const Bytes& whole : {Syn({2, 4, 5, 0xb4}), MakeUdp(kFromV6, kToV6, Pattern(9)),
                             MakeIcmpEcho(kFrom.address, kTo.address, Pattern(9))}) {
    for (size_t length = 0; length < whole.size(); ++length) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
      EXPECT_EQ(KindOf(cut), PacketKind::kMalformed) << length;
    }
    EXPECT_NE(KindOf(whole), PacketKind::kMalformed);
  }
}

TEST(ParseFrame, IgnoresTheLinksPadding) {
  Bytes frame = Data();
  frame.resize(frame.size() + 12, 0xee);
  const Packet packet = ParseFrame(frame);
  EXPECT_EQ(packet.kind, PacketKind::kTcp);
  EXPECT_EQ(packet.payload_length, 33u);
}

TEST(ParseFrame, RefusesWrongIpv4Headers) {
  EXPECT_EQ(KindWith(Data(), kIp, 0x55), PacketKind::kMalformed);      // version
  EXPECT_EQ(KindWith(Data(), kIp, 0x44), PacketKind::kMalformed);      // header length
  EXPECT_EQ(KindWith(Data(), kIp + 2, 0xff), PacketKind::kMalformed);  // total length
  Bytes checksum = Data();
  checksum[kIp + 8] ^= 1;
  EXPECT_EQ(KindOf(checksum), PacketKind::kMalformed);
}

TEST(ParseFrame, ReadsAFragmentOfEitherFamily) {
  const auto v4 = MakeFragments(MakeUdp(kFrom, kTo, Pattern(2000)), 1480, 0x4711);
  ASSERT_EQ(v4.size(), 2u);
  Packet packet = ParseFrame(v4[1]);
  EXPECT_EQ(packet.kind, PacketKind::kFragment);
  EXPECT_EQ(packet.fragment_offset, 1480u);
  EXPECT_FALSE(packet.more_fragments);
  EXPECT_EQ(packet.fragment_identification, 0x4711u);
  EXPECT_EQ(packet.fragment_protocol, 17);
  EXPECT_EQ(packet.payload_offset, kIp + 20);
  EXPECT_EQ(packet.payload_length, 528u);
  EXPECT_TRUE(ParseFrame(v4[0]).more_fragments);
  const auto v6 = MakeFragments(MakeUdp(kFromV6, kToV6, Pattern(2000)), 1440, 0x12345678);
  packet = ParseFrame(v6[1]);
  EXPECT_EQ(packet.kind, PacketKind::kFragment);
  EXPECT_EQ(packet.fragment_offset, 1440u);
  EXPECT_EQ(packet.fragment_identification, 0x12345678u);
  EXPECT_EQ(packet.fragment_protocol, 17);
  EXPECT_EQ(packet.transport_offset, kIp + 40);
  EXPECT_EQ(packet.payload_offset, kIp + 48);
  EXPECT_EQ(packet.payload_length, 568u);
  EXPECT_TRUE(ParseFrame(v6[0]).more_fragments);
}

TEST(ParseFrame, RefusesFragmentsThatCannotBe) {
  for (const auto& [from, to] : {std::pair(kFrom, kTo), std::pair(kFromV6, kToV6)}) {
    const auto sound = MakeFragments(MakeUdp(from, to, Pattern(2000)), 1400, 7);
    Bytes offloaded = sound[0];
    SetVnet(offloaded, {.flags = 1, .checksum_start = 34, .checksum_offset = 6});
    EXPECT_EQ(KindOf(offloaded), PacketKind::kMalformed);
    Bytes row = sound[0];
    SetVnet(row, {.gso_type = 5, .gso_size = 100});
    EXPECT_EQ(KindOf(row), PacketKind::kMalformed);
    // Not a multiple of eight, and not the last one: cut into 13 bytes, then said to have more.
    auto odd = MakeFragments(MakeUdp(from, to, Pattern(5)), 1400, 7)[0];
    const size_t flags = from.address.is_v4() ? kIp + 6 : kIp + 43;
    EXPECT_EQ(KindWith(odd, flags, from.address.is_v4() ? 0x20 : 0x01), PacketKind::kMalformed);
    // An end above 65535.
    Bytes far = sound[1];
    const size_t offset = from.address.is_v4() ? kIp + 6 : kIp + 42;
    far[offset + 1] = 0xf8;
    EXPECT_EQ(KindWith(far, offset, from.address.is_v4() ? 0x1f : 0xff), PacketKind::kMalformed);
  }
  // Nothing in it.
  Bytes empty = MakeFragments(MakeUdp(kFromV6, kToV6, Pattern(2)), 1400, 7)[0];
  empty.resize(kIp + 48);
  empty[kIp + 5] = 8;
  EXPECT_EQ(KindOf(empty), PacketKind::kMalformed);
  // Cut within the fragment header.
  empty.resize(kIp + 47);
  empty[kIp + 5] = 7;
  EXPECT_EQ(KindOf(empty), PacketKind::kMalformed);
}

TEST(ParseFrame, IgnoresFragmentsToNobody) {
  const Endpoint group{*IpAddress::Parse("224.0.0.251"), 5353};
  EXPECT_EQ(KindOf(MakeFragments(MakeUdp(kFrom, group, Pattern(2000)), 1400, 7)[0]),
            PacketKind::kIgnored);
}

TEST(ParseFrame, TellsWhetherAPacketMayBeCut) {
  Bytes frame = MakeUdp(kFrom, kTo, Pattern(9));
  EXPECT_TRUE(ParseFrame(frame).dont_fragment);
  frame[kIp + 6] = 0;
  FixChecksums(frame);
  EXPECT_FALSE(ParseFrame(frame).dont_fragment);
  EXPECT_TRUE(ParseFrame(MakeUdp(kFromV6, kToV6, Pattern(9))).dont_fragment);
}

TEST(ParseFrame, RefusesRowsThatNoKernelMakes) {
  Bytes frame = MakeUdp(kFrom, kTo, Pattern(1290));
  VnetFields vnet{
      .flags = 1, .gso_type = 5, .gso_size = 10, .checksum_start = 34, .checksum_offset = 6};
  SetVnet(frame, vnet);
  EXPECT_EQ(KindOf(frame), PacketKind::kMalformed);  // 129 datagrams
  vnet.gso_size = 11;
  SetVnet(frame, vnet);
  EXPECT_EQ(KindOf(frame), PacketKind::kUdp);
}

TEST(ParseFrame, TakesOnlySolicitationsThatWereNotRouted) {
  Bytes frame = MakeIcmpEcho(kFromV6.address, kToV6.address, Bytes(16, 0x20));
  frame[kTcpV6] = 135;
  EXPECT_EQ(KindWith(frame, kIp + 7, 255), PacketKind::kNeighbourSolicitation);
  EXPECT_EQ(KindWith(frame, kIp + 7, 254), PacketKind::kMalformed);
  frame[kIp + 7] = 255;
  EXPECT_EQ(KindWith(frame, kTcpV6 + 8, 0xff), PacketKind::kMalformed);  // a group's address
}

TEST(ParseFrame, IgnoresRouterSolicitations) {
  Bytes frame = MakeIcmpEcho(kFromV6.address, *IpAddress::Parse("ff02::2"), {});
  EXPECT_EQ(KindWith(frame, kTcpV6, 133), PacketKind::kIgnored);
}

TEST(ParseFrame, RefusesExtensionHeaders) {
  for (const uint8_t next_header : Bytes{0, 43, 51, 60, 135, 139, 140}) {
    EXPECT_EQ(KindWith(MakeUdp(kFromV6, kToV6, Pattern(16)), kIp + 6, next_header),
              PacketKind::kExtensionHeader)
        << int{next_header};
  }
}

TEST(ParseFrame, NamesOtherProtocols) {
  EXPECT_EQ(KindWith(Data(), kIp + 9, 132), PacketKind::kOtherProtocol);  // SCTP
  EXPECT_EQ(KindWith(Data(), kIp + 9, 58), PacketKind::kOtherProtocol);   // ICMPv6 in IPv4
}

TEST(ParseFrame, RefusesImpossibleSources) {
  for (const char* source : {"127.0.0.1", "224.0.0.1", "255.255.255.255"}) {
    EXPECT_EQ(KindOf(MakeTcp({.from = {*IpAddress::Parse(source), 1}, .to = kTo, .flags = 2})),
              PacketKind::kMalformed)
        << source;
  }
  EXPECT_EQ(KindOf(MakeTcp({.from = {*IpAddress::Parse("::1"), 1}, .to = kToV6, .flags = 2})),
            PacketKind::kMalformed);
}

TEST(ParseFrame, IgnoresMulticastAndBroadcast) {
  EXPECT_EQ(KindOf(MakeUdp(kFrom, {*IpAddress::Parse("224.0.0.251"), 5353}, {})),
            PacketKind::kIgnored);
  EXPECT_EQ(KindOf(MakeUdp(kFromV6, {*IpAddress::Parse("ff02::fb"), 5353}, {})),
            PacketKind::kIgnored);
  EXPECT_EQ(
      KindOf(MakeUdp({IpAddress::V4(0, 0, 0, 0), 68}, {IpAddress::V4(255, 255, 255, 255), 67}, {})),
      PacketKind::kIgnored);
}

TEST(ParseFrame, AcceptsOnlySoundTcpFlags) {
  const auto with_flags = [](uint8_t flags) {
    return KindOf(MakeTcp({.from = kFrom, .to = kTo, .flags = flags}));
  };
  for (const uint8_t flags : Bytes{0x02, 0x10, 0x11, 0x18, 0x19, 0x04, 0x14, 0xc2, 0x30}) {
    EXPECT_EQ(with_flags(flags), PacketKind::kTcp) << int{flags};
  }
  for (const uint8_t flags : Bytes{0x00, 0x01, 0x03, 0x06, 0x08, 0x05, 0x29, 0x3f, 0xff}) {
    EXPECT_EQ(with_flags(flags), PacketKind::kMalformed) << int{flags};
  }
}

TEST(ParseFrame, RefusesWrongTcpHeaderLengths) {
  EXPECT_EQ(KindWith(Syn(), kTcpV4 + 12, 0x40), PacketKind::kMalformed);
  EXPECT_EQ(KindWith(Syn(), kTcpV4 + 12, 0x60), PacketKind::kMalformed);  // beyond the packet
  EXPECT_EQ(KindWith(Syn(), kTcpV4 + 12, 0xf0), PacketKind::kMalformed);
}

TEST(ParseFrame, RefusesPortZero) {
  EXPECT_EQ(KindOf(MakeTcp({.from = {kFrom.address, 0}, .to = kTo, .flags = 2})),
            PacketKind::kMalformed);
  EXPECT_EQ(KindOf(MakeTcp({.from = kFrom, .to = {kTo.address, 0}, .flags = 2})),
            PacketKind::kMalformed);
}

TEST(ParseFrame, AcceptsTheOptionsOfRealKernels) {
  EXPECT_EQ(KindOf(Syn({2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7})),
            PacketKind::kTcp);
  EXPECT_EQ(KindOf(Data({1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8})), PacketKind::kTcp);
  EXPECT_EQ(KindOf(Data({1, 1, 5, 10, 1, 2, 3, 4, 5, 6, 7, 8})), PacketKind::kTcp);
  EXPECT_EQ(KindOf(Data({254, 4, 1, 2})), PacketKind::kTcp);  // unknown kinds are skipped
  EXPECT_EQ(KindOf(Data({0, 2, 3, 4})), PacketKind::kTcp);    // nothing behind the end counts
}

TEST(ParseFrame, RefusesOptionsThatDoNotFit) {
  EXPECT_EQ(KindOf(Syn({1, 1, 1, 2})), PacketKind::kMalformed);  // kind without length
  EXPECT_EQ(KindOf(Syn({2, 4, 5, 0xb4, 1, 1, 2, 4})), PacketKind::kMalformed);  // beyond the end
  EXPECT_EQ(KindOf(Syn({2, 0, 1, 1})), PacketKind::kMalformed);
  EXPECT_EQ(KindOf(Syn({254, 1, 1, 1})), PacketKind::kMalformed);
  EXPECT_EQ(KindOf(Syn({2, 3, 5, 1})), PacketKind::kMalformed);  // MSS of the wrong length
  EXPECT_EQ(KindOf(Syn({3, 4, 7, 7})), PacketKind::kMalformed);  // window scale
  EXPECT_EQ(KindOf(Data({8, 8, 1, 2, 3, 4, 5, 6})), PacketKind::kMalformed);
  EXPECT_EQ(KindOf(Data({5, 4, 1, 2})), PacketKind::kMalformed);
}

TEST(ParseFrame, RefusesHandshakeOptionsOutsideTheHandshake) {
  EXPECT_EQ(KindOf(Data({2, 4, 0, 1})), PacketKind::kMalformed);
  EXPECT_EQ(KindOf(Data({1, 3, 3, 7})), PacketKind::kMalformed);
  EXPECT_EQ(KindOf(Data({1, 1, 4, 2})), PacketKind::kMalformed);
}

TEST(ParseFrame, VerifiesChecksumsUnlessTheKernelVouches) {
  Bytes frame = Data();
  frame.back() ^= 1;
  EXPECT_EQ(KindOf(frame), PacketKind::kMalformed);
  SetVnet(frame, {.flags = 2});
  EXPECT_EQ(KindOf(frame), PacketKind::kTcp);
  SetVnet(frame, {.flags = 1, .checksum_start = 34, .checksum_offset = 16});
  EXPECT_EQ(KindOf(frame), PacketKind::kTcp);
  SetVnet(frame, {.flags = 1, .checksum_start = 36, .checksum_offset = 16});
  EXPECT_EQ(KindOf(frame), PacketKind::kMalformed);
  SetVnet(frame, {.flags = 1, .checksum_start = 34, .checksum_offset = 6});
  EXPECT_EQ(KindOf(frame), PacketKind::kMalformed);
}

TEST(ParseFrame, AcceptsOffloadedSegmentsOfTheRightKindOnly) {
  Bytes frame = Data();
  const auto kind = [&](uint8_t flags, uint8_t gso_type, uint16_t gso_size) {
    SetVnet(frame, {.flags = flags,
                    .gso_type = gso_type,
                    .header_length = 54,
                    .gso_size = gso_size,
                    .checksum_start = 34,
                    .checksum_offset = 16});
    return KindOf(frame);
  };
  EXPECT_EQ(kind(1, 1, 1460), PacketKind::kTcp);
  EXPECT_EQ(kind(1, 0x81, 1460), PacketKind::kTcp);     // with the ECN bit
  EXPECT_EQ(kind(1, 4, 1460), PacketKind::kMalformed);  // TCPv6 in IPv4
  EXPECT_EQ(kind(1, 5, 1460), PacketKind::kMalformed);  // UDP
  EXPECT_EQ(kind(1, 3, 1460), PacketKind::kMalformed);  // UDP fragments
  EXPECT_EQ(kind(1, 1, 0), PacketKind::kMalformed);
  EXPECT_EQ(kind(0, 1, 1460), PacketKind::kMalformed);  // without partial checksum
}

TEST(ParseFrame, UdpMayDoWithoutChecksumOverIpv4Only) {
  Bytes v4 = MakeUdp(kFrom, kTo, Pattern(8));
  v4[kTcpV4 + 6] = v4[kTcpV4 + 7] = 0;
  EXPECT_EQ(KindOf(v4), PacketKind::kUdp);
  Bytes v6 = MakeUdp(kFromV6, kToV6, Pattern(8));
  v6[kTcpV6 + 6] = v6[kTcpV6 + 7] = 0;
  EXPECT_EQ(KindOf(v6), PacketKind::kMalformed);
}

TEST(ParseFrame, RefusesWrongUdpLengths) {
  EXPECT_EQ(KindWith(MakeUdp(kFrom, kTo, Pattern(8)), kTcpV4 + 5, 7), PacketKind::kMalformed);
  EXPECT_EQ(KindWith(MakeUdp(kFrom, kTo, Pattern(8)), kTcpV4 + 5, 17), PacketKind::kMalformed);
}

// RFC 1071, 3: the example's sum.
TEST(Checksum, MatchesTheExampleOfRfc1071) {
  const Bytes example = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(ChecksumFold(ChecksumAdd(0, example)), 0xddf2);
  EXPECT_EQ(Checksum(example), 0x220d);
}

TEST(Checksum, CountsAnOddLastByteAsAHighHalf) {
  EXPECT_EQ(ChecksumFold(ChecksumAdd(0, Bytes{0x12, 0x34, 0x56})), 0x1234 + 0x5600);
}

}  // namespace
}  // namespace mini::netstack
