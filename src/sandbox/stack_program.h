// The stack's process as a program of its own: what a library starts, whose memory is its caller's.
#ifndef MINI_SANDBOX_SANDBOX_STACK_PROGRAM_H_
#define MINI_SANDBOX_SANDBOX_STACK_PROGRAM_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "policy/policy.h"
#include "sandbox/stack_process.h"
#include "sandbox/stack_request.h"

namespace mini {

// What that program is told, besides the rules in their file.
struct StackArguments {
  pid_t supervisor = -1;
  // Descriptors; -1: none.
  int channel = -1;
  int rules = -1;  // none: open mode
  int debug_log = -1;
  int verdict_log = -1;
  bool may_lose_verdicts = false;  // as StackRequest has it
  bool shares_debug_log = false;   // DebugLog::Share(), by the supervisor's number
  int64_t debug_log_begun = 0;
  HostName host_name = HostName::kOfHost;
  ServerNames server_names = ServerNames::kAsTheyCome;
  std::optional<uint32_t> max_connections;

  // Its name, and the word that IsStackProgram() knows it by, come first.
  std::vector<std::string> ToArguments() const;
  // What ToArguments() has made, without its name; anything else is an error.
  static Result<StackArguments> FromArguments(std::span<const char* const> arguments);

  friend bool operator==(const StackArguments&, const StackArguments&) = default;
};

// Starts it. `program` is a descriptor that leads to RunStackProgram(). For a process that may have
// threads: the stack is a child of the calling thread, and ends with it, unless that executes the
// supervisor. Ports are not published by it, and refusals not counted.
Result<std::unique_ptr<StackProcess>> SpawnStack(int program, const StackRequest& request);

bool IsStackProgram(std::span<const char* const> arguments);

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_STACK_PROGRAM_H_
