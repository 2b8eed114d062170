#include "plan/name_files.h"

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

std::string HostsInside(std::string_view host_text) {
  std::string inside = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";
  for (const std::string_view line : StrSplit(host_text, '\n')) {
    std::string_view rest = line;
    const auto address = IpAddress::Parse(TakeWord(rest));
    if (address && address->is_loopback()) inside += StrCat(line, "\n");
  }
  return inside;
}

}  // namespace mini
