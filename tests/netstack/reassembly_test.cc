// Fragments from the sandbox: what makes a datagram, what never does, and what all of it may cost.
#include "netstack/link/reassembly.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "test_frames.h"

namespace mini::netstack {
namespace {

using std::chrono::seconds;

const Endpoint kFrom{*IpAddress::Parse("198.18.0.1"), 40000};
const Endpoint kTo{*IpAddress::Parse("203.0.113.5"), 2049};
const Endpoint kFromV6{*IpAddress::Parse("fd6d:696e:6900::1"), 40000};
const Endpoint kToV6{*IpAddress::Parse("2001:db8::5"), 2049};

struct Family {
  Endpoint from, to;
};
const Family kFamilies[] = {{kFrom, kTo}, {kFromV6, kToV6}};

class Reassembly : public ::testing::Test {
 protected:
  // Whether `frame` is taken for a fragment; what it completes is in `whole_`.
  bool Add(const Bytes& frame) {
    const Packet packet = ParseFrame(frame);
    if (packet.kind != PacketKind::kFragment) return false;
    const auto whole = reassembler_.Add(frame, packet, now_);
    whole_.assign(whole.begin(), whole.end());
    return true;
  }
  void AddAll(const std::vector<Bytes>& frames) {
    for (const Bytes& frame : frames) {
      EXPECT_TRUE(whole_.empty());
      ASSERT_TRUE(Add(frame));
    }
  }
  // The datagram's payload that has come out, or nothing.
  std::optional<Bytes> Datagram() const {
    const Packet packet = ParseFrame(whole_);
    if (packet.kind != PacketKind::kUdp) return std::nullopt;
    const auto begin = whole_.begin() + static_cast<ptrdiff_t>(packet.payload_offset);
    return Bytes(begin, begin + static_cast<ptrdiff_t>(packet.payload_length));
  }

