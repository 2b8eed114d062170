// Lines of an allow-list as most of them are written. Internal to filter/.
#ifndef MINI_SANDBOX_NETSTACK_FILTER_PLAIN_RULE_H_
#define MINI_SANDBOX_NETSTACK_FILTER_PLAIN_RULE_H_

#include <string_view>

#include "netstack/filter/rules.h"

namespace mini::netstack {

// Fills in all of a fresh `rule` but where it comes from, if the text is
//   ["!"] ["tcp/" | "udp/"] (name | "*." name | ipv4) [":" ports]
// with a name in ASCII without a final dot. False: it is another rule, or none, which rule_parser.h
// finds out; `rule` is as it was.
bool ParsePlainRule(std::string_view text, Rule& rule);

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FILTER_PLAIN_RULE_H_
