// The result of a step of the child: an errno and where it came from.
#ifndef MINI_SANDBOX_CHILD_STEP_H_
#define MINI_SANDBOX_CHILD_STEP_H_

#include <cerrno>
#include <cstdint>

#include "child/report.h"

namespace mini::child {

struct [[nodiscard]] Step {
  ChildStage stage = ChildStage::kStart;
  uint32_t index = 0;
  int error = 0;  // 0: done

  bool ok() const { return error == 0; }
};

inline Step Done() { return {}; }
inline Step FailedAt(ChildStage stage, uint32_t index = 0) { return {stage, index, errno}; }

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_STEP_H_
