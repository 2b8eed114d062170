#include "base/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "base/strings.h"

namespace mini {

IpAddress IpAddress::V4(std::span<const uint8_t, 4> bytes) {
  IpAddress address;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
  return address;
}

IpAddress IpAddress::V4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
  return V4(std::array<uint8_t, 4>{a, b, c, d});
}

IpAddress IpAddress::V6(std::span<const uint8_t, 16> bytes) {
  IpAddress address;
  address.family_ = IpFamily::kV6;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
  return address;
}

std::optional<IpAddress> IpAddress::FromBytes(std::span<const uint8_t> bytes) {
  if (bytes.size() == 4) return V4(bytes.first<4>());
  if (bytes.size() == 16) return V6(bytes.first<16>());
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  // inet_pton wants a terminated string; an embedded NUL would cut it short.
  char terminated[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof terminated ||
      text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  std::memcpy(terminated, text.data(), text.size());
  terminated[text.size()] = '\0';
  std::array<uint8_t, 16> bytes;
  if (inet_pton(AF_INET, terminated, bytes.data()) == 1) {
    return V4(std::span(bytes).first<4>());
  }
  if (inet_pton(AF_INET6, terminated, bytes.data()) == 1) return V6(bytes);
  return std::nullopt;
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[0] == 127;
  return bytes_[15] == 1 &&
         std::all_of(bytes_.begin(), bytes_.begin() + 15, [](uint8_t byte) { return byte == 0; });
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN];
  return inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), text, sizeof text);
}

bool IpPrefix::Contains(const IpAddress& other) const {
  if (other.family() != address.family()) return false;
  const auto mine = address.bytes();
  const auto theirs = other.bytes();
  const size_t whole_bytes = length / 8;
  if (!std::equal(mine.begin(), mine.begin() + whole_bytes, theirs.begin())) return false;
  const int bits = length % 8;
  return bits == 0 || ((mine[whole_bytes] ^ theirs[whole_bytes]) >> (8 - bits)) == 0;
}

std::optional<IpPrefix> IpPrefix::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = IpAddress::Parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const auto length = ParseDecimal(text.substr(slash + 1), address->bytes().size() * 8);
  if (!length) return std::nullopt;
  const auto bytes = address->bytes();
  for (size_t bit = *length; bit < bytes.size() * 8; ++bit) {
    if (bytes[bit / 8] >> (7 - bit % 8) & 1) return std::nullopt;
  }
  return IpPrefix{*address, static_cast<uint8_t>(*length)};
}

std::string IpPrefix::ToString() const { return StrCat(address.ToString(), "/", length); }

std::string Endpoint::ToString() const {
  return address.is_v4() ? StrCat(address.ToString(), ":", port)
                         : StrCat("[", address.ToString(), "]:", port);
}

socklen_t ToSockaddr(const Endpoint& endpoint, sockaddr_storage& storage) {
  storage = {};
  const auto bytes = endpoint.address.bytes();
  if (endpoint.address.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, bytes.data(), bytes.size());
    std::memcpy(&storage, &v4, sizeof v4);
    return sizeof v4;
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(endpoint.port);
  std::memcpy(&v6.sin6_addr, bytes.data(), bytes.size());
  std::memcpy(&storage, &v6, sizeof v6);
  return sizeof v6;
}

std::optional<Endpoint> FromSockaddr(const sockaddr_storage& storage) {
  std::array<uint8_t, 16> bytes;
  if (storage.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &storage, sizeof v4);
    std::memcpy(bytes.data(), &v4.sin_addr, 4);
    return Endpoint{IpAddress::V4(std::span(bytes).first<4>()), ntohs(v4.sin_port)};
  }
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &storage, sizeof v6);
    std::memcpy(bytes.data(), &v6.sin6_addr, 16);
    return Endpoint{IpAddress::V6(bytes), ntohs(v6.sin6_port)};
  }
  return std::nullopt;
}

}  // namespace mini

size_t std::hash<mini::IpAddress>::operator()(const mini::IpAddress& address) const noexcept {
  const auto bytes = address.bytes();
  return std::hash<std::string_view>()(
      std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}
