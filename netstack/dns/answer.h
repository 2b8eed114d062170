// What was learned about one name and type. Internal to dns/.
#ifndef MINI_SANDBOX_NETSTACK_DNS_ANSWER_H_
#define MINI_SANDBOX_NETSTACK_DNS_ANSWER_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip_address.h"

namespace mini::netstack {

// The query types that mean something here (IANA, "DNS Parameters").
namespace rrtype {
inline constexpr uint16_t kA = 1;
inline constexpr uint16_t kPtr = 12;
inline constexpr uint16_t kMx = 15;
inline constexpr uint16_t kTxt = 16;
inline constexpr uint16_t kAaaa = 28;
inline constexpr uint16_t kSrv = 33;
inline constexpr uint16_t kIxfr = 251;
inline constexpr uint16_t kAxfr = 252;
}  // namespace rrtype

enum class Rcode : uint8_t {
  kNoError = 0,
  kFormErr = 1,
  kServFail = 2,
  kNxDomain = 3,
  kNotImp = 4,
  kRefused = 5,
  kBadVers = 16,  // RFC 6891: the upper bits travel in the OPT record
};

// A record that is no address. Which fields mean something depends on the type.
struct DataRecord {
  uint16_t priority = 0;                  // MX, SRV
  uint16_t weight = 0;                    // SRV
  uint16_t port = 0;                      // SRV
  std::string target = {};                // MX, SRV, PTR: a name, in c-ares' escaped text form
  std::vector<std::string> strings = {};  // TXT
};

// Why there is no answer, for clients that ask with EDNS (RFC 8914).
struct ExtendedError {
  uint16_t code;
  std::string text;  // ASCII, short
};
namespace ede {
inline constexpr uint16_t kBlocked = 15;       // by a policy of whoever runs the resolver
inline constexpr uint16_t kNetworkError = 23;  // no resolver answered
}  // namespace ede

// The records of the asked type, wherever a chain of CNAMEs led, as if they were the name's own.
struct Answer {
  Rcode rcode = Rcode::kServFail;
  std::vector<IpAddress> addresses;  // A, AAAA
  std::vector<DataRecord> records;   // other types
  std::vector<std::string> aliases;  // the names that the CNAMEs led through, normalized
  // The least of the chain's; for a negative answer, its own. Zero: not to be remembered.
  std::chrono::seconds ttl{0};
  std::optional<ExtendedError> extended_error = {};
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_DNS_ANSWER_H_
