// Which port of the host a connect takes.
//
// Theory of operation. When the sandbox closes first, the host's kernel keeps the port in TIME-WAIT
// for a minute. It looks for a free port by trying one after the other, even ones first; once half
// of the range (some 14,000 ports) waits, each connect(2) to that destination walks over all of
// these, which takes a millisecond: a program that does so itself slows down, but here it would
// be the whole stack. So each connect is given a narrow window at a random place of the range
// (IP_LOCAL_PORT_RANGE, ip(7), Linux 6.3), in which a free port is found at once until nearly all
// are taken. Should one window be full, the kernel may look everywhere.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_SOURCE_PORTS_H_
#define MINI_SANDBOX_NETSTACK_FLOW_SOURCE_PORTS_H_

#include <cstdint>

#include "base/sip_hash.h"

namespace mini::netstack {

struct PortWindow {
  uint16_t first = 0;
  uint16_t last = 0;  // included

  friend bool operator==(const PortWindow&, const PortWindow&) = default;
};

class SourcePorts {
 public:
  static constexpr uint32_t kWindow = 256;

  explicit SourcePorts(PortWindow range) : range_(range), key_(RandomSipHashKey()) {}
  // What the host's kernel takes ports from; nothing (0 to 0) where it does not say.
  static PortWindow OfThisHost();

  // A random window; nothing when the range is no wider than one.
  PortWindow NextWindow();
  void Narrow(int fd);
  static void Widen(int fd);

 private:
  PortWindow range_;
  SipHashKey key_;
  uint64_t count_ = 0;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_SOURCE_PORTS_H_
