// Theory of operation
//
// This program is a child of the library's host. It has the standard streams of the command, the
// channel to the library and the request, and closes everything else that a thread of the host may
// have left it. Then it does what mini-sandbox does with its command line, but says nothing to
// anybody: what mini-sandbox prints goes to the log, if there is one, and how it ends to the
// channel. Once the command has been executed it gives up the standard streams, so that a pipe ends
// when the command closes it.
#include "capi/spawned_command.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "capi/spawn_channel.h"
#include "capi/spawn_request.h"
#include "sandbox/sandbox.h"
#include "supervise/outcome.h"
#include "sys/close_descriptors.h"
#include "sys/memory_file.h"

namespace mini::capi {
namespace {

// posix_spawn(3) has the command start with the signals ignored that the C library keeps for
// itself, and sigaction(2) of that library does not take them.
void ResetInternalSignals() {
  constexpr size_t kSignalSetSize = _NSIG / 8;  // the kernel's
  const std::array<unsigned long, 4 + kSignalSetSize / sizeof(long)> default_action{};
  for (int signal = __SIGRTMIN; signal < SIGRTMIN; ++signal) {
    (void)syscall(SYS_rt_sigaction, signal, default_action.data(), nullptr, kSignalSetSize);
  }
}

struct Descriptors {
  UniqueFd rules;
  UniqueFd events;
};

Result<Descriptors> LeaveHost(const SpawnRequest& request) {
  ResetInternalSignals();
  Descriptors descriptors;
  int place = kFurtherPlaces;
  if (request.has_rules) descriptors.rules.reset(place++);
  if (request.has_events) descriptors.events.reset(place++);
  std::vector<int> kept = {kChannelPlace};
  for (int further = kFurtherPlaces; further < place; ++further) kept.push_back(further);
  for (const int descriptor : kept) (void)fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  kept.insert(kept.end(), {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO});
  if (KeepOnlyDescriptors({}, std::move(kept))) return descriptors;
  return SystemError(Stage::kProbe, errno, "close the caller's descriptors");
}

Result<SpawnRequest> ReadRequest() {
  MINI_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes,
                        ReadMemoryFile("what is asked for", kRequestPlace, Stage::kArguments));
  return SpawnRequest::Decode(bytes);
}

// From here on they are the command's alone.
void GiveUpStreams() {
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return;
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    (void)dup3(null.get(), stream, O_CLOEXEC);
  }
}

Result<CommandLine> CommandLineOf(SpawnRequest request, Product product) {
  std::vector<const char*> words = {ProductName(product)};
  for (const std::string& option : request.options) words.push_back(option.c_str());
  words.push_back("--");
  for (const std::string& word : request.command) words.push_back(word.c_str());
  words.push_back(nullptr);
  MINI_ASSIGN_OR_RETURN(
      CommandLine line,
      ParseCommandLine(product, static_cast<int>(words.size()) - 1, words.data()));
  line.policy.names = kFunctionNames;
  line.policy.whole_environment = std::move(request.environment);
  return line;
}

Result<Outcome> RunRequested(Product product, StackStarter start_stack, bool& has_started) {
  MINI_ASSIGN_OR_RETURN(SpawnRequest request, ReadRequest());
  MINI_ASSIGN_OR_RETURN(Descriptors descriptors, LeaveHost(request));
  MINI_ASSIGN_OR_RETURN(CommandLine line, CommandLineOf(std::move(request), product));
  if (!WaitForSpawnGo(kChannelPlace)) {
    return Status(StatusCode::kSystem, Stage::kSupervise, "nobody waits for this command");
  }
  return Run({.policy = std::move(line.policy),
              .argv = std::move(line.command),
              .on_notice = [](std::string_view) {},
              .start_stack = start_stack,
              .debug_log = std::move(line.debug_log),
              .shares_debug_log = true,
              .on_start =
                  [&has_started](int init) {
                    has_started = true;
                    GiveUpStreams();
                    (void)SendSpawnMessage(kChannelPlace, {.kind = SpawnMessageKind::kStarted},
                                           init);
                  },
              .forwarded_signals = Forwarded::kAll,
              .events = std::move(descriptors.events),
              .rules_file = std::move(descriptors.rules),
              .process_ends = true});
}

}  // namespace

bool IsSpawnedSupervisor(int argc, const char* const* argv) {
  return argc == 2 && strcmp(argv[1], kSpawnWord) == 0;
}

void RunSpawnedCommand(Product product, StackStarter start_stack) {
  // The name that process 1 inside keeps (IsInSandboxOfOurs()).
  (void)prctl(PR_SET_NAME, ProductName(product), 0, 0, 0);
  const auto self = static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0));
  if (!SendSpawnMessage(kChannelPlace, {.kind = SpawnMessageKind::kBegun}, self)) _exit(125);
  bool has_started = false;
  const Result<Outcome> outcome = RunRequested(product, start_stack, has_started);
  SpawnMessage end;
  if (outcome.ok()) {
    end.wait_status = outcome->wait_status;
  } else {
    const Status& error = outcome.status();
    const int code = error.stage() == Stage::kArguments ? 125 : ExitCodeFor(error);
    end.wait_status = W_EXITCODE(code, 0);
    end.stage = error.stage();
    const bool is_about_command = error.stage() == Stage::kExec;
    if (!has_started && !is_about_command) end.kind = SpawnMessageKind::kFailed;
    if (!is_about_command) end.words = error.ToString();
  }
  (void)SendSpawnMessage(kChannelPlace, end);
  EndAs(end.wait_status);
}

}  // namespace mini::capi
