// Any bytes as an allow-list: parsing ends, a bad text changes nothing, and every rule that was
// accepted reads back from its canonical text as itself. What decides about a protocol and port is
// what reading the rules one by one says.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "netstack/filter/filter.h"
#include "netstack/filter/rules.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

namespace {

using namespace mini;
using namespace mini::netstack;

// The rules of one target that cover `use`: the first refusing and the first allowing one.
std::vector<const Rule*> FirstOfEach(const std::vector<const Rule*>& matches, const Rule& target,
                                     RuleSet::Use use) {
  const Rule* refusing = nullptr;
  const Rule* allowing = nullptr;
  for (const Rule* rule : matches) {
    if (rule->kind != target.kind || rule->name != target.name || rule->prefix != target.prefix) {
      continue;
    }
    const Rule*& slot = rule->action == RuleAction::kAllow ? allowing : refusing;
    if (slot == nullptr && rule->Covers(use.protocol, use.port)) slot = rule;
  }
  std::vector<const Rule*> found;
  if (refusing != nullptr) found.push_back(refusing);
  if (allowing != nullptr) found.push_back(allowing);
  return found;
}

// `deciding` has, of every target among `matches`, what FirstOfEach() has, and nothing else.
void CheckDeciding(const std::vector<const Rule*>& deciding,
                   const std::vector<const Rule*>& matches, const Rule& target, RuleSet::Use use) {
  for (const Rule* rule : FirstOfEach(matches, target, use)) {
    Require(std::find(deciding.begin(), deciding.end(), rule) != deciding.end());
  }
  for (const Rule* rule : deciding) {
    const auto expected = FirstOfEach(matches, *rule, use);
    Require(std::find(expected.begin(), expected.end(), rule) != expected.end());
  }
}

void CheckRule(const RuleSet& rules, const Rule& rule) {
  const PortRange ports = rule.ports.value_or(PortRange());
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp, Protocol::kIcmp}) {
    for (const uint16_t port : {ports.first, ports.last}) {
      const RuleSet::Use use{protocol, port};
      if (rule.kind == TargetKind::kAddress) {
        const IpAddress& address = rule.prefix.address;
        CheckDeciding(rules.DecidingForAddress(address, use), rules.MatchAddress(address), rule,
                      use);
        continue;
      }
      const std::string name =
          rule.kind == TargetKind::kWildcard ? StrCat("x.", rule.name) : rule.name;
      CheckDeciding(rules.DecidingForName(name, use), rules.MatchName(name), rule, use);
    }
  }
  if (rule.kind != TargetKind::kAddress) Require(NormalizeName(rule.name) == rule.name);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
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
  // Checking is square in the number of rules.
  size_t checked = 0;
  for (const Rule& rule : rules.rules()) {
    if (++checked <= 64) CheckRule(rules, rule);
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
