// The sandbox's kernel, as far as the stack can see: frames on one end of a socketpair whose other
// end is the stack's link. Builds and reads packets with code of its own, so that a mistake in
// netstack/link cannot hide itself.
#ifndef MINI_SANDBOX_TESTS_NETSTACK_FAKE_SANDBOX_H_
#define MINI_SANDBOX_TESTS_NETSTACK_FAKE_SANDBOX_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "netstack/stack.h"

namespace mini::netstack {

using Bytes = std::vector<uint8_t>;

inline constexpr auto kPatience = std::chrono::seconds(5);

struct VnetFields {
  uint8_t flags = 0;
  uint8_t gso_type = 0;
  uint16_t header_length = 0;
  uint16_t gso_size = 0;
  uint16_t checksum_start = 0;
  uint16_t checksum_offset = 0;
};

// One frame from the stack, taken apart. Checksums have been verified, or were left partial with
// the right pseudo header sum; anything else makes `sound` false.
struct SeenFrame {
  bool sound = false;
  VnetFields vnet;
  uint16_t ether_type = 0;
  IpAddress source, destination;
  uint8_t protocol = 0;
  uint16_t source_port = 0, destination_port = 0;
  uint32_t sequence = 0, acknowledgment = 0;
  uint8_t flags = 0;
  uint16_t window = 0, urgent = 0;
  std::optional<uint16_t> mss;
  std::optional<uint8_t> window_scale;
  uint8_t icmp_type = 0, icmp_code = 0;
  uint32_t icmp_rest = 0;  // behind the checksum: an MTU, or identifier and sequence
  bool dont_fragment = false;
  // A fragment: its checksum is not looked at, and `payload` is everything behind the IP headers.
  bool is_fragment = false, more_fragments = false;
  uint32_t fragment_identification = 0;
  size_t fragment_offset = 0;
  size_t ip_length = 0;
  Bytes payload;  // behind the transport header; of ICMP: behind its eight bytes

  bool Is(uint8_t tcp_flags) const { return sound && protocol == 6 && flags == tcp_flags; }
};

SeenFrame TakeApart(const Bytes& frame);

struct TcpFields {
  Endpoint from, to;
  uint32_t sequence = 0, acknowledgment = 0;
  uint8_t flags = 0;
  uint16_t window = 0xffff;
  Bytes options = {};
  Bytes payload = {};
  uint16_t urgent = 0;
};

Bytes MakeTcp(const TcpFields& fields);
Bytes MakeUdp(const Endpoint& from, const Endpoint& to, const Bytes& payload);
Bytes MakeIcmpEcho(const IpAddress& from, const IpAddress& to, const Bytes& payload,
                   uint16_t identifier = 0x1234, uint16_t sequence = 1);
// The packet in `frame`, cut into pieces of at most `size` bytes (a multiple of eight) behind the
// IP header; over IPv6 with a fragment header even when it is one piece.
std::vector<Bytes> MakeFragments(const Bytes& frame, size_t size, uint32_t identification);
// Computes the transport checksum of a frame anew (after a test has changed something).
void FixChecksums(Bytes& frame);
void SetVnet(Bytes& frame, const VnetFields& vnet);

struct FakeSandboxOptions {
  std::vector<std::string> rules = {};
  StackLimits limits = {};
  ResolverConfig resolver = {};
  uint16_t mtu = 1500;
  InboundOptions inbound = {};
  bool udp_segmentation = false;
  UniqueFd verdict_log = {};
  std::function<void(std::string_view)> on_notice = {};
  // A stack of the test's own on the other end, for which the above but the MTU counts nothing.
  std::function<std::unique_ptr<Stack>(LinkOptions)> make_stack = {};
};

class FakeSandbox {
 public:
  static constexpr MacAddress kMac = {2, 0, 0, 0, 0, 9};

  explicit FakeSandbox(FakeSandboxOptions options);
  ~FakeSandbox();

  void Send(const Bytes& frame);
  // The next frame, or nothing within the time.
  std::optional<SeenFrame> Receive(std::chrono::milliseconds patience = kPatience);
  // The next frame that belongs to those endpoints; others are dropped.
  std::optional<SeenFrame> ReceiveFor(uint16_t local_port,
                                      std::chrono::milliseconds patience = kPatience);
  // The next packet, put together from its fragments where it comes in some. `fragments` is how
  // many frames it took. Other frames in between make it unsound.
  std::optional<SeenFrame> ReceiveWhole(size_t& fragments);
  // Sends an echo request, which is always answered, and takes everything up to the answer: what
  // the stack had to say to earlier frames has then been said.
  std::vector<SeenFrame> Drain();
  void Stop();
  Status RunStatus() const { return ran_; }
  // What was refused; after Stop().
  std::vector<std::string> Summary() const;

 private:
  LinkOptions MakeLink(uint16_t mtu);
  static std::unique_ptr<Stack> MakeStack(FakeSandboxOptions options, LinkOptions link);

  UniqueFd fd_;
  std::unique_ptr<Stack> stack_;
  std::thread thread_;
  Status ran_;
};

// A TCP client on the fake link. Acknowledges what it gets unless told otherwise.
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

// A listening socket of the host's, on loopback.
class HostServer {
 public:
  explicit HostServer(IpFamily family = IpFamily::kV4, int type = SOCK_STREAM);
  Endpoint endpoint() const { return endpoint_; }
  std::string rule() const { return endpoint_.ToString(); }
  UniqueFd Accept();
  int fd() const { return fd_.get(); }
  void Close() { fd_.reset(); }

 private:
  UniqueFd fd_;
  Endpoint endpoint_;
};

// Blocking, with kPatience; what came.
Bytes ReadFrom(int fd, size_t size);
bool WriteTo(int fd, const Bytes& bytes);
// recv() of nothing: end of file (0), or an error (-errno).
int ReadEnd(int fd);
Bytes Pattern(size_t size, uint32_t seed = 1);

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_TESTS_NETSTACK_FAKE_SANDBOX_H_
