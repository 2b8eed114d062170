// A run where namespaces are refused and the user allows to do without (--allow-degraded).
#ifndef MINI_SANDBOX_SANDBOX_DEGRADED_RUN_H_
#define MINI_SANDBOX_SANDBOX_DEGRADED_RUN_H_

#include <optional>
#include <string>

#include "base/status.h"
#include "plan/host_facts.h"
#include "sandbox/sandbox.h"
#include "supervise/outcome.h"

namespace mini {

// What refuses the namespaces, for the user; nothing when they can be made, or what fails is none
// of the kernel's refusals: then a sandbox is made or the run fails, never a weaker one.
std::optional<std::string> FindRefusal();

// Adds what a degraded plan needs to know. `scratch_directory` becomes TMPDIR.
void AddDegradedFacts(const std::string& refusal, const std::string& scratch_directory,
                      HostFacts& facts);

// As Run(). The process must have no other children: what is left at the end is killed.
Result<Outcome> RunDegraded(const RunRequest& request, HostFacts facts, const std::string& refusal);

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_DEGRADED_RUN_H_
