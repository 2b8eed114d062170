// What the soak runs inside and outside the sandbox: a server, and the loads that are put on it.
//
// The server's protocol: a request is one letter and 16 hexadecimal digits N, then
//   e  N bytes, which come back
//   d  nothing; N bytes of the pattern come
//   u  N bytes, whose Hash() comes back as 16 hexadecimal digits
// after which the client closes. Datagrams come back as they are.
#ifndef MINI_SANDBOX_TESTS_SOAK_LOAD_H_
#define MINI_SANDBOX_TESTS_SOAK_LOAD_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace mini::load {

using Clock = std::chrono::steady_clock;

constexpr uint16_t kFirstPort = 9100;
constexpr size_t kPorts = 16;
constexpr size_t kRequestSize = 17;
constexpr size_t kBlock = 1 << 16;

struct Endpoint {
  sockaddr_storage address = {};
  socklen_t length = 0;
};

// "198.51.100.10,2001:db8::1": each address with each of the server's ports, in an order that
// visits all addresses in turn. Ends the program when it cannot be read.
std::vector<Endpoint> ParseEndpoints(const std::string& hosts);

void SetPort(Endpoint& endpoint, uint16_t port);

// Byte number `offset` of every stream and what follows it.
void FillPattern(uint64_t offset, std::span<uint8_t> out);

// FNV-1a over the bytes; start with kHashStart.
constexpr uint64_t kHashStart = 0xcbf29ce484222325;
uint64_t Hash(uint64_t hash, std::span<const uint8_t> bytes);

std::string Hex(uint64_t value);

// Ends the program, saying what failed with which errno.
[[noreturn]] void Die(const char* what);

enum class Kind { kEcho, kDownload, kUpload, kDatagrams, kConnectOnly };

struct Order {
  Kind kind = Kind::kEcho;
  uint64_t size = 16;
  std::chrono::milliseconds pause{0};  // after the first half was sent
};

struct Tally {
  uint64_t done = 0;
  uint64_t datagrams = 0;
  uint64_t lost_datagrams = 0;
  uint64_t bytes = 0;
  std::map<std::string, uint64_t> failures;  // by errno's name, "wrong data" or "timeout"
  std::vector<uint32_t> microseconds;        // from connect() to the end, of those that were done
  void Print(Clock::duration took) const;
};

// Carries out orders, `at_once` at a time, until `next` has no more. Every order has 60 seconds.
Tally Run(const std::vector<Endpoint>& endpoints, size_t at_once,
          const std::function<std::optional<Order>()>& next);

int Serve();
int Connections(uint64_t count, size_t at_once, const std::string& hosts, Kind kind);
int Mixed(std::chrono::seconds duration, size_t at_once, const std::string& hosts, bool datagrams);
int FloodDatagrams(std::chrono::seconds duration, const std::string& hosts);
int FloodConnects(std::chrono::seconds duration, const std::string& hosts);
int Steady(std::chrono::seconds duration, const std::string& hosts);

}  // namespace mini::load

#endif  // MINI_SANDBOX_TESTS_SOAK_LOAD_H_
