// probe SUBCOMMAND: what the integration tests need to try or see from inside a sandbox, and a
// shell can't. One line a finding.
#include <cstdio>
#include <cstring>

#include "attempt.h"

namespace {

int Usage() {
  std::fputs(
      "usage: probe kernel|mounts|namespaces|terminal|fds|ids|nothing|covers PATH...|"
      "connect-unix NAME|calls COMMAND ARG...\n",
      stderr);
  return 2;
}

int Attempts(std::span<const mini::probe::Attempt> attempts) {
  mini::probe::MakeAttempts(attempts);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace mini::probe;
  if (argc < 2) return Usage();
  const char* verb = argv[1];
  if (std::strcmp(verb, "connect-unix") == 0) return argc == 3 ? ConnectUnix(argv[2]) : Usage();
  if (std::strcmp(verb, "calls") == 0) return argc > 2 ? CountCalls(argv + 2) : Usage();
  if (std::strcmp(verb, "covers") == 0) return UndoCovers(argc - 2, argv + 2);
  if (argc != 2) return Usage();
  if (std::strcmp(verb, "nothing") == 0) return 0;
  if (std::strcmp(verb, "kernel") == 0) return Attempts(KernelAttempts());
  if (std::strcmp(verb, "mounts") == 0) return Attempts(MountAttempts());
  if (std::strcmp(verb, "namespaces") == 0) return Attempts(NamespaceAttempts());
  if (std::strcmp(verb, "terminal") == 0) return Attempts(TerminalAttempts());
  if (std::strcmp(verb, "fds") == 0) return PrintOpenDescriptors();
  if (std::strcmp(verb, "ids") == 0) return PrintIds();
  return Usage();
}
