// The program that libmini-sandbox carries inside itself, and nobody else starts: the supervisor
// and the cleaner of a scratch directory outside, and init inside.
#include "capi/spawned_command.h"
#include "child/init.h"
#include "sandbox/take_over.h"
#include "supervise/outcome.h"
#include "sys/scratch_cleaner.h"

int main(int argc, char** argv) {
  if (mini::child::IsInitProgram(argc, argv)) mini::child::RunInitProgram(argv);
  if (mini::IsCleanerProgram(argc, argv)) mini::RunCleanerProgram(argv);
  if (mini::capi::IsSpawnedSupervisor(argc, argv)) {
    mini::capi::RunSpawnedCommand(mini::Product::kSandbox);
  }
  const auto handover = mini::Handover::FromArguments(
      std::span<const char* const>(argv, static_cast<size_t>(argc)).subspan(argc > 0 ? 1 : 0));
  if (!handover.ok()) return mini::ExitCodeFor(handover.status());
  mini::TakeOver(handover.value());
}
