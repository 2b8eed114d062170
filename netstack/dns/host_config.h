// The host's resolver configuration.
#ifndef MINI_SANDBOX_NETSTACK_DNS_HOST_CONFIG_H_
#define MINI_SANDBOX_NETSTACK_DNS_HOST_CONFIG_H_

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ip_address.h"

namespace mini::netstack {

// A resolver that resolv.conf(5) names. The zone is the interface of a link-local address.
struct NameServer {
  Endpoint endpoint;
  std::string zone = {};
  friend bool operator==(const NameServer&, const NameServer&) = default;
};

// The host's resolver configuration (resolv.conf(5), hosts(5)), read by the caller.
struct ResolverConfig {
  std::vector<NameServer> servers;          // empty: 127.0.0.1:53, as resolv.conf(5) has it
  std::chrono::milliseconds timeout{2000};  // per attempt
  int attempts = 3;
  bool rotate = false;              // spread the questions over the servers
  bool use_tcp = false;             // use-vc
  std::vector<std::string> search;  // normalized; who expands names by it is the client
  std::vector<std::pair<std::string, IpAddress>> hosts;  // /etc/hosts, names normalized
  // What the sandbox is called inside, normalized; empty: localhost. Answered here, as /etc/hosts
  // inside has it.
  std::string own_name = {};

  // The number of the interface of that name, for a link-local server; 0: none. Called on the
  // loop's thread whenever servers are taken over, and not kept of what `reread` returns. Empty:
  // if_nametoindex(3).
  std::function<unsigned(const std::string& interface)> interface_index = {};

  // Looks whether those files have changed since: their present contents, or nothing when they are
  // the same or can't be read. Called on the loop's thread, at most every two seconds. Servers,
  // search list and hosts are taken over, options are not. Empty: nothing ever changes.
  std::function<std::optional<ResolverConfig>()> reread = {};
};

// Parses the texts of resolv.conf(5), all but `hosts` and what is called, and hosts(5); lines that
// make no sense are skipped, as the C library does.
ResolverConfig ParseResolvConf(std::string_view text);
std::vector<std::pair<std::string, IpAddress>> ParseHosts(std::string_view text);

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_DNS_HOST_CONFIG_H_
