// How a copy of somebody's process ends.
#ifndef MINI_SANDBOX_CHILD_END_PROCESS_H_
#define MINI_SANDBOX_CHILD_END_PROCESS_H_

#include <sys/syscall.h>
#include <unistd.h>

namespace mini::child {

// Without _exit(2), in whose place the caller may have another: ThreadSanitizer's writes what stdio
// holds in its buffers, which the caller itself writes again.
[[noreturn]] inline void EndProcess(int code) {
  for (;;) syscall(SYS_exit_group, code);
}

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_END_PROCESS_H_
