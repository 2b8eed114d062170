#include "supervise/outcome.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

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

void EndAs(int wait_status) {
  if (!WIFSIGNALED(wait_status)) _exit(WEXITSTATUS(wait_status));
  const int number = WTERMSIG(wait_status);
  const rlimit no_core = {0, 0};  // it has been written, of the process that it is about
  (void)setrlimit(RLIMIT_CORE, &no_core);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  (void)signal(number, SIG_DFL);
  (void)raise(number);
  (void)sigprocmask(SIG_UNBLOCK, &set, nullptr);
  _exit(128 + number);  // one that does not end a process here
}

}  // namespace mini
