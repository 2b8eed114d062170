// What a program has said of its network through the C API of libmini-tapbox: its allow-list.
#ifndef MINI_SANDBOX_CAPI_NETWORK_SETTINGS_H_
#define MINI_SANDBOX_CAPI_NETWORK_SETTINGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "capi/error.h"
#include "policy/policy.h"

namespace mini::capi {

// A setter that fails changes nothing. Texts may be null. None of them: every public address.
class NetworkSettings {
 public:
  // A file of rules, read now.
  Error AllowConnections(const char* path);
  Error AllowIpv4(const char* address);
  Error AllowIpv4Subnet(const char* subnet);
  Error AllowIpv6(const char* address);
  Error AllowIpv6Subnet(const char* subnet);
  // "example.com", or "*.example.com" for all names below.
  Error AllowDomain(const char* name);
  Error AllowRule(const char* rule);
  // Every public address under whatever name, as without any rule; excludes rules.
  Error AllowAllDomains();
  Error AllowMaxConnections(int connections);

  const std::optional<uint32_t>& max_connections() const { return max_connections_; }
  // As often as it is wanted.
  Status AddTo(PolicyBuilder& builder) const;

 private:
  // A rule that a call has given, or a file of them.
  struct Source {
    std::string name;
    std::string text;
    int number;  // from 1 among the rules of calls; 0: a file
  };

  // With `fits` to say whether it is what the function takes, `wanted` what that is.
  Error AddRule(const char* function, const char* text, std::string_view wanted,
                bool (*fits)(const netstack::Rule& rule, std::string_view text));
  Error CheckConflict() const;

  std::vector<Source> sources_;
  int rule_count_ = 0;
  bool allows_all_domains_ = false;
  std::optional<uint32_t> max_connections_;
};

}  // namespace mini::capi

#endif  // MINI_SANDBOX_CAPI_NETWORK_SETTINGS_H_
