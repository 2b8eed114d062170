// Frames as a kernel inside makes and reads them, by code of the tests' own, so that a mistake in
// netstack/link cannot hide itself.
#ifndef MINI_SANDBOX_TESTS_NETSTACK_TEST_FRAMES_H_
#define MINI_SANDBOX_TESTS_NETSTACK_TEST_FRAMES_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ip_address.h"
#include "netstack/link/link.h"

namespace mini::netstack {

using Bytes = std::vector<uint8_t>;

// Of the device inside.
inline constexpr MacAddress kSandboxMac = {2, 0, 0, 0, 0, 9};

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
// The packet of which `first` is the first fragment and `transport` everything behind its IP
// headers, as if it had come in one: now its checksum is looked at.
SeenFrame TakeApartWhole(const SeenFrame& first, const Bytes& transport);

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
// Of the device inside: who has `asked`?
Bytes MakeArpRequest(const IpAddress& from, const IpAddress& asked);
// The packet in `frame`, cut into pieces of at most `size` bytes (a multiple of eight) behind the
// IP header; over IPv6 with a fragment header even when it is one piece.
std::vector<Bytes> MakeFragments(const Bytes& frame, size_t size, uint32_t identification);
// Computes the transport checksum of a frame anew (after a test has changed something).
void FixChecksums(Bytes& frame);
void SetVnet(Bytes& frame, const VnetFields& vnet);

// Bytes in which a lost, doubled or swapped one shows.
Bytes Pattern(size_t size, uint32_t seed = 1);

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_TESTS_NETSTACK_TEST_FRAMES_H_
