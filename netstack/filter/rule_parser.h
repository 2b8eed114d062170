// Lines of an allow-list to rules. Internal to filter/: others use RuleSet.
#ifndef MINI_SANDBOX_NETSTACK_FILTER_RULE_PARSER_H_
#define MINI_SANDBOX_NETSTACK_FILTER_RULE_PARSER_H_

#include <string_view>
#include <vector>

#include "base/status.h"
#include "netstack/filter/rules.h"

namespace mini::netstack {

// Appends every rule of a file's text. The first mistake is an error: "allowed_ips:3:9: expected a
// port ..."; rules may have been appended then.
Status ParseRuleText(std::string_view source, std::string_view text, std::vector<Rule>& rules);

// Exactly one rule, without comment or line end, as --allow takes it, into a fresh `rule`; `number`
// is its line.
Status ParseSingleRule(const RuleSource& source, std::string_view text, int number, Rule& rule);

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FILTER_RULE_PARSER_H_
