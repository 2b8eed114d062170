// A hostile attempt and how it is made: each in a child of its own, so that one that succeeds (or
// is answered by a signal) disturbs none of the others.
#ifndef MINI_SANDBOX_TESTS_INTEGRATION_PROBE_ATTEMPT_H_
#define MINI_SANDBOX_TESTS_INTEGRATION_PROBE_ATTEMPT_H_

#include <span>

namespace mini::probe {

struct Attempt {
  const char* name;
  int (*make)();  // 0 when the attempt succeeded, else the errno
};

// errno after a call that returned -1, else 0.
int ErrnoOf(long result);

// Prints one line an attempt: "NAME: allowed", "NAME: refused EPERM", "NAME: refused SIGSYS".
void MakeAttempts(std::span<const Attempt> attempts);

std::span<const Attempt> KernelAttempts();
std::span<const Attempt> MountAttempts();
std::span<const Attempt> NamespaceAttempts();
std::span<const Attempt> TerminalAttempts();

// What a shell can't observe. Each returns the exit code.
int PrintOpenDescriptors();
int PrintIds();
// Prints "NUMBER COUNT" for each system call that the command and its descendants made; returns its
// exit code, or 3 when this process may trace none.
int CountCalls(char* const* command);
int UndoCovers(int count, char** paths);
int ConnectUnix(const char* name);  // "@x" is the abstract name x

}  // namespace mini::probe

#endif  // MINI_SANDBOX_TESTS_INTEGRATION_PROBE_ATTEMPT_H_
