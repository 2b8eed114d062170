// A command in a sandbox of its own, from a process that may have threads.
#ifndef MINI_SANDBOX_CAPI_SPAWN_H_
#define MINI_SANDBOX_CAPI_SPAWN_H_

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "capi/error.h"
#include "capi/process.h"
#include "capi/spawn_request.h"
#include "netstack/filter/rules.h"

namespace mini::capi {

struct SpawnArguments {
  SpawnRequest request;                      // has_rules and has_events are filled in
  const netstack::RuleSet* rules = nullptr;  // null: none
  std::span<const int, 3> stdio;             // -1: /dev/null
};

// Returns when the command has been executed; on an error `*process` is untouched and nothing is
// left but the program's file, which serves the next call.
Error SpawnCommand(SpawnArguments arguments, std::unique_ptr<Process>* process);

}  // namespace mini::capi

#endif  // MINI_SANDBOX_CAPI_SPAWN_H_
