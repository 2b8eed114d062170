// Any bytes as an allow-list: parsing ends, a bad text changes nothing, and every rule that was
// accepted reads back from its canonical text as itself.
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/strings.h"
#include "netstack/filter/filter.h"
#include "netstack/filter/rules.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mini;
  using namespace mini::netstack;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  RuleSet rules;
  const Status status = rules.AddText("fuzz", text);
  if (!status.ok()) {
    Require(rules.size() == 0);
    // Nothing in it acts on a terminal.
    const std::string error = status.ToString();
    Require(EscapeForTerminal(error, error.size()) == error);
    Require(error.size() < 1000);
    return 0;
  }
  for (const Rule& rule : rules.rules()) {
    RuleSet again;
    Require(again.AddRule("again", rule.ToString()).ok());
    const Rule& read = again.rules()[0];
    Require(read.action == rule.action && read.kind == rule.kind && read.name == rule.name &&
            read.prefix == rule.prefix && read.protocol == rule.protocol &&
            read.ports == rule.ports);
    if (rule.kind == TargetKind::kAddress) {
      Require(!rules.MatchAddress(rule.prefix.address).empty());
    } else {
      const bool wildcard = rule.kind == TargetKind::kWildcard;
      Require(!rules.MatchName(wildcard ? "x." + rule.name : rule.name).empty());
    }
  }
  return 0;
}
