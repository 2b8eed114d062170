// Theory of operation
//
//     caller ── fork ──► copy ── clone3, CLONE_PARENT ──► init ── _Fork ──► caller's copy inside
//        │                 └─ sends init's pidfd, ends      │                 waits for its go
//        │◄───────────────────────── "ready" ───────────────┘                     │
//        └─ exec ──► supervisor ──────────────────── go ──────────────────────────┘ returns 0
//
// The caller may have threads. What fork(3) does for those who go on in the child, locks of the
// allocator and of stdio and the handlers of pthread_atfork(3), a bare clone3(2) does not. So the
// first copy is made by fork(3), and has one thread only; it makes init as its sibling, a child of
// the caller, and is gone. From there to the return inside nothing is allocated or locked.
//
// Until "ready" the caller only waits: whatever fails, it kills what there is and returns. Then it
// becomes the supervisor by exec of a program that the library carries: in one step the kernel ends
// the caller's other threads and takes its memory away. Only that program gives the process inside
// its go. So at no time does any of the caller's code run outside while some of it runs inside.
#include "sandbox/enter.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "base/descriptor_passing.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "child/child.h"
#include "child/end_process.h"
#include "plan/environment.h"
#include "plan/freeze.h"
#include "sandbox/handover.h"
#include "sandbox/host_probe.h"
#include "sandbox/network.h"
#include "sandbox/stack_program.h"
#include "sandbox/start_child.h"
#include "supervise/child_process.h"
#include "supervise/debug_log.h"
#include "supervise/log_file.h"
#include "supervise/supervisor.h"
#include "sys/above_streams.h"
#include "sys/blocked_signals.h"
#include "sys/memory_file.h"
#include "sys/scratch_directory.h"
#include "sys/seccomp_filter.h"

