// resolv.conf(5) and hosts(5). Lines that make no sense are skipped, as the C library does: these
// files are the host's, and a typo in them is not the sandbox user's to mend.
#include "netstack/dns/host_config.h"

#include <algorithm>

#include "base/strings.h"
#include "netstack/filter/rules.h"

namespace mini::netstack {
namespace {

// The bounds of resolv.conf(5): what the C library's resolver itself would use.
constexpr size_t kMaxServers = 3;
constexpr uint64_t kMaxTimeoutSeconds = 30;
constexpr uint64_t kMaxAttempts = 5;
constexpr uint16_t kDnsPort = 53;

std::vector<std::string_view> Words(std::string_view line) {
  constexpr std::string_view kBlanks = " \t\r\f\v";
  std::vector<std::string_view> words;
  for (;;) {
    const size_t start = line.find_first_not_of(kBlanks);
    if (start == std::string_view::npos) return words;
    line.remove_prefix(start);
    const size_t end = std::min(line.find_first_of(kBlanks), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

std::string_view TakeLine(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

// A number above the most that is allowed counts as the most.
void ReadNumber(std::string_view text, uint64_t most, uint64_t& value) {
  if (const auto number = ParseDecimal(text, UINT64_MAX)) value = std::min(*number, most);
}

void ReadOption(std::string_view option, ResolverConfig& config) {
  if (option == "rotate") config.rotate = true;
  if (option == "use-vc" || option == "usevc") config.use_tcp = true;
  const size_t colon = option.find(':');
  if (colon == std::string_view::npos) return;
  const std::string_view name = option.substr(0, colon);
  const std::string_view text = option.substr(colon + 1);
  if (name == "timeout") {
    uint64_t seconds = 0;
    ReadNumber(text, kMaxTimeoutSeconds, seconds);
    if (seconds > 0) config.timeout = std::chrono::seconds(seconds);
  } else if (name == "attempts") {
    uint64_t attempts = 0;
    ReadNumber(text, kMaxAttempts, attempts);
    if (attempts > 0) config.attempts = static_cast<int>(attempts);
  }
}

bool IsZone(std::string_view text) {
  // An interface's name, or its number (RFC 4007, section 11.2). Narrower than what Linux takes,
  // since it is written into c-ares' list of servers.
  constexpr size_t kMaxInterfaceName = 15;
  return !text.empty() && text.size() <= kMaxInterfaceName &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

// A zone (fe80::1%eth0) means something for link-local servers only, which can't be reached without
// one.
void ReadServer(std::string_view text, ResolverConfig& config) {
  const size_t percent = text.find('%');
  const auto address = IpAddress::Parse(text.substr(0, percent));
  if (!address || config.servers.size() == kMaxServers) return;
  static const IpPrefix kLinkLocal = *IpPrefix::Parse("fe80::/10");
  NameServer server{{*address, kDnsPort}, {}};
  if (kLinkLocal.Contains(*address)) {
    const auto zone = percent == std::string_view::npos ? "" : text.substr(percent + 1);
    if (!IsZone(zone)) return;
    server.zone = zone;
  }
  const auto& known = config.servers;
  if (std::find(known.begin(), known.end(), server) == known.end()) {
    config.servers.push_back(std::move(server));
  }
}

}  // namespace

ResolverConfig ParseResolvConf(std::string_view text) {
  ResolverConfig config;
  while (!text.empty()) {
    const std::string_view line = TakeLine(text);
    const auto words = Words(line.substr(0, line.find_first_of("#;")));
    if (words.size() < 2) continue;
    if (words[0] == "nameserver") ReadServer(words[1], config);
    if (words[0] == "search" || words[0] == "domain") config.search.clear();  // the last one counts
    for (size_t i = 1; i < words.size(); ++i) {
      if (words[0] == "options") ReadOption(words[i], config);
      if (words[0] != "search" && words[0] != "domain") continue;
      if (auto name = NormalizeName(words[i])) config.search.push_back(*std::move(name));
    }
  }
  return config;
}

std::vector<std::pair<std::string, IpAddress>> ParseHosts(std::string_view text) {
  std::vector<std::pair<std::string, IpAddress>> hosts;
  while (!text.empty()) {
    const std::string_view line = TakeLine(text);
    const auto words = Words(line.substr(0, line.find('#')));
    if (words.size() < 2) continue;
    const auto address = IpAddress::Parse(words[0]);
    if (!address) continue;  // also one with a zone, which the sandbox could not use
    for (size_t i = 1; i < words.size(); ++i) {
      if (auto name = NormalizeName(words[i])) hosts.emplace_back(*std::move(name), *address);
    }
  }
  return hosts;
}

}  // namespace mini::netstack
