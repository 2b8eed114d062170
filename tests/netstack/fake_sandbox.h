// The sandbox's kernel, as far as the stack can see: frames on one end of a socketpair whose other
// end is the stack's link.
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
#include "test_frames.h"

namespace mini::netstack {

inline constexpr auto kPatience = std::chrono::seconds(5);

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

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_TESTS_NETSTACK_FAKE_SANDBOX_H_
