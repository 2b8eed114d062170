#include "netstack/link/datagram_row.h"

namespace mini::netstack {

namespace {

size_t CountOf(size_t size, size_t datagram_size) {
  return size <= datagram_size ? 1 : (size + datagram_size - 1) / datagram_size;
}

}  // namespace

bool DatagramRow::Takes(size_t size, size_t datagram_size) const {
  const size_t count = CountOf(size, datagram_size);
  if (count > kMaxDatagrams || size > kMaxBytes) return false;
  if (empty()) return true;
  // An empty datagram would vanish in a row; so would the end of a short one.
  if (size == 0 || datagram_size_ == 0 || bytes_ % datagram_size_ != 0) return false;
  const bool fits =
      size <= datagram_size ? size <= datagram_size_ : datagram_size == datagram_size_;
  return fits && datagrams_ + count <= kMaxDatagrams && bytes_ + size <= kMaxBytes;
}

void DatagramRow::Append(std::span<const uint8_t> bytes, size_t datagram_size) {
  if (empty()) datagram_size_ = bytes.size() < datagram_size ? bytes.size() : datagram_size;
  pieces_[piece_count_++] = {const_cast<uint8_t*>(bytes.data()), bytes.size()};  // only read
  datagrams_ += CountOf(bytes.size(), datagram_size);
  bytes_ += bytes.size();
}

void DatagramRow::Clear() { piece_count_ = bytes_ = datagrams_ = datagram_size_ = 0; }

}  // namespace mini::netstack
