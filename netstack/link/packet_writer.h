// Datagrams, echo replies and ICMP errors on their way in: one frame each where the MTU allows, a
// row of datagrams in one frame where the device takes that, fragments where a datagram is longer.
//
// The kernel inside would take a frame above the MTU, too. It could not pass it on, though, to a
// namespace of the command's own, and what it shows of it is not what a network does.
#ifndef MINI_SANDBOX_NETSTACK_LINK_PACKET_WRITER_H_
#define MINI_SANDBOX_NETSTACK_LINK_PACKET_WRITER_H_

#include <cstdint>
#include <span>

#include "netstack/link/datagram_row.h"
#include "netstack/link/frame_builder.h"
#include "netstack/link/tap_link.h"

namespace mini::netstack {

class PacketWriter {
 public:
  explicit PacketWriter(TapLink& link) : link_(link) {}

  // What finds no room is lost, as datagrams are.
  void WriteDatagram(const Endpoint& from, const Endpoint& to, std::span<const uint8_t> payload);
  void WriteRow(const Endpoint& from, const Endpoint& to, const DatagramRow& row);
  // The longest payload of a datagram that travels in one frame, and so in a row.
  size_t MaxUnfragmented(IpFamily family) const;
  void WriteEchoReply(const IpAddress& from, const IpAddress& to, uint16_t identifier,
                      uint16_t sequence, std::span<const uint8_t> payload);
  void WriteError(const IcmpError& error, const IpAddress& from, const IpAddress& to,
                  std::span<const uint8_t> ip_packet);

 private:
  void WriteRowApart(const Endpoint& from, const Endpoint& to, const DatagramRow& row);
  void WritePacket(const IpAddress& from, const IpAddress& to, uint8_t protocol,
                   std::span<const uint8_t> header, std::span<const uint8_t> payload);

  TapLink& link_;
  uint32_t next_identification_ = 1;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_LINK_PACKET_WRITER_H_
