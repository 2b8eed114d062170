// What the stack's process tells its supervisor.
#ifndef MINI_SANDBOX_SANDBOX_STACK_VOICE_H_
#define MINI_SANDBOX_SANDBOX_STACK_VOICE_H_

#include <cstdint>
#include <string_view>

#include "sandbox/stack_messages.h"

namespace mini {

// Whether it was sent. A supervisor that has gone needs no report.
bool SendReport(int channel, const StackReport& report, std::string_view text, int flags = 0);

// Sentences for the user, which the supervisor is handed. The stack carries all traffic, so it
// waits for nobody: what the socket does not take is counted.
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

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_STACK_VOICE_H_
