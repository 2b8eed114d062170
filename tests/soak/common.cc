#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "load.h"

namespace mini::load {

void Die(const char* what) {
  std::fprintf(stderr, "load: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

void SetPort(Endpoint& endpoint, uint16_t port) {
  // Both families have the port in the same place, but only memcpy may say so.
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  const in_port_t network = htons(port);
  std::memcpy(std::span(reinterpret_cast<char*>(&endpoint.address), sizeof(endpoint.address))
                  .subspan(offsetof(sockaddr_in, sin_port))
                  .data(),
              &network, sizeof(network));
}

std::vector<Endpoint> ParseEndpoints(const std::string& hosts) {
  std::vector<Endpoint> found;
  for (uint16_t port = 0; port < kPorts; ++port) {
    std::istringstream words(hosts);
    for (std::string host; std::getline(words, host, ',');) {
      Endpoint endpoint;
      sockaddr_in v4 = {};
      sockaddr_in6 v6 = {};
      v4.sin_family = AF_INET;
      v6.sin6_family = AF_INET6;
      if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
        std::memcpy(&endpoint.address, &v4, sizeof(v4));
        endpoint.length = sizeof(v4);
      } else if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
        std::memcpy(&endpoint.address, &v6, sizeof(v6));
        endpoint.length = sizeof(v6);
      } else {
        errno = EINVAL;
        Die(host.c_str());
      }
      SetPort(endpoint, static_cast<uint16_t>(kFirstPort + port));
      found.push_back(endpoint);
    }
  }
  return found;
}

void FillPattern(uint64_t offset, std::span<uint8_t> out) {
  // Eight bytes at a time by a multiplicative hash of their number: no period that a shifted,
  // repeated or missing piece could hide in.
  for (size_t i = 0; i < out.size();) {
    const uint64_t at = offset + i;
    const uint64_t word = (at / 8 + 1) * 0x9e3779b97f4a7c15;
    const size_t skip = at % 8;
    const size_t count = std::min<size_t>(8 - skip, out.size() - i);
    std::memcpy(out.data() + i, reinterpret_cast<const char*>(&word) + skip, count);
    i += count;
  }
}

uint64_t Hash(uint64_t hash, std::span<const uint8_t> bytes) {
  for (const uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

std::string Hex(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016" PRIx64, value);
  return text;
}

void Tally::Print(Clock::duration took) const {
  std::vector<uint32_t> sorted = microseconds;
  std::sort(sorted.begin(), sorted.end());
  const auto at = [&](size_t percent) {
    return sorted.empty() ? 0 : sorted[std::min(sorted.size() - 1, sorted.size() * percent / 100)];
  };
  uint64_t failed = 0;
  for (const auto& [name, count] : failures) failed += count;
  std::printf("done=%" PRIu64 " failed=%" PRIu64 " datagrams=%" PRIu64 " lost_datagrams=%" PRIu64
              " bytes=%" PRIu64 " seconds=%.2f p50_us=%u p99_us=%u max_us=%u",
              done, failed, datagrams, lost_datagrams, bytes,
              std::chrono::duration<double>(took).count(), at(50), at(99), at(100));
  for (const auto& [name, count] : failures) std::printf(" %s=%" PRIu64, name.c_str(), count);
  std::printf("\n");
}

}  // namespace mini::load
