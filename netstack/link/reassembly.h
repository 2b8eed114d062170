// Puts the fragments of datagrams from the sandbox together again.
//
// Theory of operation. A datagram is known by its addresses, identification and, over IPv4,
// protocol. Its parts may come in any order; what has come is a set of ranges. When the ranges are
// one, from the beginning to the end that the last fragment told, the datagram leaves as a frame in
// one piece, for ParseFrame() to check like any other: header, checksum, lengths. Only UDP and ICMP
// are kept; TCP fits its segments to the link.
//
// Overlapping parts mean that somebody wants the filter to see something else than the server does
// (RFC 5722): such a datagram is refused as a whole, and stays refused until it is forgotten, so
// that parts that come later do not begin it anew. A part that came twice overlaps itself: this
// link does not duplicate. A datagram in a single fragment (RFC 6946) has nothing to wait for, and
// nothing that waits can harm it.
//
// A hostile sandbox can make it hold what Limits say, and no more: beyond, the oldest datagram is
// forgotten. That harms nobody but the sandbox itself.
#ifndef MINI_SANDBOX_NETSTACK_LINK_REASSEMBLY_H_
#define MINI_SANDBOX_NETSTACK_LINK_REASSEMBLY_H_

#include <array>
#include <list>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "netstack/event_loop.h"
#include "netstack/link/packet.h"

namespace mini::netstack {

class Reassembler {
 public:
  struct Limits {
    size_t max_datagrams = 64;
    size_t max_bytes = size_t{1} << 20;  // bookkeeping included
    Duration timeout = std::chrono::seconds(30);
  };

  Reassembler() : Reassembler(Limits{}) {}
  explicit Reassembler(const Limits& limits) : limits_(limits) {}

  // Takes the fragment `packet` (kFragment) in `frame`. When it completes a datagram: a frame with
  // that datagram in one piece, valid until the next call; else nothing.
  std::span<const uint8_t> Add(std::span<const uint8_t> frame, const Packet& packet, TimePoint now);
  // Forgets what has been waiting for too long.
  void Expire(TimePoint now);

  size_t waiting() const { return datagrams_.size(); }
  size_t bytes_held() const { return bytes_held_; }

 private:
  struct Key {
    IpAddress source;
    IpAddress destination;
    uint32_t identification;
    uint8_t protocol;  // 0 over IPv6
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Datagram {
    Key key;
    TimePoint begun;
    bool refused = false;
    std::vector<uint8_t> headers;     // of the first fragment: Ethernet and IP
    uint8_t protocol = 0;             // as the first fragment has it (RFC 8200, 4.5)
    std::vector<uint8_t> bytes;       // as far as parts have come; with holes
    std::map<size_t, size_t> ranges;  // of `bytes` that are there: begin and end, never adjacent
    std::optional<size_t> length;     // once the last fragment has come
    size_t charged = 0;

    bool IsWhole() const;
    size_t Cost() const;
  };
  using Place = std::list<Datagram>::iterator;

  Place Find(const Packet& packet, TimePoint now);
  void Forget(Place datagram);
  void Charge(Datagram& datagram);
  void MakeRoom(Place but);
  static bool Insert(Datagram& datagram, const Packet& packet, std::span<const uint8_t> part);
  std::span<const uint8_t> Assemble(std::span<const uint8_t> headers, uint8_t protocol,
                                    std::span<const uint8_t> payload);

  Limits limits_;
  std::list<Datagram> datagrams_;  // the oldest first
  size_t bytes_held_ = 0;
  std::vector<uint8_t> assembled_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_LINK_REASSEMBLY_H_
