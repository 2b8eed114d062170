// One address type for both families.
#ifndef MINI_SANDBOX_BASE_IP_ADDRESS_H_
#define MINI_SANDBOX_BASE_IP_ADDRESS_H_

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace mini {

enum class IpFamily : uint8_t { kV4, kV6 };

class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0
  static IpAddress V4(std::span<const uint8_t, 4> bytes);
  static IpAddress V4(uint8_t a, uint8_t b, uint8_t c, uint8_t d);
  static IpAddress V6(std::span<const uint8_t, 16> bytes);
  // 4 or 16 bytes in network order; nothing for another length.
  static std::optional<IpAddress> FromBytes(std::span<const uint8_t> bytes);
  // The text forms of inet_pton(3); no zone, no brackets, no leading zeros.
  static std::optional<IpAddress> Parse(std::string_view text);

  IpFamily family() const { return family_; }
  bool is_v4() const { return family_ == IpFamily::kV4; }
  bool is_v6() const { return family_ == IpFamily::kV6; }
  // 127.0.0.0/8 (RFC 1122) and ::1 (RFC 4291).
  bool is_loopback() const;
  std::span<const uint8_t> bytes() const { return {bytes_.data(), is_v4() ? 4u : 16u}; }

  // RFC 5952 for IPv6.
  std::string ToString() const;

  friend bool operator==(const IpAddress&, const IpAddress&) = default;
  friend std::strong_ordering operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  IpFamily family_ = IpFamily::kV4;
  std::array<uint8_t, 16> bytes_{};  // unused bytes stay zero, so that == and hashing work
};

struct IpPrefix {
  IpAddress address;   // host bits zero
  uint8_t length = 0;  // 0..32 or 0..128

  bool Contains(const IpAddress& other) const;
  // "192.0.2.0/24"; host bits that are set are an error (nothing), as is a missing length.
  static std::optional<IpPrefix> Parse(std::string_view text);
  std::string ToString() const;
  friend bool operator==(const IpPrefix&, const IpPrefix&) = default;
};

struct Endpoint {
  IpAddress address;
  uint16_t port = 0;

  std::string ToString() const;  // "192.0.2.1:80", "[2001:db8::1]:80"
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
  friend std::strong_ordering operator<=>(const Endpoint&, const Endpoint&) = default;
};

// For socket calls: fills `storage` and returns its length.
socklen_t ToSockaddr(const Endpoint& endpoint, sockaddr_storage& storage);
std::optional<Endpoint> FromSockaddr(const sockaddr_storage& storage);

}  // namespace mini

template <>
struct std::hash<mini::IpAddress> {
  size_t operator()(const mini::IpAddress& address) const noexcept;
};

#endif  // MINI_SANDBOX_BASE_IP_ADDRESS_H_
