// ClientHellos for tests, put together field by field.
#ifndef MINI_SANDBOX_TESTS_NETSTACK_MADE_HELLO_H_
#define MINI_SANDBOX_TESTS_NETSTACK_MADE_HELLO_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mini::netstack {

using HelloBytes = std::vector<uint8_t>;

inline HelloBytes BytesOf(std::string_view text) { return {text.begin(), text.end()}; }

inline HelloBytes Joined(std::initializer_list<HelloBytes> parts) {
  HelloBytes all;
  for (const HelloBytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// `bytes` behind their length in `width` bytes.
inline HelloBytes Vector(size_t width, const HelloBytes& bytes) {
  HelloBytes all;
  for (size_t i = width; i > 0; --i) {
    all.push_back(static_cast<uint8_t>(bytes.size() >> (8 * (i - 1))));
  }
  all.insert(all.end(), bytes.begin(), bytes.end());
  return all;
}

inline HelloBytes Extension(uint16_t type, const HelloBytes& body) {
  return Joined({{static_cast<uint8_t>(type >> 8), static_cast<uint8_t>(type)}, Vector(2, body)});
}

inline HelloBytes HostNameEntry(std::string_view name, uint8_t type = 0) {
  return Joined({{type}, Vector(2, BytesOf(name))});
}

inline HelloBytes ServerNameExtension(std::string_view name) {
  return Extension(0, Vector(2, HostNameEntry(name)));
}

// The handshake message. Extensions as they come, with GREASE (RFC 8701) around; none at all for
// a null pointer.
inline HelloBytes HelloMessage(const HelloBytes* extensions) {
  HelloBytes body = Joined({{3, 3},
                            HelloBytes(32, 0x5a),
                            Vector(1, HelloBytes(32, 7)),
                            Vector(2, {0x0a, 0x0a, 0x13, 0x01, 0xc0, 0x2f}),
                            Vector(1, {0})});
  if (extensions != nullptr) {
    const HelloBytes all =
        Joined({Extension(0x1a1a, {}), *extensions, Extension(43, Vector(1, {0x2a, 0x2a, 3, 4})),
                Extension(0x3a3a, {0})});
    body = Joined({body, Vector(2, all)});
  }
  return Joined({{1}, Vector(3, body)});
}

// In records of at most `size` bytes each.
inline HelloBytes InRecords(const HelloBytes& message, size_t size = 16384) {
  HelloBytes all;
  for (size_t at = 0; at < message.size(); at += size) {
    const size_t end = std::min(message.size(), at + size);
    const HelloBytes piece(message.begin() + static_cast<ptrdiff_t>(at),
                           message.begin() + static_cast<ptrdiff_t>(end));
    const HelloBytes record = Joined({{22, 3, 1}, Vector(2, piece)});
    all.insert(all.end(), record.begin(), record.end());
  }
  return all;
}

inline HelloBytes HelloWith(const HelloBytes& extensions, size_t record = 16384) {
  return InRecords(HelloMessage(&extensions), record);
}

inline HelloBytes HelloFor(std::string_view name, size_t record = 16384) {
  return HelloWith(ServerNameExtension(name), record);
}

inline HelloBytes HelloWithoutExtensions() { return InRecords(HelloMessage(nullptr)); }

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_TESTS_NETSTACK_MADE_HELLO_H_
