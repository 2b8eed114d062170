#include "sandbox/sandbox.h"

#include <signal.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include "base/strings.h"
#include "plan/freeze.h"
#include "sandbox/degraded_run.h"
#include "sandbox/host_probe.h"
#include "sandbox/network.h"
#include "sandbox/rules_file.h"
#include "sandbox/stack_process.h"
#include "sandbox/start_child.h"
#include "supervise/child_process.h"
#include "supervise/debug_log.h"
#include "supervise/log_file.h"
#include "supervise/signals.h"
#include "supervise/supervisor.h"
#include "sys/clone.h"
#include "sys/resolver_files.h"
#include "sys/scratch_directory.h"
#include "sys/seccomp_filter.h"

namespace mini {
namespace {

Result<std::unique_ptr<StackProcess>> StartStack(RunRequest& request,
                                                 std::optional<ResolverFiles>& resolver_files,
                                                 const DebugLog* log) {
  if (request.policy.network != Network::kStack) return std::unique_ptr<StackProcess>();
  if (request.start_stack == nullptr) {
    return Status(StatusCode::kUnsupported, Stage::kNetwork, "this program has no network stack")
        .WithHint("run mini-tapbox");
  }
  MINI_ASSIGN_OR_RETURN(resolver_files, ReadResolverFiles());
  return request.start_stack(
      {.policy = request.policy,
       .log = log,
       .rules_file = request.policy.rules ? -1 : request.rules_file.get(),
       .verdict_log = request.events ? request.events.get() : request.verdict_log.get(),
       .may_lose_verdicts = request.events.valid(),
       .counts_refusals = request.on_summary != nullptr,
       .resolver_files = &*resolver_files});
}

std::string OutcomeText(const Result<Outcome>& outcome) {
  if (!outcome.ok()) {
    return StrCat("exit code ", ExitCodeFor(outcome.status()), ": ", outcome.status().ToString());
  }
  return StrCat("exit code ", ExitCodeFor(*outcome), outcome->timed_out ? ", time limit" : "");
}

// `log` may be null: then nothing is written, and nothing is made for writing.
void Enter(std::string_view stage, const DebugLog* log) {
  if (log) log->Write("stage", stage);
}

// From the clone to the end of everything inside.
Result<Outcome> Supervise(const RunRequest& request, StackProcess* stack,
                          const SupervisorSignals& signals, ChildProcess& child,
                          Supervisor& supervisor, const DebugLog* log) {
  if (stack == nullptr) {
    Enter("supervise", log);
    return supervisor.Run(signals);
  }
  Enter("network", log);
  MINI_RETURN_IF_ERROR(ConnectStack(*stack, supervisor, log));
  Enter("supervise", log);
  return SuperviseWithStack(
      *stack, {request.on_notice, request.on_problem, request.on_summary, STDERR_FILENO}, signals,
      child, supervisor, log);
}

// What a run is made of.
struct RunValues {
  HostFacts facts;
  Plan plan;
  std::optional<SupervisorSignals> signals;
  std::optional<FrozenPlanOwner> frozen;
};

Result<Outcome> RunStages(RunRequest& request, RunValues& values, const DebugLog* log) {
  const child::StandardStreams streams =
      request.streams ? *request.streams : child::LookAtStandardStreams();
  MINI_RETURN_IF_ERROR(CheckStandardStreams(streams));
  // Whoever started us may ignore it, which exec(2) passes on: then the kernel reaps every child
  // itself, here and inside, and nobody learns how it ended (wait(2)).
  (void)signal(SIGCHLD, SIG_DFL);
  // Once, for the stack's process and for the plan.
  std::optional<ResolverFiles> resolver_files;
  MINI_ASSIGN_OR_RETURN(const std::unique_ptr<StackProcess> stack,
                        StartStack(request, resolver_files, log));
  Enter("probe", log);
  MINI_ASSIGN_OR_RETURN(values.facts,
                        ProbeHost(request.policy, resolver_files ? &*resolver_files : nullptr));
  const HostFacts& facts = values.facts;
  if (request.policy.degraded == Degraded::kAllowed) {
    if (const auto refusal = FindRefusal()) return RunDegraded(request, facts, *refusal, log);
  }
  Enter("plan", log);
  if (log && request.rules_file) {
    MINI_ASSIGN_OR_RETURN(request.policy.rules, ReadRulesFile(request.rules_file.get()));
  }
  MINI_ASSIGN_OR_RETURN(values.plan, MakePlan(request.policy, facts, request.argv));
  const Plan& plan = values.plan;
  if (log) log->Write("plan", plan.ToString());
  const bool is_relayed = plan.terminal || plan.interrupt_terminates;
  const SupervisorSignals& signals = values.signals.emplace(
      is_relayed ? JobControl::kRelayed : JobControl::kShared, request.forwarded_signals);
  values.frozen =
      Freeze(plan, plan.nesting == Nesting::kAllowed ? NestingCommandFilter() : CommandFilter(),
             signals.original_mask());
  for (const std::string& notice : plan.notices) request.on_notice(notice);

  // Before the child, which has to be gone when this goes.
  std::optional<ScratchDirectory> scratch;
  if (!plan.scratch_directory.empty()) {
    MINI_ASSIGN_OR_RETURN(ScratchDirectory made,
                          ScratchDirectory::Create(plan.scratch_directory, facts.scratch_name));
    scratch.emplace(std::move(made));
  }
  Enter("clone", log);
  MINI_ASSIGN_OR_RETURN(ChildProcess child,
                        StartChild(values.frozen->get(), &streams,
                                   request.on_start ? StartReport::kSent : StartReport::kNone));
  if (scratch) MINI_RETURN_IF_ERROR(scratch->KeepUntilEndOf(child.pidfd()));
  Supervisor supervisor(plan, child, request.on_notice, request.on_problem);
  supervisor.WriteTo(log);
  if (request.on_start) supervisor.OnStart([&] { request.on_start(child.pidfd()); });
  Result<Outcome> outcome = Supervise(request, stack.get(), signals, child, supervisor, log);
  if (scratch && outcome.ok()) {
    if (const Status removed = scratch->Remove(); !removed.ok()) {
      request.on_problem(removed.ToString());
    }
  }
  return outcome;
}

struct Logs {
  std::optional<DebugLog> debug;
  UniqueFd verdicts;
};

// The debug log is emptied when nothing else can be wrong with either.
Result<Logs> OpenLogs(const RunRequest& request) {
  const Policy& policy = request.policy;
  const std::vector<std::string> writable = WritablePaths(policy);
  Logs logs;
  UniqueFd debug;
  if (request.debug_log) {
    MINI_ASSIGN_OR_RETURN(debug, OpenLogFile("the debug log", *request.debug_log, writable));
  }
  if (policy.verdict_log) {
    MINI_ASSIGN_OR_RETURN(logs.verdicts,
                          OpenLogFile("the verdict log", *policy.verdict_log, writable));
  }
  if (debug && logs.verdicts && IsSameFile(debug.get(), logs.verdicts.get())) {
    return InvalidArgument(Stage::kProbe, "--log and -D name the same file");
  }
  if (debug) {
    if (request.shares_debug_log) {
      logs.debug.emplace(DebugLog::Share(std::move(debug), getpid()));
    } else {
      MINI_ASSIGN_OR_RETURN(logs.debug, DebugLog::StartAnew(std::move(debug), *request.debug_log));
    }
  }
  return logs;
}

}  // namespace

Result<Plan> PlanRun(const Policy& policy, const std::vector<std::string>& argv) {
  MINI_ASSIGN_OR_RETURN(HostFacts facts, ProbeHost(policy));
  if (policy.degraded == Degraded::kAllowed) {
    if (const auto refusal = FindRefusal()) {
      AddDegradedFacts(*refusal, "/tmp/mini-sandbox-XXXXXX", facts);
    }
  }
  return MakePlan(policy, facts, argv);
}

Result<Outcome> Run(RunRequest request) {
  MINI_ASSIGN_OR_RETURN(Logs logs, OpenLogs(request));
  std::optional<DebugLog>& log = logs.debug;
  request.verdict_log = std::move(logs.verdicts);
  if (log) log->WriteMachine();
  if (!request.on_problem) request.on_problem = request.on_notice;
  if (log) {
    for (auto* tell : {&request.on_notice, &request.on_problem}) {
      *tell = [&log, told = std::move(*tell)](std::string_view sentence) {
        log->Write("notice", sentence);
        told(sentence);
      };
    }
  }
  auto values = std::make_unique<RunValues>();
  Result<Outcome> outcome = RunStages(request, *values, log ? &*log : nullptr);
  if (request.process_ends) (void)values.release();
  if (log) log->Write("outcome", OutcomeText(outcome));
  return outcome;
}

}  // namespace mini
