// What a run asks of its network stack, and who starts one.
#ifndef MINI_SANDBOX_SANDBOX_STACK_REQUEST_H_
#define MINI_SANDBOX_SANDBOX_STACK_REQUEST_H_

#include <memory>

#include "base/status.h"
#include "policy/policy.h"

namespace mini {

class DebugLog;
class StackProcess;
struct ResolverFiles;

// Refers to what lives until the stack's process has been started, there and here.
struct StackRequest {
  Policy& policy;                 // Network::kStack; that process takes its copy apart
  const DebugLog* log = nullptr;  // null: none
  // The rules in a file (rules_file.h), in place of policy.rules, which is unset then; -1: none.
  int rules_file = -1;
  int verdict_log = -1;            // what policy.verdict_log names, opened; -1: none
  bool may_lose_verdicts = false;  // it is a pipe, whose reader the stack does not wait for
  bool counts_refusals = false;    // for StackProcess::summary()
  // What a fork finds in its memory; null: that process reads them.
  const ResolverFiles* resolver_files = nullptr;
};

// ForkStack() of stack_service.h. What does not name that function is linked without a stack.
using StackStarter = Result<std::unique_ptr<StackProcess>> (*)(const StackRequest& request);

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_STACK_REQUEST_H_
