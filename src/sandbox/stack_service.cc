// In the stack's process: from the fork to its end.
#include "sandbox/stack_service.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/descriptor_passing.h"
#include "base/strings.h"
#include "netstack/stack.h"
#include "sandbox/rules_file.h"
#include "sandbox/stack_messages.h"
#include "sandbox/stack_options.h"
#include "sandbox/stack_voice.h"
#include "supervise/debug_log.h"
#include "sys/blocked_signals.h"
#include "sys/close_descriptors.h"
#include "sys/confinement.h"

namespace mini {
namespace {

void SendFailure(int channel, const Status& failure) {
  (void)SendReport(
      channel, {StackReportKind::kFailed, failure.code(), failure.stage(), failure.error_number()},
      StrCat(failure.message(), "\n", failure.hint()));
}

// Nothing when the supervisor's end is closed: the run ended before it had a network.
Result<std::optional<netstack::LinkOptions>> ReceiveLink(int channel) {
  TapMessage content;
  int received[kMostPassedDescriptors];
  const ReceivedMessage message =
      ReceiveWithDescriptors(channel, &content, sizeof content, received);
  if (message.size == 0) return std::optional<netstack::LinkOptions>();
  if (message.size != sizeof content || message.descriptor_count != 1) {
    return StackError(message.size < 0 ? errno : EPROTO, "receive the TAP device");
  }
  netstack::LinkOptions link;
  link.fd.reset(received[0]);
  link.sandbox_mac = content.mac;
  link.mtu = content.mtu;
  link.udp_segmentation = content.udp_segmentation;
  return std::optional<netstack::LinkOptions>(std::move(link));
}

// What the environment says (credentials, often) is the user's and the command's business.
void ForgetEnvironment() {
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    explicit_bzero(*variable, std::strlen(*variable));
  }
  environ = nullptr;
}

Status LeaveSupervisor(pid_t supervisor, std::vector<int> kept) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
    return StackError(errno, "tie the network stack to its supervisor");
  }
  if (getppid() != supervisor) _exit(0);  // it died before the line above
  (void)prctl(PR_SET_NAME, "network-stack", 0, 0, 0);
  ForgetEnvironment();
  // Not even standard error: what is to be said goes to the supervisor, and a terminal would be
  // open for reading as well.
  if (!KeepOnlyDescriptors({STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}, std::move(kept))) {
    return StackError(errno, "close the network stack's other descriptors");
  }
  if (chdir("/") != 0) return StackError(errno, "change to the root directory");
  return OkStatus();
}

std::vector<int> WithoutNone(std::vector<int> descriptors) {
  std::erase(descriptors, -1);
  return descriptors;
}

Status ServeSandbox(const StackRequest& request, int channel) {
  StackVoice voice(channel);
  if (request.rules_file >= 0) {
    const UniqueFd file(request.rules_file);
    MINI_ASSIGN_OR_RETURN(request.policy.rules, ReadRulesFile(file.get()));
  }
  MINI_ASSIGN_OR_RETURN(netstack::StackOptions stack_options, MakeStackOptions(request, voice));
  stack_options.stop_descriptor = channel;
  MINI_ASSIGN_OR_RETURN(auto stack, netstack::Stack::Create(std::move(stack_options)));
  MINI_ASSIGN_OR_RETURN(
      const Confinement confinement,
      ConfineThisProcess({.readable_files = FilesOfTheResolver(), .report_descriptor = channel}));
  MINI_ASSIGN_OR_RETURN(std::optional<netstack::LinkOptions> link, ReceiveLink(channel));
  if (!link) return OkStatus();
  MINI_RETURN_IF_ERROR(stack->Attach(std::move(*link)));
  (void)SendReport(
      channel,
      {StackReportKind::kServing, StatusCode::kOk, Stage::kNetwork, confinement.landlock_abi}, "");
  Status served = stack->Run();
  std::string summary;
  for (const std::string& line :
       netstack::SummaryLines(stack->refusals(), request.policy.verdict_log)) {
    summary += StrCat(line, "\n");
  }
  (void)SendReport(channel,
                   {StackReportKind::kSummary, StatusCode::kOk, Stage::kNetwork, voice.unsent()},
                   summary);
  // The process ends: what it has is left to the kernel, which frees it all the same.
  (void)stack.release();
  return served;
}

Status ServeAsFork(const StackRequest& request, int channel, pid_t supervisor) {
  const int debug_log = request.log ? request.log->descriptor() : -1;
  MINI_RETURN_IF_ERROR(LeaveSupervisor(
      supervisor, WithoutNone({channel, request.rules_file, debug_log, request.verdict_log})));
  return ServeSandbox(request, channel);
}

Status ServeAsProgram(const StackArguments& arguments) {
  // Before all else: what is open besides belongs to the program around the library.
  MINI_RETURN_IF_ERROR(LeaveSupervisor(
      arguments.supervisor, WithoutNone({arguments.channel, arguments.rules, arguments.debug_log,
                                         arguments.verdict_log})));
  Policy policy;
  policy.network = Network::kStack;
  policy.host_name = arguments.host_name;
  policy.server_names = arguments.server_names;
  policy.max_connections = arguments.max_connections;
  std::optional<DebugLog> log;
  if (arguments.debug_log >= 0) {
    UniqueFd file(arguments.debug_log);
    const int64_t begun = arguments.debug_log_begun;
    log.emplace(arguments.shares_debug_log
                    ? DebugLog::Share(std::move(file), arguments.supervisor, begun)
                    : DebugLog::Resume(std::move(file), begun));
  }
  return ServeSandbox({.policy = policy,
                       .log = log ? &*log : nullptr,
                       .rules_file = arguments.rules,
                       .verdict_log = arguments.verdict_log,
                       .may_lose_verdicts = arguments.may_lose_verdicts},
                      arguments.channel);
}

[[noreturn]] void EndAs(const Status& end, int channel) {
  if (end.ok()) _exit(0);
  SendFailure(channel, end);
  _exit(1);
}

}  // namespace

Result<std::unique_ptr<StackProcess>> ForkStack(const StackRequest& request) {
  const auto start = [&request](int channel) -> Result<pid_t> {
    const pid_t supervisor = getpid();
    const BlockedSignals blocked;
    const pid_t pid = fork();
    if (pid == 0) RunStackProcess(request, channel, supervisor);
    if (pid < 0) return StackError(errno, "start a process for the network stack");
    return pid;
  };
  return StackProcess::Start(start, StackProcess::ReapedBy::kUsAlone);
}

void RunStackProgram(const StackArguments& arguments) {
  EndAs(ServeAsProgram(arguments), arguments.channel);
}

void RunStackProcess(const StackRequest& request, int channel, pid_t supervisor) {
  EndAs(ServeAsFork(request, channel, supervisor), channel);
}

}  // namespace mini
