// The flow tables, with few and with many flows: what is done for one of them has to cost the same.
//
// Frames go over the link, as they do in the stack: four system calls for a segment there and back
// (FrameCrossesTheLink is half of that).
#include <benchmark/benchmark.h>
#include <sys/socket.h>

#include <memory>
#include <utility>
#include <vector>

#include "micro.h"
#include "netstack/flow/activity_list.h"
#include "netstack/flow/connect_limits.h"
#include "netstack/flow/flow_key.h"
#include "netstack/flow/udp_flow_table.h"
#include "tcp_world.h"
#include "tests/netstack/test_frames.h"

namespace mini::micro {
namespace {

using namespace netstack;

const IpAddress kServer = IpAddress::V4(192, 0, 2, 80);

size_t Count(const benchmark::State& state, size_t index = 0) {
  return static_cast<size_t>(state.range(index));
}

// --- TCP ----------------------------------------------------------------------------------------

void TcpSegmentThereAndBack(benchmark::State& state) {
  const size_t idle = Count(state, 0);
  TcpWorld world(idle);
  TcpClient client(world, kServer, Count(state, 1));
  client.Connect(40000);
  // Until the windows of both sides take the payload in one piece.
  for (int i = 0; client.Exchange() > 1; ++i) OrDie(i < 1000, "windows open");
  for (auto unused : state) OrDie(client.Exchange() == 1, "one segment comes back for one");
  world.ExpectFlows(idle + 1);
}
BENCHMARK(TcpSegmentThereAndBack)
    ->ArgNames({"idle", "bytes"})
    ->Args({0, 64})
    ->Args({0, 1460})
    ->Args({0, 64'000})
    ->Args({1000, 64})
    ->Args({10'000, 64});

// SYN, SYN-ACK, ACK, a request, its answer, FIN both ways: nothing is left of it.
void TcpShortConnection(benchmark::State& state) {
  const size_t idle = Count(state);
  TcpWorld world(idle);
  TcpClient client(world, kServer, 64);
  uint16_t port = 1024;
  for (auto unused : state) {
    client.Connect(port);
    client.Exchange();
    client.Close();
    port = port == 65535 ? uint16_t{1024} : static_cast<uint16_t>(port + 1);
  }
  OrDie(world.IsSilent(), "closed connections are silent");
  world.ExpectFlows(idle);
}
BENCHMARK(TcpShortConnection)->ArgName("idle")->Arg(0)->Arg(1000)->Arg(10'000);

void TcpConnectIsRefused(benchmark::State& state) {
  const size_t idle = Count(state);
  TcpWorld world(idle);
  TcpClient client(world, kServer, 0);
  for (auto unused : state) client.ExpectRefusal(40000);
  world.ExpectFlows(idle);
}
BENCHMARK(TcpConnectIsRefused)->ArgName("idle")->Arg(0)->Arg(10'000);

// lwIP's timers, four times a second: this one has to look at every flow.
void TcpTick(benchmark::State& state) {
  TcpWorld world(Count(state));
  for (auto unused : state) world.table().Tick();
  OrDie(world.IsSilent(), "idle connections are silent");
  world.ExpectFlows(Count(state));
  state.counters["per_flow"] = benchmark::Counter(
      static_cast<double>(Count(state)),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK(TcpTick)->ArgName("idle")->Arg(10)->Arg(1000)->Arg(10'000);

// --- UDP ----------------------------------------------------------------------------------------

// A server on this machine's loopback.
class DatagramSink {
 public:
  DatagramSink() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage address;
    socklen_t length = ToSockaddr({IpAddress::V4(127, 0, 0, 1), 0}, address);
    OrDie(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), length) == 0, "a port is bound");
    length = sizeof address;
    OrDie(getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0,
          "a socket has a name");
    endpoint_ = *FromSockaddr(address);
  }
  const Endpoint& endpoint() const { return endpoint_; }
  void Expect(size_t size) {
    uint8_t byte;
    OrDie(recv(fd_.get(), &byte, 1, MSG_TRUNC | MSG_DONTWAIT) == static_cast<ssize_t>(size),
          "a datagram has arrived");
  }

 private:
  UniqueFd fd_;
  Endpoint endpoint_;
};

// From the frame to the server's socket, on one of so many flows.
void UdpDatagramLeaves(benchmark::State& state) {
  constexpr size_t kPayload = 64;
  const size_t flows = Count(state);
  DatagramSink sink;
  FakeLink fake;
  TapLink link(fake.TakeStackEnd());
  PacketWriter writer(link);
  const auto loop = ValueOrDie(EpollLoop::Create());
  Filter filter{FilterOptions()};
  const auto dns = ValueOrDie(DnsServer::Create(ResolverConfig(), &filter, loop.get()));
  UdpFlowTable table(*loop, writer, *dns, flows, [](const Endpoint&, Room room) {
    return room == Room::kThere ? std::optional(FlowRecord()) : std::nullopt;
  });
  const auto send = [&](const Bytes& frame, const Packet& packet) {
    table.Input(frame, packet);
    table.Flush();
    sink.Expect(kPayload);
  };
  Bytes frame;
  for (size_t i = 0; i < flows; ++i) {
    const Endpoint from{IpAddress::V4(198, 18, 0, 1), static_cast<uint16_t>(1024 + i)};
    frame = MakeUdp(from, sink.endpoint(), Pattern(kPayload));
    send(frame, ParseFrame(frame));
  }
  const Packet packet = ParseFrame(frame);
  for (auto unused : state) send(frame, packet);
  OrDie(table.flow_count() == flows, "every flow is there");
}
BENCHMARK(UdpDatagramLeaves)->ArgName("flows")->Arg(1)->Arg(500);

// --- parts --------------------------------------------------------------------------------------

void FlowIsFoundByItsKey(benchmark::State& state) {
  std::unordered_map<FlowKey, int64_t, FlowKeyHash> flows;
  const auto key = [](int64_t i) {
    return FlowKey{{IpAddress::V4(198, 18, 0, 1), static_cast<uint16_t>(i)}, {kServer, 443}};
  };
  for (int64_t i = 0; i < state.range(0); ++i) flows.emplace(key(i), i);
  int64_t asked = 0;
  for (auto unused : state) {
    OrDie(flows.find(key(asked))->second == asked, "a flow is found");
    asked = asked + 1 == state.range(0) ? 0 : asked + 1;
  }
}
BENCHMARK(FlowIsFoundByItsKey)->ArgName("flows")->Arg(10)->Arg(1000)->Arg(10'000);

void ActivityIsNoted(benchmark::State& state) {
  ActivityList list;
  std::vector<ActivityLink> links(Count(state));
  size_t turn = 0;
  for (auto unused : state) {
    list.Touch(links[turn], TimePoint());
    turn = turn + 1 == links.size() ? 0 : turn + 1;
  }
  OrDie(list.size() <= links.size() && list.oldest() != nullptr, "activity is in the list");
}
BENCHMARK(ActivityIsNoted)->ArgName("flows")->Arg(10)->Arg(10'000);

// What each connect pays before it is admitted.
void ConnectIsRated(benchmark::State& state) {
  ConnectRates rates{TcpLimits()};
  PendingConnects pending;
  for (auto unused : state) {
    RateLimit* paid = rates.Take({kServer, 443}, TimePoint());
    OrDie(paid != nullptr && pending.size() == 0, "a connect may be made");
    paid->GiveBack();
  }
}
BENCHMARK(ConnectIsRated);

}  // namespace
}  // namespace mini::micro
