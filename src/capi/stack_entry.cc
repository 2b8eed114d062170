#include "capi/stack_entry.h"

#include <unistd.h>

#include "sandbox/stack_program.h"
#include "sandbox/stack_service.h"
#include "supervise/outcome.h"

namespace mini::capi {

Product ThisProduct() { return Product::kTapbox; }

StackStarter ThisStackStarter() { return ForkStack; }

void RunIfStackProgram(std::span<const char* const> arguments) {
  if (!IsStackProgram(arguments)) return;
  const Result<StackArguments> parsed = StackArguments::FromArguments(arguments);
  if (!parsed.ok()) _exit(ExitCodeFor(parsed.status()));
  RunStackProgram(*parsed);
}

}  // namespace mini::capi
