// For tests that must change their own process: run a function in a forked child.
#ifndef MINI_SANDBOX_TESTS_UNIT_CHILD_PROCESS_H_
#define MINI_SANDBOX_TESTS_UNIT_CHILD_PROCESS_H_

#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "base/strings.h"

namespace mini {

// The text that `body` returns in a forked child, or a sentence that says how the child ended
// instead. `body` must not use GoogleTest's macros: their results would stay in the child.
template <typename Body>
std::string RunInChild(Body body) {
  int ends[2];
  if (pipe(ends) != 0) return "pipe failed";
  const pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    const std::string text = body();
    size_t written = 0;
    while (written < text.size()) {
      const ssize_t count = write(ends[1], text.data() + written, text.size() - written);
      if (count <= 0) _exit(1);
      written += static_cast<size_t>(count);
    }
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  ssize_t count = 0;
  while ((count = read(ends[0], buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<size_t>(count));
  }
  close(ends[0]);
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) return "waitpid failed";
  if (WIFSIGNALED(status)) return StrCat("killed by signal ", WTERMSIG(status));
  if (WEXITSTATUS(status) != 0) return StrCat("exited with ", WEXITSTATUS(status));
  return text;
}

}  // namespace mini

#endif  // MINI_SANDBOX_TESTS_UNIT_CHILD_PROCESS_H_
