// The command's environment: the caller's, without what opens something of the host to whoever
// reads it, and with the user's changes.
#ifndef MINI_SANDBOX_PLAN_ENVIRONMENT_H_
#define MINI_SANDBOX_PLAN_ENVIRONMENT_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.h"

namespace mini {

// Names of variables that hold a credential of the host or lead to a socket of its programs: in
// capitals, "*" for any characters. Names are compared without regard to case.
std::span<const std::string_view> SensitiveVariables();

// By its name, or because its value holds a credential: a URL with a password
// ("https://user:password@host/"), a private key in PEM.
bool IsSensitiveVariable(std::string_view name, std::string_view value);

struct CommandEnvironment {
  std::vector<std::string> variables;  // "K=V"
  std::vector<std::string> removed;    // names, sorted; never one that the user took away
};

// policy.whole_environment as it is. Without one, the caller's variables: sensitive ones go, but
// for those of policy.kept_variables; then policy.environment is carried out in order. Strings that
// are no variable, without "=" or without a name, are left out.
CommandEnvironment MakeCommandEnvironment(const Policy& policy,
                                          const std::vector<std::string>& host_environment);

// The sentence that tells the user, by name only; safe for a terminal. `removed` is not empty.
std::string RemovedVariablesNotice(const std::vector<std::string>& removed);

// The first "NAME=...", as getenv(3) finds it; nullptr when there is none.
const std::string* FindVariable(const std::vector<std::string>& environment, std::string_view name);

}  // namespace mini

#endif  // MINI_SANDBOX_PLAN_ENVIRONMENT_H_
