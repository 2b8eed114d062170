// A TCP client of the sandbox, segment by segment.
#ifndef MINI_SANDBOX_TESTS_NETSTACK_FAKE_TCP_CLIENT_H_
#define MINI_SANDBOX_TESTS_NETSTACK_FAKE_TCP_CLIENT_H_

#include <chrono>
#include <optional>
#include <vector>

#include "fake_sandbox.h"

namespace mini::netstack {

// Acknowledges what it gets unless told otherwise.
class FakeTcpClient {
 public:
  FakeTcpClient(FakeSandbox& sandbox, Endpoint from, Endpoint to)
      : sandbox_(sandbox), from_(from), to_(to) {}

  void SendSyn();
  // The three-way handshake; the frame that answered the SYN.
  std::optional<SeenFrame> Connect();
  // The server's part of the handshake: `syn` came for it.
  bool Accept(const SeenFrame& syn);
  std::optional<SeenFrame> Connect(const Bytes& options);
  bool connected() const { return connected_; }
  void Write(const Bytes& data);
  // In frames of one segment each, no matter how large (the kernel's segmentation offload).
  void WriteOffloaded(const Bytes& data, uint16_t gso_size);
  Bytes ReadExactly(size_t size);
  void Finish();
  void Reset();
  // Until a frame with that flag comes; data on the way is kept for ReadExactly().
  bool AwaitFlag(uint8_t flag);
  bool AwaitAcknowledged();
  bool AwaitWindow(uint32_t size);
  void set_window(uint16_t window) { window_ = window; }
  void SendAck();
  // Any other segment: the fields are those of this client's next one.
  TcpFields Fields(uint8_t flags) const;
  void Send(const TcpFields& fields) { sandbox_.Send(MakeTcp(fields)); }
  uint32_t next_sequence() const { return sequence_; }
  uint32_t peer_window() const { return peer_window_; }
  const std::vector<SeenFrame>& frames() const { return frames_; }

 private:
  void SendSyn(const Bytes& options);
  std::optional<SeenFrame> Shake();
  std::optional<SeenFrame> Step(std::chrono::milliseconds patience = kPatience);

  FakeSandbox& sandbox_;
  Endpoint from_, to_;
  uint32_t sequence_ = 1000;
  uint32_t acknowledged_ = 1000;
  uint32_t expected_ = 0;
  uint32_t peer_window_ = 0;
  uint8_t peer_scale_ = 0;
  uint16_t window_ = 0xffff;
  bool connected_ = false;
  uint8_t seen_flags_ = 0;
  Bytes received_;
  std::vector<SeenFrame> frames_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_TESTS_NETSTACK_FAKE_TCP_CLIENT_H_
