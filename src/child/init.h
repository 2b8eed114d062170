// Process 1 of the sandbox once everything is set up.
#ifndef MINI_SANDBOX_CHILD_INIT_H_
#define MINI_SANDBOX_CHILD_INIT_H_

#include <sys/types.h>

#include "child/control.h"
#include "child/step.h"
#include "plan/frozen_plan.h"

namespace mini::child {

struct StartedProcess {
  Step step;
  pid_t pid = -1;
};

// execvp(3) over candidates that were listed beforehand. Returns only on failure: the errno a shell
// would report.
int ExecuteFirstCandidate(const FrozenPlan& plan);

// Forks and execs the command with `file_mode_mask` as its umask, in the foreground of a terminal
// of its own if it has one. step.stage is kExec when no candidate could be executed: step.error
// then is the errno a shell would report.
StartedProcess StartCommand(const FrozenPlan& plan, mode_t file_mode_mask);

// What the caller's copy gets back.
struct CallerAttributes {
  mode_t file_mode_mask;
  bool is_dumpable;  // PR_SET_DUMPABLE was 1
};

// Forks the process that goes on as the caller. Returns twice: there with pid 0, once the
// supervisor says so, with these attributes and the control socket closed. This
// process has turned into init then: it has a name of its own, and the caller's way to ignore
// children is undone.
StartedProcess StartCaller(const Control& control, const CallerAttributes& attributes);

// The descriptor that a process 1 has its control socket as.
inline constexpr int kInitsControl = 3;

// Becomes init by exec of `program`, which calls RunInitProgram(): a copy of the caller would keep
// its memory as it is now for as long as the sandbox lives. Returns where that fails: then the copy
// is init, which is no weaker. `program` -1: there is none.
void ExecuteInit(int program, pid_t caller, const FrozenPlan& plan);
// The arguments of that program, its name included; false when they are none of those.
bool IsInitProgram(int argc, const char* const* argv);
// Gives up what exec has given back, says that all is ready, and is init.
[[noreturn]] void RunInitProgram(const char* const* argv);

// Reaps everything, passes signals from outside on to `command` (those of a terminal to its process
// group, when it has a session of its own), and when that ends, ends all the rest, reports its
// status and exits. All signals are blocked on entry.
[[noreturn]] void RunInit(const FrozenPlan& plan, pid_t command, const Control& control);

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_INIT_H_
