#include "plan/name_files.h"

#include "base/ip_address.h"
#include "base/strings.h"
#include "plan/plan.h"

namespace mini {
namespace {

// The first word of a line, which blanks may precede.
std::string_view FirstWord(std::string_view line) {
  line = StripBlanks(line);
  return line.substr(0, line.find_first_of(" \t"));
}

}  // namespace

std::string ResolvConfInside(std::string_view host_text) {
  std::string inside = StrCat("nameserver ", kSandboxResolver, "\n");
  for (const std::string_view line : StrSplit(host_text, '\n')) {
    const std::string_view keyword = FirstWord(line);
    if (keyword == "search" || keyword == "domain") {
      inside += StrCat(line, "\n");
    } else if (keyword == "options") {
      for (const std::string_view option : StrSplit(StripBlanks(line), ' ')) {
        if (option.starts_with("ndots:")) inside += StrCat("options ", option, "\n");
      }
    }
  }
  return inside;
}

std::string HostsInside(std::string_view host_text) {
  std::string inside = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";
  for (const std::string_view line : StrSplit(host_text, '\n')) {
    const auto address = IpAddress::Parse(FirstWord(line));
    if (address && address->is_loopback()) inside += StrCat(line, "\n");
  }
  return inside;
}

}  // namespace mini
