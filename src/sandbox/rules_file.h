// An allow-list, handed to another program of ours in memory.
#ifndef MINI_SANDBOX_SANDBOX_RULES_FILE_H_
#define MINI_SANDBOX_SANDBOX_RULES_FILE_H_

#include "base/status.h"
#include "base/unique_fd.h"
#include "netstack/filter/rules.h"

namespace mini {

// Sealed: what is read is what was written.
Result<UniqueFd> WriteRulesFile(const netstack::RuleSet& rules);

// The same rules in the same order, each with its place.
Result<netstack::RuleSet> ReadRulesFile(int file);

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_RULES_FILE_H_
