// The TCP flows of a stack between the sandbox's kernel and servers, both of which are made up
// here.
#ifndef MINI_SANDBOX_BENCH_MICRO_TCP_WORLD_H_
#define MINI_SANDBOX_BENCH_MICRO_TCP_WORLD_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "fake_link.h"
#include "netstack/flow/tcp_flow_table.h"
#include "netstack/link/packet.h"

namespace mini::micro {

// Everything that connects is served by a far side that sends back what it gets and closes when the
// client does; at kClosedPort nobody is, by the policy.
class TcpWorld {
 public:
  static constexpr uint16_t kOpenPort = 80, kClosedPort = 9;

  // With so many connections that have exchanged a few bytes, and are idle.
  explicit TcpWorld(size_t idle_flows);

  void Write(std::span<const uint8_t> frame) { link_.Write(frame); }
  // What the stack does with a batch of frames.
  void RunBatch();
  // The next segment of the stack's, which has all these flags.
  netstack::Packet Expect(uint8_t flags);
  // Whether the stack has said all it has to say.
  bool IsSilent() { return link_.Read().empty(); }

  netstack::TcpFlowTable& table() { return *table_; }
  // Ends the program if one of the idle connections is gone, or another one is left.
  void ExpectFlows(size_t count) const;

 private:
  netstack::TcpFlowTable::Admission Admit(netstack::TcpFlowTable& table,
                                          const netstack::FlowKey& key);

  FakeLink link_;
  std::unique_ptr<netstack::EpollLoop> loop_;
  netstack::TapLink stack_link_;
  netstack::MemoryBudget budget_;
  netstack::RxBufferPool rx_buffers_;
  std::unique_ptr<netstack::TcpFlowTable> table_;
};

// A segment that is sent over and over: what differs is written into it.
class SegmentFrame {
 public:
  SegmentFrame(const netstack::FlowKey& key, uint8_t flags, size_t payload,
               std::vector<uint8_t> options = {});
  std::span<const uint8_t> With(uint16_t source_port, uint32_t sequence, uint32_t acknowledgment);

 private:
  std::vector<uint8_t> frame_;
};

// The sandbox's end of one connection at a time.
class TcpClient {
 public:
  TcpClient(TcpWorld& world, const IpAddress& server, size_t payload);

  void Connect(uint16_t port);
  // The payload, there and back. How many frames came back with it.
  // The last of them is acknowledged by what is sent next.
  size_t Exchange();
  void Acknowledge();
  // FIN, answered by FIN: nothing is left of the connection.
  void Close();
  // Of a connect to where nobody is.
  void ExpectRefusal(uint16_t port);

 private:
  TcpWorld& world_;
  const size_t payload_;
  SegmentFrame syn_, refused_syn_, acknowledgment_, data_, fin_;
  uint16_t port_ = 0;
  uint32_t sequence_ = 0;  // of the next byte out
  uint32_t expected_ = 0;  // of the next byte in
};

}  // namespace mini::micro

#endif  // MINI_SANDBOX_BENCH_MICRO_TCP_WORLD_H_
