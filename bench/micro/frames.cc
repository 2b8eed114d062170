// One frame: over the link, and what it says.
#include <benchmark/benchmark.h>

#include <utility>
#include <vector>

#include "fake_link.h"
#include "micro.h"
#include "netstack/link/packet.h"
#include "netstack/link/packet_writer.h"
#include "netstack/link/reassembly.h"
#include "netstack/link/vnet.h"
#include "tests/netstack/test_frames.h"

namespace mini::micro {
namespace {

using namespace netstack;

Endpoint Sandbox(bool v4) {
  return {v4 ? IpAddress::V4(198, 18, 0, 1) : *IpAddress::Parse("fd6d:696e:6900::1"), 40000};
}
Endpoint Server(bool v4) {
  return {v4 ? IpAddress::V4(192, 0, 2, 1) : *IpAddress::Parse("2001:db8::1"), 4433};
}

// The kernel inside vouches for the data: its checksum is left to whoever takes it.
Bytes Vouched(Bytes frame) {
  VnetFields vnet;
  vnet.flags = kVnetDataValid;
  SetVnet(frame, vnet);
  return frame;
}

Bytes Segment(bool v4, size_t payload) {
  TcpFields fields;
  fields.from = Sandbox(v4);
  fields.to = Server(v4);
  fields.flags = kTcpAck;
  fields.payload = Pattern(payload);
  return Vouched(MakeTcp(fields));
}

Bytes CutShort(Bytes frame) {
  frame.resize(kLinkHeaderSize + kIpv4HeaderSize + kTcpHeaderSize / 2);
  return frame;
}

Bytes Datagram(bool v4, size_t payload) {
  return MakeUdp(Sandbox(v4), Server(v4), Pattern(payload));
}

void FrameIsParsed(benchmark::State& state, const Bytes& frame, PacketKind kind) {
  for (auto unused : state) OrDie(ParseFrame(frame).kind == kind, "a frame is what it is");
}
BENCHMARK_CAPTURE(FrameIsParsed, tcp_v4, Segment(true, 1460), PacketKind::kTcp);
BENCHMARK_CAPTURE(FrameIsParsed, tcp_v6, Segment(false, 1440), PacketKind::kTcp);
BENCHMARK_CAPTURE(FrameIsParsed, udp_v4_64, Vouched(Datagram(true, 64)), PacketKind::kUdp);
BENCHMARK_CAPTURE(FrameIsParsed, udp_v4_1472, Vouched(Datagram(true, 1472)), PacketKind::kUdp);
BENCHMARK_CAPTURE(FrameIsParsed, udp_v4_1472_summed, Datagram(true, 1472), PacketKind::kUdp);
BENCHMARK_CAPTURE(FrameIsParsed, malformed, CutShort(Segment(true, 0)), PacketKind::kMalformed);

// Written by the kernel inside, read and parsed by the stack.
void FrameCrossesTheLink(benchmark::State& state) {
  FakeLink fake;
  TapLink link(fake.TakeStackEnd());
  const Bytes frame = Segment(true, static_cast<size_t>(state.range(0)));
  Bytes buffer(kMaxFrameSize);
  for (auto unused : state) {
    fake.Write(frame);
    const size_t length = ValueOrDie(link.Read(buffer));
    OrDie(ParseFrame(std::span(buffer).first(length)).kind == PacketKind::kTcp, "a frame arrives");
  }
}
BENCHMARK(FrameCrossesTheLink)->Arg(0)->Arg(64)->Arg(1460);

// And the other way: headers built, written by the stack, read by the kernel inside.
void DatagramIsWritten(benchmark::State& state) {
  FakeLink fake;
  TapLink link(fake.TakeStackEnd());
  PacketWriter writer(link);
  const Bytes payload = Pattern(static_cast<size_t>(state.range(0)));
  for (auto unused : state) {
    writer.WriteDatagram(Server(true), Sandbox(true), payload);
    OrDie(fake.Read().size() > payload.size(), "a datagram arrives");
  }
}
BENCHMARK(DatagramIsWritten)->Arg(64)->Arg(1472);

void ResetIsBuilt(benchmark::State& state) {
  const Packet segment = ParseFrame(Segment(true, 0));
  SmallFrame frame;
  for (auto unused : state) {
    OrDie(BuildTcpReset(frame, kSandboxMac, segment).has_value(), "a reset is built");
  }
}
BENCHMARK(ResetIsBuilt);

void FragmentsArePutTogether(benchmark::State& state) {
  const auto fragments = MakeFragments(Datagram(true, 8000), 1480, 7);
  std::vector<Packet> packets;
  for (const Bytes& fragment : fragments) packets.push_back(ParseFrame(fragment));
  Reassembler reassembler;
  for (auto unused : state) {
    bool whole = false;
    for (size_t i = 0; i < fragments.size(); ++i) {
      whole = !reassembler.Add(fragments[i], packets[i], TimePoint()).empty();
    }
    OrDie(whole, "a datagram is whole");
  }
}
BENCHMARK(FragmentsArePutTogether);

}  // namespace
}  // namespace mini::micro
