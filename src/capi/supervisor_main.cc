// The program that a library carries inside itself, and nobody else starts: the supervisor, the
// cleaner of a scratch directory and libmini-tapbox's network stack outside, and init inside.
#include "capi/spawned_command.h"
#include "capi/stack_entry.h"
#include "child/init.h"
#include "sandbox/take_over.h"
#include "supervise/outcome.h"
#include "sys/scratch_cleaner.h"

int main(int argc, char** argv) {
  if (mini::child::IsInitProgram(argc, argv)) mini::child::RunInitProgram(argv);
  if (mini::IsCleanerProgram(argc, argv)) mini::RunCleanerProgram(argv);
  if (mini::capi::IsSpawnedSupervisor(argc, argv)) {
    mini::capi::RunSpawnedCommand(mini::capi::ThisProduct(), mini::capi::ThisStackStarter());
  }
  const auto arguments =
      std::span<const char* const>(argv, static_cast<size_t>(argc)).subspan(argc > 0 ? 1 : 0);
  mini::capi::RunIfStackProgram(arguments);
  const auto handover = mini::Handover::FromArguments(arguments);
  if (!handover.ok()) return mini::ExitCodeFor(handover.status());
  mini::TakeOver(handover.value());
}
