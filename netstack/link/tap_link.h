// The stack's end of the link: frames in, frames out, one system call each.
//
// Theory of operation. A read never blocks and takes one frame with its vnet header. A write is
// scattered, so that lwIP's buffers go out without a copy. A TAP takes every frame (its send buffer
// is unlimited); a socketpair can be full, and then the frame is the caller's to keep: kBlocked. A
// device that is down swallows frames, as a pulled cable does. Any other error means that the
// device is gone, and with it the reason to run.
#ifndef MINI_SANDBOX_NETSTACK_LINK_TAP_LINK_H_
#define MINI_SANDBOX_NETSTACK_LINK_TAP_LINK_H_

#include <sys/uio.h>

#include <span>
#include <utility>

#include "netstack/link/link.h"

namespace mini::netstack {

class TapLink {
 public:
  enum class Written : uint8_t { kSent, kDropped, kBlocked };

  explicit TapLink(LinkOptions options);
  // In place of one without a descriptor.
  void Attach(LinkOptions options) { options_ = std::move(options); }

  // The frame's length; 0 when there is none now.
  Result<size_t> Read(std::span<uint8_t> frame);
  Written Write(std::span<const iovec> pieces);
  Written Write(std::span<const uint8_t> frame);

  int fd() const { return options_.fd.get(); }
  const MacAddress& sandbox_mac() const { return options_.sandbox_mac; }
  uint16_t mtu() const { return options_.mtu; }
  bool udp_segmentation() const { return options_.udp_segmentation; }
  // Not OK once a write has failed for good.
  const Status& status() const { return status_; }

 private:
  LinkOptions options_;
  Status status_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_LINK_TAP_LINK_H_
