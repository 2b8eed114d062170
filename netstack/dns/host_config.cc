// resolv.conf(5) and hosts(5). Lines that make no sense are skipped, as the C library does: these
// files are the host's, and a typo in them is not the sandbox user's to mend.
#include <algorithm>

#include "base/strings.h"
#include "netstack/dns/dns_server.h"

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

void ReadOption(std::string_view option, ResolvConf& conf) {
  const size_t colon = option.find(':');
  if (colon == std::string_view::npos) return;
  const std::string_view name = option.substr(0, colon);
  const std::string_view text = option.substr(colon + 1);
  if (name == "timeout") {
    uint64_t seconds = 0;
    ReadNumber(text, kMaxTimeoutSeconds, seconds);
    if (seconds > 0) conf.timeout = std::chrono::seconds(seconds);
  } else if (name == "attempts") {
    uint64_t attempts = 0;
    ReadNumber(text, kMaxAttempts, attempts);
    if (attempts > 0) conf.attempts = static_cast<int>(attempts);
  }
}

// A zone (fe80::1%eth0) is dropped: it only means something for link-local servers, which can't be
// reached without it, and those are skipped.
void ReadServer(std::string_view text, ResolvConf& conf) {
  const size_t zone = text.find('%');
  const auto address = IpAddress::Parse(text.substr(0, zone));
  if (!address || conf.servers.size() == kMaxServers) return;
  static const IpPrefix kLinkLocal = *IpPrefix::Parse("fe80::/10");
  if (kLinkLocal.Contains(*address)) return;
  const Endpoint server{*address, kDnsPort};
  const auto& known = conf.servers;
  if (std::find(known.begin(), known.end(), server) == known.end()) conf.servers.push_back(server);
}

}  // namespace

ResolvConf ParseResolvConf(std::string_view text) {
  ResolvConf conf;
  while (!text.empty()) {
    const std::string_view line = TakeLine(text);
    const auto words = Words(line.substr(0, line.find_first_of("#;")));
    if (words.size() < 2) continue;
    if (words[0] == "nameserver") ReadServer(words[1], conf);
    if (words[0] != "options") continue;
    for (size_t i = 1; i < words.size(); ++i) ReadOption(words[i], conf);
  }
  return conf;
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
