#include "capi/stack_entry.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/unique_fd.h"
#include "sandbox/stack_process.h"
#include "sandbox/stack_program.h"
#include "sandbox/stack_service.h"
#include "supervise/outcome.h"

namespace mini::capi {

Product ThisProduct() { return Product::kTapbox; }

// As a program of its own, though a fork of the supervisor's might do: that knows the command's
// arguments and environment.
StackStarter ThisStackStarter() {
  return [](const StackRequest& request) -> Result<std::unique_ptr<StackProcess>> {
    const UniqueFd program(open("/proc/self/exe", O_PATH | O_CLOEXEC));
    if (!program) {
      return SystemError(Stage::kNetwork, errno, "open the program of the network stack");
    }
    return SpawnStack(program.get(), request);
  };
}

void RunIfStackProgram(std::span<const char* const> arguments) {
  if (!IsStackProgram(arguments)) return;
  const Result<StackArguments> parsed = StackArguments::FromArguments(arguments);
  if (!parsed.ok()) _exit(ExitCodeFor(parsed.status()));
  RunStackProgram(*parsed);
}

}  // namespace mini::capi
