#include "supervise/outcome.h"

#include <sys/wait.h>

#include <cerrno>

namespace mini {

int ExitCodeFor(const Outcome& outcome) {
  return WIFSIGNALED(outcome.wait_status) ? 128 + WTERMSIG(outcome.wait_status)
                                          : WEXITSTATUS(outcome.wait_status);
}

int ExitCodeFor(const Status& error) {
  if (error.ok()) return 0;
  switch (error.stage()) {
    case Stage::kArguments:
      return 2;
    case Stage::kExec:
      return error.error_number() == ENOENT || error.error_number() == ENOTDIR ? 127 : 126;
    default:
      return 125;
  }
}

}  // namespace mini
