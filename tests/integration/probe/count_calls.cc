// Counts the system calls that a command and all its descendants make: the kernel stops each of
// them at every call (ptrace(2)), so the number is exact, on a busy machine as well.
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <map>

#include "attempt.h"

namespace mini::probe {
namespace {

constexpr int kMayNotTrace = 3;
constexpr int kSyscallStop = SIGTRAP | 0x80;  // PTRACE_O_TRACESYSGOOD

using Counts = std::map<uint64_t, unsigned>;  // by number of the call

int Fail(const char* what) {
  std::perror(what);
  return 1;
}

// In the new process; returns only when it may not be traced.
int BecomeTraced(char* const* command) {
  if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) return kMayNotTrace;
  raise(SIGSTOP);
  execvp(command[0], command);
  return 127;
}

void CountStop(pid_t stopped, Counts& counts) {
  __ptrace_syscall_info info = {};
  const auto size = reinterpret_cast<void*>(sizeof info);  // as ptrace(2) takes it
  if (ptrace(PTRACE_GET_SYSCALL_INFO, stopped, size, &info) > 0 &&
      info.op == PTRACE_SYSCALL_INFO_ENTRY) {
    ++counts[info.entry.nr];
  }
}

// What a task that stopped with this status has to be given to go on: a signal of its own, or none
// for one that only tracing has brought.
long SignalToDeliver(int status) {
  const int signal = WSTOPSIG(status);
  return signal == kSyscallStop || signal == SIGTRAP || signal == SIGSTOP ? 0 : signal;
}

int Trace(pid_t command, Counts& counts) {
  int status = 0;
  int exit_code = 1;
  for (pid_t stopped = command; stopped > 0; stopped = waitpid(-1, &status, __WALL)) {
    if (stopped == command && (WIFEXITED(status) || WIFSIGNALED(status))) {
      exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    // The first time round there is no status yet: the command waits for its first call.
    if (status != 0 && !WIFSTOPPED(status)) continue;
    if (status != 0 && WSTOPSIG(status) == kSyscallStop) CountStop(stopped, counts);
    const long deliver = status != 0 ? SignalToDeliver(status) : 0;
    // ESRCH: killed in the meantime.
    if (ptrace(PTRACE_SYSCALL, stopped, nullptr, deliver) != 0 && errno != ESRCH) {
      return Fail("ptrace");
    }
  }
  return exit_code;
}

}  // namespace

int CountCalls(char* const* command) {
  const pid_t pid = fork();
  if (pid < 0) return Fail("fork");
  if (pid == 0) _exit(BecomeTraced(command));
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) return Fail("waitpid");
  if (!WIFSTOPPED(status)) return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  constexpr long kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                            PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
  if (ptrace(PTRACE_SETOPTIONS, pid, nullptr, kOptions) != 0) return kMayNotTrace;
  Counts counts;
  const int exit_code = Trace(pid, counts);
  for (const auto& [number, count] : counts) {
    std::printf("%lu %u\n", static_cast<unsigned long>(number), count);
  }
  return exit_code;
}

}  // namespace mini::probe
