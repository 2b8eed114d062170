// What the supervisor and the stack's process say to each other: see stack_process.cc.
#ifndef MINI_SANDBOX_SANDBOX_STACK_MESSAGES_H_
#define MINI_SANDBOX_SANDBOX_STACK_MESSAGES_H_

#include <array>
#include <cstdint>
#include <type_traits>

#include "base/status.h"
#include "sys/confinement.h"

namespace mini {

struct TapMessage {
  std::array<uint8_t, 6> mac;
  uint16_t mtu;
  bool udp_segmentation;
};

enum class StackReportKind : uint8_t { kNotice, kProblem, kServing, kSummary, kFailed };

// Followed by text: a sentence of kNotice and kProblem, lines of kSummary, of kFailed the message
// and, after a newline, the hint.
struct StackReport {
  StackReportKind kind;
  StatusCode code;
  Stage stage;
  // errno; of kServing landlock's version; of kSummary how many sentences could not be sent.
  int32_t number;
};
static_assert(std::is_trivially_copyable_v<TapMessage> &&
              std::is_trivially_copyable_v<StackReport> &&
              sizeof(StackReport) > sizeof(ForbiddenCall));

inline Status StackError(int error, const char* attempted) {
  return SystemError(Stage::kNetwork, error, attempted);
}

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_STACK_MESSAGES_H_
