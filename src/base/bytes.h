// A bounds-checked reader and writers for network byte order (big-endian) data.
//
// Every byte that comes from the sandbox or the network is read through ByteReader: a read past the
// end yields zero and sets failed(), which the caller checks once at the end. No buffer is ever
// cast to a header struct.
#ifndef MINI_SANDBOX_BASE_BYTES_H_
#define MINI_SANDBOX_BASE_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace mini {

class ByteReader {
 public:
  explicit ByteReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  uint8_t U8() {
    const auto b = Take(1);
    return b.empty() ? 0 : b[0];
  }
  uint16_t U16() {
    const auto b = Take(2);
    return b.empty() ? 0 : static_cast<uint16_t>(b[0] << 8 | b[1]);
  }
  uint32_t U32() {
    const auto b = Take(4);
    if (b.empty()) return 0;
    return uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3];
  }
  // `count` bytes, or an empty span when there are fewer.
  std::span<const uint8_t> Take(size_t count) {
    if (failed_ || count > bytes_.size() - position_) {
      failed_ = true;
      return {};
    }
    const auto taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }
  void Skip(size_t count) { (void)Take(count); }

  size_t position() const { return position_; }
  size_t remaining() const { return bytes_.size() - position_; }
  bool failed() const { return failed_; }

 private:
  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
  bool failed_ = false;
};

class ByteWriter {
 public:
  explicit ByteWriter(std::span<uint8_t> bytes) : bytes_(bytes) {}

  void U8(uint8_t value) {
    const auto b = Reserve(1);
    if (!b.empty()) b[0] = value;
  }
  void U16(uint16_t value) {
    const auto b = Reserve(2);
    if (b.empty()) return;
    b[0] = static_cast<uint8_t>(value >> 8);
    b[1] = static_cast<uint8_t>(value);
  }
  void U32(uint32_t value) {
    U16(static_cast<uint16_t>(value >> 16));
    U16(static_cast<uint16_t>(value));
  }
  void Bytes(std::span<const uint8_t> bytes) {
    const auto b = Reserve(bytes.size());
    if (!b.empty()) std::memcpy(b.data(), bytes.data(), bytes.size());
  }

  size_t position() const { return position_; }
  bool failed() const { return failed_; }  // something did not fit; nothing past the end is written

 private:
  std::span<uint8_t> Reserve(size_t count) {
    if (failed_ || count > bytes_.size() - position_) {
      failed_ = true;
      return {};
    }
    const auto reserved = bytes_.subspan(position_, count);
    position_ += count;
    return reserved;
  }

  std::span<uint8_t> bytes_;
  size_t position_ = 0;
  bool failed_ = false;
};

// Writes to the end of a text, which grows: for what ByteReader reads in another process of ours.
class ByteAppender {
 public:
  explicit ByteAppender(std::string& text) : text_(text) {}

  void U8(uint8_t value) { text_ += static_cast<char>(value); }
  void U32(uint32_t value) {
    for (const int shift : {24, 16, 8, 0}) U8(static_cast<uint8_t>(value >> shift));
  }
  void Text(std::string_view text) { text_ += text; }

 private:
  std::string& text_;
};

}  // namespace mini

#endif  // MINI_SANDBOX_BASE_BYTES_H_
