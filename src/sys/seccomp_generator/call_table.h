// What a filter does with each system call.
#ifndef MINI_SANDBOX_SYS_SECCOMP_GENERATOR_CALL_TABLE_H_
#define MINI_SANDBOX_SYS_SECCOMP_GENERATOR_CALL_TABLE_H_

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <utility>

#include "sys/seccomp_generator/instructions.h"

namespace mini::seccomp {

// For a command, a command that may make sandboxes of its own, the process of the network stack,
// and one of these that may also open files for reading.
enum class Kind { kClosed, kNesting, kStack, kStackReading };

// What is done with the calls of one architecture, by number, and with all others.
class CallTable {
 public:
  CallTable(uint32_t arch, Code otherwise) : arch_(arch), otherwise_(std::move(otherwise)) {}

  // Calls by name. One that this architecture does not have is left out; one that no architecture
  // has is a misspelling.
  void Refuse(int error, std::initializer_list<const char*> names) {
    for (const char* name : names) Treat(name, {ReturnErrno(error)});
  }
  void AllowAll(std::initializer_list<const char*> names) {
    for (const char* name : names) Treat(name, {Allow()});
  }
  void Treat(const char* name, Code code) {
    if (const std::optional<uint32_t> number = Number(name)) Treat(*number, std::move(code));
  }
  void Treat(uint32_t number, Code code) { calls_[number] = std::move(code); }

  uint32_t arch() const { return arch_; }
  const Code& otherwise() const { return otherwise_; }
  const std::map<uint32_t, Code>& calls() const { return calls_; }

 private:
  std::optional<uint32_t> Number(const char* name) const;

  uint32_t arch_;
  Code otherwise_;
  std::map<uint32_t, Code> calls_;
};

// command_calls.cc: what a command may not do; all else is allowed.
CallTable CommandCalls(uint32_t arch, Kind kind);
// stack_calls.cc: what the network stack's process may do; all else traps.
CallTable StackCalls(uint32_t arch, Kind kind);

}  // namespace mini::seccomp

#endif  // MINI_SANDBOX_SYS_SECCOMP_GENERATOR_CALL_TABLE_H_
