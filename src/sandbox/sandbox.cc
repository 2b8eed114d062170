#include "sandbox/sandbox.h"

#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>

#include "base/strings.h"
#include "netstack/dns/dns_server.h"
#include "plan/freeze.h"
#include "sandbox/degraded_run.h"
#include "sandbox/host_probe.h"
#include "sandbox/publish_ports.h"
#include "sandbox/stack_process.h"
#include "sandbox/stack_service.h"
#include "sandbox/start_child.h"
#include "supervise/child_process.h"
#include "supervise/debug_log.h"
#include "supervise/log_file.h"
#include "supervise/notice_queue.h"
#include "supervise/signals.h"
#include "supervise/supervisor.h"
#include "sys/clone.h"
#include "sys/host_addresses.h"
#include "sys/resolver_files.h"
#include "sys/resolver_watch.h"
#include "sys/route_probe.h"
#include "sys/scratch_directory.h"
#include "sys/seccomp_filter.h"
#include "sys/tap.h"

namespace mini {
namespace {

netstack::ResolverConfig ResolverConfigOf(std::string_view resolv_conf, std::string_view hosts) {
  netstack::ResolverConfig config = netstack::ParseResolvConf(resolv_conf);
  config.hosts = netstack::ParseHosts(hosts);
  return config;
}

// Empty where it is no name that anybody could ask for.
std::string NameOfThisHost() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  if (gethostname(name.data(), name.size()) != 0) return "";
  name.back() = '\0';
  return netstack::NormalizeName(name.data()).value_or("");
}

// To open them later the stack has to be left the directories that they lie in, for reading. What
// an ordinary user can read in /etc is no secret of theirs; what root can read is.
bool MayFollowResolverFiles() { return geteuid() != 0; }

// In the stack's process, at its beginning: the request is a copy there.
Result<netstack::StackOptions> MakeStackOptions(RunRequest& request, StackVoice& voice,
                                                const DebugLog* log) {
  netstack::StackOptions options;
  // An answer to who asked for any port, and not a notice: -q leaves it.
  const auto on_port = [&voice](std::string_view sentence) { voice.Problem(sentence); };
  MINI_ASSIGN_OR_RETURN(options.inbound, PublishPorts(request.policy.published, on_port));
  options.on_notice = [&voice](std::string_view sentence) { voice.Notice(sentence); };
  options.inbound.on_notice = options.on_notice;
  options.filter.rules = std::move(request.policy.rules);
  options.filter.strict_names = request.policy.server_names == ServerNames::kRequired;
  MINI_ASSIGN_OR_RETURN(options.filter.host_addresses, ReadHostAddresses());
  // It has to be opened here, in the host's network namespace, and before the process confines
  // itself.
  MINI_ASSIGN_OR_RETURN(std::shared_ptr<RouteProbe> routes, RouteProbe::Open());
  options.filter.leads_to_this_host = [routes](const IpAddress& address) {
    return routes->LeadsToThisHost(address);
  };
  options.filter.counts_refusals = request.on_summary != nullptr;
  if (log) {
    options.filter.on_refusal = [log](const netstack::RefusalEvent& event) {
      log->Write("verdict", event.ToString());
    };
  }
  if (request.policy.max_connections) options.limits.max_flows = *request.policy.max_connections;
  options.verdict_log = std::move(request.verdict_log);
  options.log_pid = getppid();
  if (log) {
    options.filter.on_unnamed = [log](const netstack::UnnamedEvent& event) {
      log->Write("names", event.ToString());
    };
  }
  MINI_ASSIGN_OR_RETURN(ResolverFiles files, ReadResolverFiles());
  options.resolver = ResolverConfigOf(files.resolv_conf, files.hosts);
  options.filter.search_domains = options.resolver.search;
  if (request.policy.host_name == HostName::kOfHost) options.resolver.own_name = NameOfThisHost();
  if (!MayFollowResolverFiles()) return options;
  const auto watch =
      std::make_shared<ResolverWatch>(std::move(files.resolv_conf), std::move(files.hosts));
  options.resolver.reread = [watch]() -> std::optional<netstack::ResolverConfig> {
    if (!watch->ReadIfChanged()) return std::nullopt;
    return ResolverConfigOf(watch->resolv_conf(), watch->hosts());
  };
  return options;
}

Result<std::unique_ptr<StackProcess>> StartStack(RunRequest& request, const DebugLog* log) {
  StackProcessOptions options;
  options.make_options = [&request, log](StackVoice& voice) {
    return MakeStackOptions(request, voice, log);
  };
  if (MayFollowResolverFiles()) options.readable_files = ResolverWatch::Paths();
  options.log_file = request.policy.verdict_log;
  if (request.verdict_log) options.kept_descriptors.push_back(request.verdict_log.get());
  if (log) options.kept_descriptors.push_back(log->descriptor());
  return StackProcess::Start(options);
}

// What the stack has said, to whoever tells the user.
void HandOn(StackProcess& stack, const RunRequest& request, NoticeQueue& notices) {
  for (StackNotice& notice : stack.TakeNotices()) {
    notices.Add(notice.is_problem ? request.on_problem : request.on_notice,
                std::move(notice.sentence));
  }
}

// At the end: what its reader has not taken comes before what was refused.
void TellSummary(const StackProcess& stack, const RunRequest& request, NoticeQueue& notices,
                 const DebugLog* log) {
  notices.CountLost(stack.lost_notices());
  std::vector<std::string> lines = notices.TakeRest();
  if (log) {
    for (const std::string& line : lines) log->Write("notice", line);
  }
  if (!request.on_summary) return;
  lines.insert(lines.end(), stack.summary().begin(), stack.summary().end());
  request.on_summary(lines);
}

// The network stage on this side: while the child mounts, the link is configured and handed to the
// stack; then the command may run.
Status ConnectStack(StackProcess& stack, Supervisor& supervisor, const DebugLog* log) {
  MINI_ASSIGN_OR_RETURN(ReceivedReport received, supervisor.WaitForDescriptors());
  MINI_ASSIGN_OR_RETURN(Tap tap, ConfigureTap(std::move(received.descriptors[0]),
                                              std::move(received.descriptors[1]), TapOptions()));
  MINI_ASSIGN_OR_RETURN(const ServingStack serving, stack.Serve(std::move(tap)));
  if (log) {
    log->Write("stack", StrCat("process ", serving.pid, ", ", serving.confinement.ToString()));
  }
  return OkStatus();
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
  NoticeQueue notices(STDERR_FILENO);
  const auto read = [&] { HandOn(*stack, request, notices); };
  read();  // the ports that were published, before the command runs
  MINI_RETURN_IF_ERROR(child.SendGo());
  supervisor.WatchStack({stack->pidfd(), stack->channel(), read, &notices});
  Enter("supervise", log);
  Result<Outcome> outcome = supervisor.Run(signals);
  const Status ended = supervisor.stack_failed() ? stack->TakeFailure() : stack->Finish();
  read();
  TellSummary(*stack, request, notices, log);
  // A log that lacks its end is no log.
  if (!ended.ok() && (outcome.ok() || supervisor.stack_failed())) return ended;
  return outcome;
}

// What a run is made of.
struct RunValues {
  HostFacts facts;
  Plan plan;
  std::optional<FrozenPlanOwner> frozen;
};

Result<Outcome> RunStages(RunRequest& request, RunValues& values, const DebugLog* log) {
  MINI_RETURN_IF_ERROR(CheckStandardStreams());
  // Whoever started us may ignore it, which exec(2) passes on: then the kernel reaps every child
  // itself, here and inside, and nobody learns how it ended (wait(2)).
  (void)signal(SIGCHLD, SIG_DFL);
  std::unique_ptr<StackProcess> stack;
  if (request.policy.network == Network::kStack) {
    MINI_ASSIGN_OR_RETURN(stack, StartStack(request, log));
  }
  Enter("probe", log);
  MINI_ASSIGN_OR_RETURN(values.facts, ProbeHost(request.policy));
  const HostFacts& facts = values.facts;
  if (request.policy.degraded == Degraded::kAllowed) {
    if (const auto refusal = FindRefusal()) return RunDegraded(request, facts, *refusal, log);
  }
  Enter("plan", log);
  MINI_ASSIGN_OR_RETURN(values.plan, MakePlan(request.policy, facts, request.argv));
  const Plan& plan = values.plan;
  if (log) log->Write("plan", plan.ToString());
  const bool is_relayed = plan.terminal || plan.interrupt_terminates;
  const SupervisorSignals signals(is_relayed ? JobControl::kRelayed : JobControl::kShared,
                                  request.forwarded_signals);
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
  MINI_ASSIGN_OR_RETURN(
      ChildProcess child,
      StartChild(values.frozen->get(), request.on_start ? StartReport::kSent : StartReport::kNone));
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
