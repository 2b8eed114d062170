// What the stack's process does.
#ifndef MINI_SANDBOX_SANDBOX_STACK_SERVICE_H_
#define MINI_SANDBOX_SANDBOX_STACK_SERVICE_H_

#include <sys/types.h>

#include <cstdint>
#include <string_view>

#include "sandbox/stack_messages.h"
#include "sandbox/stack_process.h"

namespace mini {

// Sentences for the user, which the supervisor is handed. It carries all traffic, so it waits for
// nobody: what the socket does not take is counted.
class StackVoice {
 public:
  explicit StackVoice(int channel) : channel_(channel) {}
  void Notice(std::string_view sentence) { Say(StackReportKind::kNotice, sentence); }
  void Problem(std::string_view sentence) { Say(StackReportKind::kProblem, sentence); }
  int32_t unsent() const { return unsent_; }

 private:
  void Say(StackReportKind kind, std::string_view sentence);

  int channel_;
  int32_t unsent_ = 0;
};

// Does not return and destroys nothing: what this copy of the memory holds is the supervisor's.
[[noreturn]] void RunStackProcess(const StackProcessOptions& options, int channel,
                                  pid_t supervisor);

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_STACK_SERVICE_H_
