#include "plan/name_files.h"

#include <algorithm>
#include <functional>
#include <set>

#include "base/ip_address.h"
#include "base/strings.h"
#include "plan/plan.h"

namespace mini {
namespace {

// Takes the first word of a line, which blanks may precede; empty at the line's end.
std::string_view TakeWord(std::string_view& line) {
  line = StripBlanks(line);
  const std::string_view word = line.substr(0, line.find_first_of(" \t"));
  line.remove_prefix(word.size());
  return word;
}

// The kernel takes any bytes for a host name; a line of hosts(5) does not.
bool IsPlainName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
}

}  // namespace

std::string ResolvConfInside(std::string_view host_text) {
  std::string inside = StrCat("nameserver ", kSandboxResolver, "\n");
  for (const std::string_view line : StrSplit(host_text, '\n')) {
    std::string_view rest = line;
    const std::string_view keyword = TakeWord(rest);
    if (keyword == "search" || keyword == "domain") {
      inside += StrCat(keyword, " ", StripBlanks(rest), "\n");
    } else if (keyword == "options") {
      for (auto option = TakeWord(rest); !option.empty(); option = TakeWord(rest)) {
        if (option.starts_with("ndots:")) inside += StrCat("options ", option, "\n");
      }
    }
  }
  return inside;
}

std::string HostsInside(std::string_view host_text, std::string_view host_name) {
  std::string lines;
  std::set<std::string, std::less<>> known;
  for (const std::string_view line : StrSplit(host_text, '\n')) {
    std::string_view rest = line.substr(0, line.find('#'));
    const auto address = IpAddress::Parse(TakeWord(rest));
    if (!address || !address->is_loopback()) continue;
    lines += StrCat(line, "\n");
    for (auto name = TakeWord(rest); !name.empty(); name = TakeWord(rest)) {
      known.insert(StrCat(address->is_v4() ? "4 " : "6 ", name));
      known.emplace(name);
    }
  }
  std::string inside;
  if (!known.contains("4 localhost")) inside += "127.0.0.1 localhost\n";
  inside += lines;
  if (!known.contains("6 localhost")) inside += "::1 localhost ip6-localhost ip6-loopback\n";
  if (IsPlainName(host_name) && host_name != "localhost" && !known.contains(host_name)) {
    inside += StrCat("127.0.1.1 ", host_name, "\n");
  }
  return inside;
}

}  // namespace mini
