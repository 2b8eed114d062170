#include "attempt.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace mini::probe {
namespace {

void Print(const char* name, int status) {
  if (WIFSIGNALED(status)) {
    std::printf("%s: refused SIG%s\n", name, sigabbrev_np(WTERMSIG(status)));
  } else if (int number = WEXITSTATUS(status); number != 0) {
    const char* text = strerrorname_np(number);
    std::printf("%s: refused %s\n", name, text != nullptr ? text : "UNKNOWN");
  } else {
    std::printf("%s: allowed\n", name);
  }
}

}  // namespace

int ErrnoOf(long result) { return result == -1 ? errno : 0; }

void MakeAttempts(std::span<const Attempt> attempts) {
  for (const Attempt& attempt : attempts) {
    std::fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit(attempt.make());  // every errno fits into an exit code
    int status = 0;
    if (child == -1 || waitpid(child, &status, 0) != child) {
      std::printf("%s: not attempted, fork: %s\n", attempt.name, std::strerror(errno));
      continue;
    }
    Print(attempt.name, status);
  }
}

}  // namespace mini::probe
