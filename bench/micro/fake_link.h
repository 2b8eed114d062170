// A link whose other end is here: the sandbox's kernel, as far as frames go.
#ifndef MINI_SANDBOX_BENCH_MICRO_FAKE_LINK_H_
#define MINI_SANDBOX_BENCH_MICRO_FAKE_LINK_H_

#include <cstdint>
#include <span>
#include <vector>

#include "netstack/link/link.h"
#include "netstack/link/packet.h"

namespace mini::micro {

class FakeLink {
 public:
  FakeLink();
  // Once.
  netstack::LinkOptions TakeStackEnd();

  void Write(std::span<const uint8_t> frame);
  // The next frame that the stack wrote, until the next call; empty: there is none.
  std::span<const uint8_t> Read();

 private:
  UniqueFd kernel_;
  UniqueFd stack_;
  std::vector<uint8_t> frame_ = std::vector<uint8_t>(netstack::kMaxFrameSize);
};

}  // namespace mini::micro

#endif  // MINI_SANDBOX_BENCH_MICRO_FAKE_LINK_H_
