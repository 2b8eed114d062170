// Counts the instructions that a command and all its descendants carry out in user space, by single
// steps: exact, without the hardware counters that virtual machines lack, and through the clone(2)
// into namespaces at which valgrind gives up. A step costs microseconds, a million of them seconds.
//
//   instruction_count COMMAND ARG...
//
// Prints the number; exits as the command does.
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(125);
}

pid_t StartStopped(char** argv) {
  // Tracer and traced take turns: on one CPU that is a switch, on two a wake-up.
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  sched_setaffinity(0, sizeof(one), &one);
  const pid_t pid = fork();
  if (pid < 0) Die("fork");
  if (pid == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) Die("ptrace");
    raise(SIGSTOP);
    execvp(argv[0], argv);
    Die(argv[0]);
  }
  return pid;
}

// What a task that stopped with this status has to be given to go on: a signal of its own, or none
// for one that only tracing has brought (ptrace(2)).
int SignalToDeliver(int status, uint64_t& steps) {
  const int signal = WSTOPSIG(status);
  const bool event = status >> 16 != 0;
  if (signal == SIGTRAP && !event) ++steps;
  return signal == SIGTRAP || signal == SIGSTOP ? 0 : signal;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: instruction_count COMMAND ARG...\n", stderr);
    return 2;
  }
  const pid_t command = StartStopped(argv + 1);
  int status = 0;
  if (waitpid(command, &status, 0) != command) Die("waitpid");
  constexpr long kOptions = PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                            PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
  if (ptrace(PTRACE_SETOPTIONS, command, nullptr, kOptions) != 0) Die("ptrace");
  uint64_t steps = 0;
  int exit_code = 125;
  for (pid_t stopped = command; stopped >= 0; stopped = waitpid(-1, &status, __WALL)) {
    if (WIFSTOPPED(status)) {
      const long deliver = SignalToDeliver(status, steps);
      // ESRCH: killed in the meantime.
      if (ptrace(PTRACE_SINGLESTEP, stopped, nullptr, deliver) != 0 && errno != ESRCH) {
        Die("ptrace");
      }
    } else if (stopped == command) {
      exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
  }
  std::printf("%lu\n", static_cast<unsigned long>(steps));
  return exit_code;
}
