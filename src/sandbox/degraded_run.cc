#include "sandbox/degraded_run.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "base/paths.h"
#include "base/strings.h"
#include "child/degraded_child.h"
#include "plan/degraded_plan.h"
#include "plan/freeze.h"
#include "sandbox/attribute_calls.h"
#include "sandbox/start_child.h"
#include "sandbox/trial.h"
#include "supervise/child_process.h"
#include "supervise/signals.h"
#include "supervise/supervisor.h"
#include "sys/degraded_filter.h"
#include "sys/host_facts.h"
#include "sys/landlock_version.h"
#include "sys/remove_tree.h"
#include "sys/scratch_directory.h"
#include "sys/seccomp_filter.h"

namespace mini {
namespace {

constexpr const char* kScratchParent = "/tmp";

// Also called by the reaper, after a fork. What cannot be removed, nobody else could remove either.
void RemoveScratch(const char* path) {
  const UniqueFd parent(open(kScratchParent, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (parent) (void)RemoveTree(parent.get(), path + std::strlen(kScratchParent) + 1);
}

// What the processes of a run leave, however it ends.
class Leftovers {
 public:
  Leftovers() = default;
  ~Leftovers() {
    child::KillDescendants();
    if (!scratch_directory_.empty()) RemoveScratch(scratch_directory_.c_str());
  }
  Leftovers(const Leftovers&) = delete;
  Leftovers& operator=(const Leftovers&) = delete;

  Status MakeScratchDirectory() {
    MINI_ASSIGN_OR_RETURN(const std::string name, NewScratchDirectoryName());
    std::string path = JoinPath(kScratchParent, name);
    if (mkdir(path.c_str(), 0700) != 0) {
      return SystemError(Stage::kMounts, errno, StrCat("make the scratch directory ", path));
    }
    scratch_directory_ = std::move(path);
    return OkStatus();
  }
  const std::string& scratch_directory() const { return scratch_directory_; }

 private:
  std::string scratch_directory_;
};

// Each needs a rule of its own. A directory above HOME with more is left out whole.
constexpr size_t kMaxEntries = 100'000;

// Orphans come to this process, and it can tell who they are.
Status BecomeSubreaper() {
  if (access("/proc/thread-self/children", R_OK) != 0) {
    return SystemError(Stage::kProbe, errno, "read /proc/thread-self/children")
        .WithHint("without it, what the command leaves running could not be ended");
  }
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
    return SystemError(Stage::kClone, errno, "become the parent of orphans");
  }
  return OkStatus();
}

// Through a socket for datagrams, messages can be sent to whom the command names.
Status CheckStreams() {
  for (int stream = 0; stream <= 2; ++stream) {
    int type = 0;
    socklen_t size = sizeof type;
    if (getsockopt(stream, SOL_SOCKET, SO_TYPE, &type, &size) != 0) continue;  // ENOTSOCK
    if (type != SOCK_STREAM && type != SOCK_SEQPACKET) {
      return Status(StatusCode::kInvalidArgument, Stage::kPlan,
                    StrCat("descriptor ", stream, " is a socket for datagrams"))
          .WithHint("redirect it to a file, a pipe or /dev/null");
    }
  }
  return OkStatus();
}

Result<ChildProcess> Start(const FrozenPlan& frozen, const std::vector<sock_filter>& filter) {
  MINI_ASSIGN_OR_RETURN(ControlSockets control, MakeControlSockets());
  const child::DegradedArguments arguments = {
      &frozen,        filter.data(),       filter.size(),
      &RemoveScratch, control.child.get(), control.supervisor.get()};
  const pid_t pid = fork();
  if (pid == 0) child::RunDegradedChild(arguments);
  if (pid < 0) return SystemError(Stage::kClone, errno, "start the sandbox's first process");
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.valid()) return SystemError(Stage::kClone, errno, "watch the sandbox's process");
  return ChildProcess(std::move(pidfd), std::move(control.supervisor));
}

}  // namespace

std::optional<std::string> FindRefusal() {
  const Status status = TryNamespaces();
  const Stage stage = status.stage();
  if (status.ok() || (stage != Stage::kClone && stage != Stage::kIdMaps &&
                      stage != Stage::kNetwork && stage != Stage::kMounts)) {
    return std::nullopt;
  }
  switch (status.error_number()) {
    case EPERM:
    case EACCES:
    case ENOSYS:
    case EINVAL:
    case ENOSPC:
    case EUSERS:
      return StrCat(status.message(), ": ", ErrnoName(status.error_number()));
    default:
      return std::nullopt;
  }
}

void AddDegradedFacts(const std::string& refusal, const std::string& scratch_directory,
                      HostFacts& facts) {
  facts.degraded.emplace();
  facts.degraded->refusal = refusal;
  facts.degraded->scratch_directory = scratch_directory;
  facts.degraded->landlock_abi = ReadLandlockVersion();
  for (const std::string& directory : DirectoriesAboveHidden(facts)) {
    auto entries = ReadDirectoryEntries(directory, kMaxEntries);
    if (!entries.ok()) continue;  // what is in it cannot be opened then: stricter
    std::sort(entries->begin(), entries->end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    facts.degraded->listings[directory] = std::move(*entries);
  }
}

Result<Outcome> RunDegraded(const RunRequest& request, HostFacts facts, const std::string& refusal,
                            const DebugLog* log) {
  MINI_RETURN_IF_ERROR(CheckStreams());
  MINI_RETURN_IF_ERROR(BecomeSubreaper());
  Leftovers leftovers;
  MINI_RETURN_IF_ERROR(leftovers.MakeScratchDirectory());
  AddDegradedFacts(refusal, leftovers.scratch_directory(), facts);
  MINI_ASSIGN_OR_RETURN(const Plan plan, MakePlan(request.policy, facts, request.argv));
  if (log) log->Write("plan", plan.ToString());
  const SupervisorSignals signals;
  const FrozenPlanOwner frozen = Freeze(plan, CommandFilter(), signals.original_mask());
  for (const std::string& notice : plan.notices) request.on_notice(notice);

  const std::vector<sock_filter> filter =
      DegradedFilter(plan.degraded->landlock_abi >= kLandlockWithSignalScope ? Signals::kScoped
                                                                             : Signals::kRefused);
  MINI_ASSIGN_OR_RETURN(ChildProcess child, Start(frozen.get(), filter));
  Supervisor supervisor(plan, child, request.on_notice, request.on_problem);
  supervisor.WriteTo(log);
  MINI_ASSIGN_OR_RETURN(ReceivedReport received, supervisor.WaitForDescriptors());
  MINI_ASSIGN_OR_RETURN(const auto calls, AttributeCalls::Start(std::move(received.descriptors[0]),
                                                                plan.writable_roots));
  received.descriptors[1].reset();
  return supervisor.Run(signals);
}

}  // namespace mini
