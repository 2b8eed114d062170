// A whole run: joins the rooms, one stage a line.
#ifndef MINI_SANDBOX_SANDBOX_SANDBOX_H_
#define MINI_SANDBOX_SANDBOX_SANDBOX_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/unique_fd.h"
#include "child/streams.h"
#include "plan/plan.h"
#include "policy/policy.h"
#include "sandbox/stack_request.h"
#include "supervise/outcome.h"
#include "supervise/signals.h"

namespace mini {

struct RunRequest {
  Policy policy;
  std::vector<std::string> argv;
  // Sentences for the user: what the plan decided that may surprise.
  std::function<void(std::string_view)> on_notice;
  // The same for what failed without ending the run; unset: on_notice.
  std::function<void(std::string_view)> on_problem = {};
  // At the end, what the stack refused: lines for the user. Unset: nothing is kept for it.
  std::function<void(const std::vector<std::string>&)> on_summary = {};
  // For Network::kStack: ForkStack() of stack_service.h, if this program has a stack.
  StackStarter start_stack = nullptr;
  // Where to write what is done, before anything else is (supervise/debug_log.h).
  std::optional<std::string> debug_log = {};
  // That file is appended to, and each line begins with this process's number: other runs may write
  // to it at the same time.
  bool shares_debug_log = false;
  // Called when the command has been executed, with the pidfd of the sandbox's first process.
  std::function<void(int init)> on_start = {};
  // Which of the signals that this process is sent are for the command.
  Forwarded forwarded_signals = Forwarded::kUsual;
  // A pipe, O_NONBLOCK: where the stack writes its verdicts instead, for a reader who may be slow
  // and whom it does not wait for.
  UniqueFd events = {};
  // The rules in a file (sandbox/rules_file.h), in place of policy.rules: they are parsed by who
  // enforces them, and here only to be written to the debug log.
  UniqueFd rules_file = {};
  // Opened by Run() from policy.verdict_log.
  UniqueFd verdict_log = {};
  // What this process's standard streams are, where somebody has looked already.
  std::optional<child::StandardStreams> streams = {};
  // The process ends right after the run: its values are left to the kernel. To take them apart
  // would touch each of their pages once more, and since the clone every touch copies a page.
  bool process_ends = false;
};

// What would be done, without doing it.
Result<Plan> PlanRun(const Policy& policy, const std::vector<std::string>& argv);

// Runs the command and waits for it. On an error the command did not run, or was killed because
// the sandbox could not be kept up; nothing of the sandbox is left either way. The calling thread
// should be the process's only one (its memory is copied into the child). While it runs, signals
// sent to this process are passed on to the command.
Result<Outcome> Run(RunRequest request);

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_SANDBOX_H_