  Reassembler reassembler_;
  TimePoint now_ = TimePoint() + seconds(100);
  Bytes whole_;
};

TEST_F(Reassembly, PutsTheLongestDatagramsTogether) {
  for (const auto& [from, to] : kFamilies) {
    const size_t longest = from.address.is_v4() ? 65507 : 65527;
    for (const size_t size : {size_t{1473}, size_t{9000}, longest}) {
      whole_.clear();
      AddAll(MakeFragments(MakeUdp(from, to, Pattern(size)), 1480, 7));
      EXPECT_EQ(Datagram(), Pattern(size)) << size;
      EXPECT_EQ(reassembler_.waiting(), 0u);
      EXPECT_EQ(reassembler_.bytes_held(), 0u);
    }
  }
}

TEST_F(Reassembly, TakesFragmentsInAnyOrder) {
  std::mt19937 random(3);
  for (const auto& [from, to] : kFamilies) {
    for (int round = 0; round < 20; ++round) {
      auto frames = MakeFragments(MakeUdp(from, to, Pattern(20000)), 1000, 7);
      std::ranges::shuffle(frames, random);
      whole_.clear();
      AddAll(frames);
      EXPECT_EQ(Datagram(), Pattern(20000));
    }
  }
}

TEST_F(Reassembly, TakesTheSmallestFragmentsThereAre) {
  for (const auto& [from, to] : kFamilies) {
    whole_.clear();
    AddAll(MakeFragments(MakeUdp(from, to, Pattern(1003)), 8, 7));
    EXPECT_EQ(Datagram(), Pattern(1003));
  }
}

TEST_F(Reassembly, KeepsDatagramsApartThatInterleave) {
  const auto one = MakeFragments(MakeUdp(kFrom, kTo, Pattern(3000, 1)), 1480, 1);
  const auto two = MakeFragments(MakeUdp(kFrom, kTo, Pattern(3000, 2)), 1480, 2);
  for (size_t i = 0; i + 1 < one.size(); ++i) {
    Add(one[i]);
    Add(two[i]);
  }
  EXPECT_EQ(reassembler_.waiting(), 2u);
  Add(two.back());
  EXPECT_EQ(Datagram(), Pattern(3000, 2));
  Add(one.back());
  EXPECT_EQ(Datagram(), Pattern(3000, 1));
}

TEST_F(Reassembly, LeavesItToTheChecksumWhetherItIsADatagram) {
  auto frames = MakeFragments(MakeUdp(kFromV6, kToV6, Pattern(3000)), 1480, 7);
  frames[1].back() ^= 1;
  AddAll(frames);
  EXPECT_FALSE(whole_.empty());
  EXPECT_EQ(ParseFrame(whole_).kind, PacketKind::kMalformed);
}

TEST_F(Reassembly, KeepsIpv4Options) {
  Bytes datagram = MakeUdp(kFrom, kTo, Pattern(3000));
  datagram.insert(datagram.begin() + 44, {1, 1, 1, 0});  // no operation, end of options
  datagram[24] = 0x46;
  datagram[26] = static_cast<uint8_t>((datagram.size() - 24) >> 8);
  datagram[27] = static_cast<uint8_t>(datagram.size() - 24);
  FixChecksums(datagram);
  AddAll(MakeFragments(datagram, 1480, 7));
  EXPECT_EQ(Datagram(), Pattern(3000));
}

// RFC 5722: the whole datagram goes, with the parts that are still to come.
TEST_F(Reassembly, RefusesADatagramWhosePartsOverlap) {
  for (const auto& [from, to] : kFamilies) {
    const auto frames = MakeFragments(MakeUdp(from, to, Pattern(4000)), 1000, 7);
    for (const size_t again : {size_t{0}, size_t{1}}) {
      reassembler_ = Reassembler();
      whole_.clear();
      Add(frames[0]);
      Add(frames[1]);
      Add(frames[again]);  // from the start of what is there, and behind it
      for (const Bytes& frame : frames) Add(frame);
      EXPECT_TRUE(whole_.empty());
      EXPECT_EQ(reassembler_.waiting(), 1u);
    }
    // Across the border of two parts.
    reassembler_ = Reassembler();
    const auto shifted = MakeFragments(MakeUdp(from, to, Pattern(4000)), 1504, 7);
    Add(frames[0]);
    Add(shifted[1]);
    Add(frames[1]);
    Add(frames[2]);
    Add(shifted[2]);
    EXPECT_TRUE(whole_.empty());
  }
}

TEST_F(Reassembly, RefusesTwoEnds) {
  for (const auto& [from, to] : kFamilies) {
    const auto longer = MakeFragments(MakeUdp(from, to, Pattern(4000)), 1000, 7);
    const auto shorter = MakeFragments(MakeUdp(from, to, Pattern(3000)), 1000, 7);
    reassembler_ = Reassembler();
    Add(shorter.back());
    Add(longer.back());  // another end
    for (const Bytes& frame : longer) Add(frame);
    EXPECT_TRUE(whole_.empty());
    reassembler_ = Reassembler();
    Add(longer[3]);  // behind the end that comes now
    Add(shorter.back());
    for (const Bytes& frame : shorter) Add(frame);
    EXPECT_TRUE(whole_.empty());
    reassembler_ = Reassembler();
    Add(shorter.back());  // and the other way round
    Add(longer[3]);
    for (const Bytes& frame : shorter) Add(frame);
    EXPECT_TRUE(whole_.empty());
  }
}

TEST_F(Reassembly, AnIpv6DatagramInOneFragmentWaitsForNothing) {
  const auto waiting = MakeFragments(MakeUdp(kFromV6, kToV6, Pattern(3000)), 1480, 7);
  Add(waiting[0]);
  const auto atomic = MakeFragments(MakeUdp(kFromV6, kToV6, Pattern(100, 2)), 1480, 7);
  ASSERT_EQ(atomic.size(), 1u);
  ASSERT_TRUE(Add(atomic[0]));  // RFC 6946: the same identification is no overlap
  EXPECT_EQ(Datagram(), Pattern(100, 2));
  Add(waiting[1]);
  Add(waiting[2]);
  EXPECT_EQ(Datagram(), Pattern(3000));
}

TEST_F(Reassembly, KeepsOnlyUdpAndIcmp) {
  const Bytes segment =
      MakeTcp({.from = kFrom, .to = kTo, .flags = 0x10, .payload = Pattern(3000)});
  for (const Bytes& frame : MakeFragments(segment, 1000, 7)) {
    ASSERT_TRUE(Add(frame));
    EXPECT_TRUE(whole_.empty());
  }
  EXPECT_EQ(reassembler_.waiting(), 0u);
  for (const auto& [from, to] : kFamilies) {
    whole_.clear();
    AddAll(MakeFragments(MakeIcmpEcho(from.address, to.address, Pattern(3000)), 1000, 7));
    EXPECT_EQ(ParseFrame(whole_).kind, PacketKind::kEchoRequest);
  }
}

TEST_F(Reassembly, ForgetsWhatWaitsForTooLong) {
  const auto early = MakeFragments(MakeUdp(kFrom, kTo, Pattern(3000)), 1480, 1);
  const auto late = MakeFragments(MakeUdp(kFrom, kTo, Pattern(3000)), 1480, 2);
  Add(early[0]);
  now_ += seconds(29);
  Add(late[0]);
  reassembler_.Expire(now_);
  EXPECT_EQ(reassembler_.waiting(), 2u);
  now_ += seconds(1);
  reassembler_.Expire(now_);
  EXPECT_EQ(reassembler_.waiting(), 1u);
  Add(late[1]);
  Add(late[2]);
  EXPECT_EQ(Datagram(), Pattern(3000));
  EXPECT_EQ(reassembler_.bytes_held(), 0u);
}

TEST_F(Reassembly, HoldsNoMoreDatagramsThanTheCap) {
  std::vector<std::vector<Bytes>> all;
  for (uint32_t id = 0; id < 100; ++id) {
    all.push_back(MakeFragments(MakeUdp(kFrom, kTo, Pattern(2000, id)), 1480, id));
    Add(all.back()[0]);
  }
  EXPECT_EQ(reassembler_.waiting(), 64u);
  Add(all[99][1]);
  EXPECT_EQ(Datagram(), Pattern(2000, 99));  // the last ones are those that are left
  Add(all[0][1]);
  EXPECT_TRUE(whole_.empty());
}

TEST_F(Reassembly, HoldsNoMoreBytesThanTheCap) {
  for (uint32_t id = 0; id < 200; ++id) {
    auto frames = MakeFragments(MakeUdp(kFrom, kTo, Pattern(65000)), 1480, id);
    frames.erase(frames.begin() + 3);
    for (const Bytes& frame : frames) Add(frame);
    ASSERT_LE(reassembler_.bytes_held(), size_t{1} << 20);
  }
  EXPECT_GE(reassembler_.waiting(), 5u);
}

// The costliest way: eight bytes here, a hole, eight bytes there.
TEST_F(Reassembly, ChargesForHoles) {
  for (uint32_t id = 0; id < 40; ++id) {
    const auto frames = MakeFragments(MakeUdp(kFrom, kTo, Pattern(65000)), 8, id);
    for (size_t i = 0; i < frames.size(); i += 2) Add(frames[i]);
    ASSERT_LE(reassembler_.bytes_held(), size_t{1} << 20);
  }
  EXPECT_LE(reassembler_.waiting(), 4u);
}

}  // namespace
}  // namespace mini::netstack