namespace mini {
namespace {

// What is made before the first copy and read in all of them.
struct Preparation {
  std::optional<DebugLog> log;
  UniqueFd program;
  HostFacts facts;
  Plan plan;
  std::optional<FrozenPlanOwner> frozen;
  std::optional<ScratchDirectory> scratch;
  std::unique_ptr<StackProcess> stack;
  ControlSockets control;
};

enum class Side { kCaller, kInside };

void Enter(std::string_view stage, const Preparation& preparation) {
  if (preparation.log) preparation.log->Write("stage", stage);
}

Status OpenLog(const EnterRequest& request, Preparation& preparation) {
  if (!request.debug_log) return OkStatus();
  MINI_ASSIGN_OR_RETURN(UniqueFd file,
                        OpenLogFile("the log", *request.debug_log, WritablePaths(request.policy)));
  MINI_ASSIGN_OR_RETURN(preparation.log, DebugLog::StartAnew(std::move(file), *request.debug_log));
  preparation.log->WriteMachine();
  return OkStatus();
}

// Not among the standard streams, which the caller may have closed: they are the payload's.
Status KeepAwayFromStreams(UniqueFd& descriptor) {
  descriptor = AboveStreams(std::move(descriptor));
  return descriptor ? OkStatus() : SystemError(Stage::kClone, errno, "duplicate a descriptor");
}

// A program of its own: it holds none of the caller's memory. It prepares itself meanwhile.
Status StartStack(EnterRequest& request, Preparation& made) {
  if (request.policy.network != Network::kStack) return OkStatus();
  if (made.log && !request.policy.rules) {
    made.log->Write("notice", "no allow-list: every public address may be reached");
  }
  MINI_ASSIGN_OR_RETURN(
      made.stack, SpawnStack(made.program.get(),
                             {.policy = request.policy, .log = made.log ? &*made.log : nullptr}));
  return OkStatus();
}

Status Prepare(EnterRequest& request, const sigset_t& signal_mask, Preparation& made) {
  MINI_RETURN_IF_ERROR(CheckStandardStreams(child::LookAtStandardStreams()));
  MINI_RETURN_IF_ERROR(OpenLog(request, made));
  // So nothing on disk has to be found, trusted or kept.
  MINI_ASSIGN_OR_RETURN(
      made.program, MakeMemoryFile("the supervisor", request.supervisor, MemoryFileUse::kProgram));
  MINI_RETURN_IF_ERROR(StartStack(request, made));
  Enter("probe", made);
  MINI_ASSIGN_OR_RETURN(made.facts, ProbeHost(request.policy));
  Enter("plan", made);
  // No command: what the plan says of one is not used.
  MINI_ASSIGN_OR_RETURN(made.plan, MakePlan(request.policy, made.facts, {"(this program)"}));
  Plan& plan = made.plan;
  // The caller's environment is its own memory, which it goes on with.
  if (!plan.removed_variables.empty()) {
    std::erase(plan.notices, RemovedVariablesNotice(plan.removed_variables));
  }
  if (made.log) {
    made.log->Write("plan", plan.ToString());
    for (const std::string& notice : plan.notices) made.log->Write("notice", notice);
  }
  made.frozen.emplace(Freeze(plan, CommandFilter(), signal_mask));
  if (!plan.scratch_directory.empty()) {
    // Its cleaner stays outside: as a program of ours, so that none of the caller's code does.
    MINI_ASSIGN_OR_RETURN(ScratchDirectory scratch,
                          ScratchDirectory::Create(plan.scratch_directory, made.facts.scratch_name,
                                                   made.program.get()));
    made.scratch.emplace(std::move(scratch));
  }
  MINI_ASSIGN_OR_RETURN(made.control, MakeControlSockets());
  MINI_RETURN_IF_ERROR(KeepAwayFromStreams(made.control.supervisor));
  return KeepAwayFromStreams(made.control.child);
}

// In the process inside: of our descriptors none may stay. Their owners are never destroyed there,
// since what they own is the other side's.
void CloseOurs(const Preparation& made, const int (&birth)[2]) {
  close(birth[0]);
  close(birth[1]);
  close(made.program.get());
  if (made.log) close(made.log->descriptor());
  if (made.scratch) {
    const ScratchDescriptors scratch = made.scratch->descriptors();
    close(scratch.parent);
    close(scratch.directory);
    close(scratch.cleaner_socket);
  }
  if (made.stack) {
    close(made.stack->pidfd());
    close(made.stack->channel());
  }
}

// In the first copy: makes init, tells the caller, ends. Returns in the process inside.
void MakeInit(const Preparation& made, const int (&birth)[2]) {
  const FrozenPlan& frozen = made.frozen->get();
  const RawClone clone = CloneRaw(NetworkNamespaceFor(frozen), ClonedAs::kSibling);
  if (clone.pid != 0) {
    (void)SendWithDescriptors(birth[1], &clone.error, sizeof clone.error, &clone.pidfd,
                              clone.pid > 0 ? 1 : 0);
    child::EndProcess(0);
  }
  child::RunChild({&frozen, made.control.child.get(), made.control.supervisor.get(),
                   child::Payload::kCaller, /*streams=*/nullptr, made.program.get()});
  CloseOurs(made, birth);
}

Result<UniqueFd> ReceiveInit(int socket) {
  int error = 0;
  int received[kMostPassedDescriptors];
  const ReceivedMessage message = ReceiveWithDescriptors(socket, &error, sizeof error, received);
  if (message.size != sizeof error) {
    return Status(StatusCode::kSystem, Stage::kClone, "a copy of this process ended early");
  }
  if (message.descriptor_count == 1) return UniqueFd(received[0]);
  return CloneError(error);
}

struct Born {
  Side side;
  UniqueFd pidfd;
};

// Returns twice.
Result<Born> CloneSelf(Preparation& made) {
  int birth[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, birth) != 0) {
    return SystemError(Stage::kClone, errno, "make a socket");
  }
  const pid_t copy = fork();
  if (copy == 0) {
    MakeInit(made, birth);
    return Born{Side::kInside, UniqueFd()};
  }
  const int error = errno;
  const UniqueFd receiver(birth[0]);
  close(birth[1]);
  made.control.child.reset();
  if (copy < 0) return SystemError(Stage::kClone, error, "make a copy of this process");
  Result<UniqueFd> pidfd = ReceiveInit(receiver.get());
  // The caller may ignore its children, or reap them all in a handler: then it is gone already.
  while (waitpid(copy, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!pidfd.ok()) return std::move(pidfd).status();
  return Born{Side::kCaller, std::move(*pidfd)};
}

Handover HandoverOf(const Preparation& made, const ChildProcess& child) {
  Handover handover;
  handover.pidfd = child.pidfd();
  handover.control = child.control();
  if (made.log) {
    handover.log = made.log->descriptor();
    handover.log_begun = made.log->begun();
  }
  if (made.scratch) {
    const ScratchDescriptors descriptors = made.scratch->descriptors();
    handover.scratch = {descriptors.parent,      descriptors.directory, descriptors.cleaner_socket,
                        made.scratch->cleaner(), made.scratch->path(),  made.scratch->name()};
  }
  if (made.stack) {
    handover.stack = {made.stack->pid(), made.stack->pidfd(), made.stack->channel()};
  }
  return handover;
}

// Returns only when that fails. Copies of the descriptors are what the program gets, so that
// nothing changes for this process then.
Status BecomeSupervisor(const Preparation& made, Handover handover) {
  std::vector<UniqueFd> copies;
  for (int* descriptor : handover.Descriptors()) {
    copies.push_back(CopyAboveStreams(*descriptor));
    if (!copies.back()) return SystemError(Stage::kExec, errno, "duplicate a descriptor");
    *descriptor = copies.back().get();
  }
  std::vector<std::string> arguments = handover.ToArguments();
  arguments.insert(arguments.begin(), "mini-sandbox-supervisor");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  // Nothing of the caller's environment: whoever looks at the supervisor has no business with it.
  char* const no_environment[] = {nullptr};
  // Last, as what another thread starts meanwhile inherits them.
  for (const UniqueFd& copy : copies) (void)fcntl(copy.get(), F_SETFD, 0);
  fexecve(made.program.get(), argv.data(), no_environment);
  return SystemError(Stage::kSupervise, errno, "become the supervisor");
}

Result<Side> EnterPrepared(Preparation& made) {
  Enter("clone", made);
  MINI_ASSIGN_OR_RETURN(Born born, CloneSelf(made));
  if (born.side == Side::kInside) return Side::kInside;
  ChildProcess child(std::move(born.pidfd), std::move(made.control.supervisor));
  if (made.scratch) MINI_RETURN_IF_ERROR(made.scratch->KeepUntilEndOf(child.pidfd()));
  const DebugLog* log = made.log ? &*made.log : nullptr;
  Supervisor supervisor(made.plan, child, [log](std::string_view sentence) {
    if (log) log->Write("notice", sentence);
  });
  supervisor.WriteTo(log);
  if (made.stack) {
    Enter("network", made);
    MINI_RETURN_IF_ERROR(ConnectStack(*made.stack, supervisor, log));
  }
  MINI_RETURN_IF_ERROR(supervisor.WaitUntilReady());
  Enter("supervise", made);
  return BecomeSupervisor(made, HandoverOf(made, child));
}

}  // namespace

Status EnterSandbox(EnterRequest request) {
  const BlockedSignals blocked;
  auto made = std::make_unique<Preparation>();
  MINI_RETURN_IF_ERROR(Prepare(request, blocked.original(), *made));
  const Result<Side> side = EnterPrepared(*made);
  if (side.ok()) {
    // Inside: see CloseOurs(). Still referred to, for those who look for leaks.
    [[maybe_unused]] static const Preparation* volatile left;
    left = made.release();
    return OkStatus();
  }
  if (made->log) made->log->Write("outcome", side.status().ToString());
  return side.status();
}

}  // namespace mini
