// What a client says about the server it means. Pure: bytes in, names out; whether a name is
// allowed is the filter's business.
#ifndef MINI_SANDBOX_NETSTACK_NAMES_ASKED_NAME_H_
#define MINI_SANDBOX_NETSTACK_NAMES_ASKED_NAME_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mini::netstack {

// As it was sent: not normalized, perhaps no host name at all, perhaps an address.
struct AskedName {
  std::string host;
  std::optional<uint16_t> port;

  friend bool operator==(const AskedName&, const AskedName&) = default;
};

// "host", "host:port", "[v6]:port" (RFC 3986, 3.2.2 and 3.2.3); the host may be empty. Nothing when
// it is none of these: userinfo has no place in a request (RFC 9110, 4.2.4).
std::optional<AskedName> ParseAuthority(std::string_view text);

// What a reader found in the bytes it was given.
enum class Reading : uint8_t {
  kMore,       // nothing yet
  kAsked,      // here the client has said which server it means, or could have and did not
  kMalformed,  // like TLS or HTTP to some server, and nothing that a server should take
  kOther,      // another protocol
};

// A longer host is no name (RFC 1035, 2.3.4).
inline constexpr size_t kMaxHost = 255;

// The longest hello or request head that is read, as bytes of the stream. Browsers' hellos have
// about two kilobytes, heads usually less; servers take 8 to 128.
inline constexpr size_t kMaxFirstBytes = size_t{64} << 10;

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_NAMES_ASKED_NAME_H_
