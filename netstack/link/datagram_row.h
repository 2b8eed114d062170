// Datagrams of one size that travel together, as one frame to the kernel inside or one sendmsg(2)
// to the host's: the last may be shorter, and ends the row. Holds pointers, no bytes.
#ifndef MINI_SANDBOX_NETSTACK_LINK_DATAGRAM_ROW_H_
#define MINI_SANDBOX_NETSTACK_LINK_DATAGRAM_ROW_H_

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace mini::netstack {

class DatagramRow {
 public:
  static constexpr size_t kMaxDatagrams = 64;  // UDP_MAX_SEGMENTS, in the kernels that know it
  static constexpr size_t kMaxBytes = 65535 - 40 - 8;  // with headers it is one IP packet

  // Whether a datagram, or a row of them (`size` above `datagram_size`), may stand at the end.
  bool Takes(size_t size, size_t datagram_size) const;
  // Only what Takes(). `bytes` must live until the row is cleared.
  void Append(std::span<const uint8_t> bytes, size_t datagram_size);
  void Clear();

  bool empty() const { return piece_count_ == 0; }
  size_t bytes() const { return bytes_; }
  // 0 when the row is a single datagram.
  uint16_t datagram_size() const {
    return bytes_ > datagram_size_ ? static_cast<uint16_t>(datagram_size_) : uint16_t{0};
  }
  std::span<const iovec> pieces() const { return std::span(pieces_).first(piece_count_); }

 private:
  std::array<iovec, kMaxDatagrams> pieces_;
  size_t piece_count_ = 0;
  size_t bytes_ = 0;
  size_t datagrams_ = 0;
  size_t datagram_size_ = 0;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_LINK_DATAGRAM_ROW_H_
