// Theory of operation
//
// Without a PID namespace, nothing ties a command's processes together but their ancestry. The
// reaper is the nearest subreaper above them: whatever loses its parent, a daemon too, becomes the
// reaper's child. When the command ends it kills its children, and what thereby becomes its child,
// until it has none. It is itself unconfined, so that it can do that, and the command can neither
// signal nor trace it (landlock, or the filter). When the supervisor dies, the reaper gets a SIGHUP
// and does the same; when the reaper is killed (the time limit), the supervisor, a subreaper too,
// does it in its place.
#include "child/degraded_child.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child/control.h"
#include "child/init.h"

namespace mini::child {
namespace {

// --- Landlock ---

// Newer than the oldest headers we build with.
constexpr uint64_t kAccessRefer = uint64_t{1} << 13;     // ABI 2
constexpr uint64_t kAccessTruncate = uint64_t{1} << 14;  // ABI 3
constexpr uint64_t kAccessIoctl = uint64_t{1} << 15;     // ABI 5
constexpr uint64_t kNetworkAccess = 3;                   // ABI 4: bind and connect of TCP
constexpr uint64_t kScopes = 3;                          // ABI 6: abstract sockets and signals
struct RulesetAttr {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;
  uint64_t scoped;
};

constexpr uint64_t kReadAccess =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
// What a rule for anything but a directory may hold (landlock_add_rule(2)).
constexpr uint64_t kFileAccess = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
                                 LANDLOCK_ACCESS_FS_WRITE_FILE | kAccessTruncate | kAccessIoctl;

uint64_t HandledAccess(int abi) {
  uint64_t access = (uint64_t{1} << 13) - 1;  // ABI 1: all from EXECUTE to MAKE_SYM
  if (abi >= 2) access |= kAccessRefer;
  if (abi >= 3) access |= kAccessTruncate;
  if (abi >= 5) access |= kAccessIoctl;
  return access;
}

uint64_t AccessFor(PathRights rights, uint64_t handled) {
  switch (rights) {
    case PathRights::kRead:
      return kReadAccess;
    case PathRights::kDevice:
      return handled & kFileAccess & ~uint64_t{LANDLOCK_ACCESS_FS_EXECUTE};
    case PathRights::kWrite:
      // Devices in the user's directories are none of the command's business.
      return handled &
             ~(LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK | kAccessIoctl);
  }
  return 0;
}

bool AddRule(int ruleset, int object, uint64_t access) {
  landlock_path_beneath_attr rule = {};
  rule.allowed_access = access;
  rule.parent_fd = object;
  return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

bool AllowPath(int ruleset, const FrozenPathRule& rule, uint64_t handled) {
  const int object = open(rule.path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  // What vanished since, or cannot be reached, needs no rule; what the user named does.
  if (object < 0) return rule.rights != PathRights::kWrite;
  struct stat status;
  uint64_t access = AccessFor(rule.rights, handled);
  bool added = fstat(object, &status) == 0;
  if (!S_ISDIR(status.st_mode)) access &= kFileAccess;
  added = added && AddRule(ruleset, object, access);
  const int error = errno;
  close(object);
  errno = error;
  return added || rule.rights != PathRights::kWrite;
}

// Scripts write to /dev/stdout, which opens the stream's file anew. Pipes and sockets are refused
// as rules (EBADFD), and need none.
void AllowOpenStreams(int ruleset) {
  for (int stream = 0; stream <= 2; ++stream) {
    const int flags = fcntl(stream, F_GETFL);
    if (flags < 0) continue;
    uint64_t access = 0;
    if ((flags & O_ACCMODE) != O_WRONLY) access |= LANDLOCK_ACCESS_FS_READ_FILE;
    if ((flags & O_ACCMODE) != O_RDONLY) access |= LANDLOCK_ACCESS_FS_WRITE_FILE | kAccessTruncate;
    (void)AddRule(ruleset, stream, access);
  }
}

Step Restrict(const FrozenPlan& plan) {
  RulesetAttr attr = {};
  attr.handled_access_fs = HandledAccess(plan.landlock_abi);
  size_t size = sizeof attr.handled_access_fs;
  if (plan.landlock_abi >= 4) {
    attr.handled_access_net = kNetworkAccess;
    size += sizeof attr.handled_access_net;
  }
  if (plan.landlock_abi >= 6) {
    attr.scoped = kScopes;
    size += sizeof attr.scoped;
  }
  const auto ruleset = static_cast<int>(syscall(SYS_landlock_create_ruleset, &attr, size, 0));
  if (ruleset < 0) return FailedAt(ChildStage::kLandlock);
  for (size_t i = 0; i < plan.path_rule_count; ++i) {
    if (!AllowPath(ruleset, plan.path_rules[i], attr.handled_access_fs)) {
      return FailedAt(ChildStage::kLandlock);
    }
  }
  AllowOpenStreams(ruleset);
  if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) return FailedAt(ChildStage::kLandlock);
  close(ruleset);
  return Done();
}

// --- The command ---

Step GiveUpCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 ||
      syscall(SYS_capset, &header, none) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return FailedAt(ChildStage::kPrivileges);
  }
  return Done();
}

Step InstallFilters(const DegradedArguments& arguments, const Control& control) {
  const FrozenPlan& plan = *arguments.plan;
  sock_fprog program = {static_cast<unsigned short>(plan.filter_size),
                        const_cast<sock_filter*>(plan.filter)};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
    return FailedAt(ChildStage::kSeccomp);
  }
  program = {static_cast<unsigned short>(arguments.extra_filter_size),
             const_cast<sock_filter*>(arguments.extra_filter)};
  const auto listener = static_cast<int>(
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
  if (listener < 0) return FailedAt(ChildStage::kSeccomp);
  const Step sent = control.SendDescriptors(listener, listener);
  close(listener);
  return sent;
}

Step BecomeCommand(const DegradedArguments& arguments, const Control& control) {
  const FrozenPlan& plan = *arguments.plan;
  if (chdir(plan.working_directory) != 0) return FailedAt(ChildStage::kWorkingDirectory);
  Step step = GiveUpCapabilities();
  if (step.ok()) step = Restrict(plan);
  if (step.ok()) step = InstallFilters(arguments, control);
  if (!step.ok()) return step;
  sigprocmask(SIG_SETMASK, &plan.command_signal_mask, nullptr);
  return {ChildStage::kExec, 0, ExecuteFirstCandidate(plan)};
}

[[noreturn]] void RunCommand(const DegradedArguments& arguments, const Control& control,
                             pid_t reaper) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != reaper) _exit(1);
  control.ReportFailure(BecomeCommand(arguments, control));
  _exit(127);
}

// --- The reaper ---

// The supervisor does the same afterwards, if it is still there: of a process with threads it
// cannot be told, while they die one by one.
void LeaveNothing(const DegradedArguments& arguments) {
  KillDescendants();
  arguments.remove_scratch(arguments.plan->scratch_directory);
}

[[noreturn]] void RunReaper(pid_t command, pid_t supervisor, const DegradedArguments& arguments,
                            const Control& control) {
  sigset_t all;
  sigfillset(&all);
  for (;;) {
    siginfo_t info = {};
    const int signal = sigwaitinfo(&all, &info);
    if (getppid() != supervisor) {
      LeaveNothing(arguments);
      _exit(1);
    }
    if (signal < 0) continue;  // EINTR: stopped and continued
    if (signal != SIGCHLD) {
      if (info.si_code <= 0 && info.si_pid == supervisor) kill(command, signal);
      continue;
    }
    int wait_status = 0;
    pid_t reaped;
    while ((reaped = waitpid(-1, &wait_status, WNOHANG | WUNTRACED)) > 0) {
      if (reaped != command) continue;
      if (WIFSTOPPED(wait_status)) {
        control.ReportStop();
        continue;
      }
      LeaveNothing(arguments);
      control.ReportExit(wait_status, 0);
      _exit(0);
    }
  }
}

}  // namespace

void KillDescendants() {
  for (;;) {
    const int list = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    char text[4096];
    const ssize_t size = list < 0 ? 0 : read(list, text, sizeof text);
    if (list >= 0) close(list);
    pid_t pid = 0;
    bool killed = false;
    for (ssize_t i = 0; i < size; ++i) {
      if (text[i] >= '0' && text[i] <= '9') {
        pid = pid * 10 + (text[i] - '0');
      } else if (pid > 0) {  // each is followed by a space: one that was cut off is not used
        killed = kill(pid, SIGKILL) == 0 || killed;
        pid = 0;
      }
    }
    // Waits for one that was killed, then takes what else has ended; what has become ours by then
    // is killed in the next round. The list may miss some while processes end (proc_pid_task(5)).
    const pid_t reaped = waitpid(-1, nullptr, killed ? 0 : WNOHANG);
    if (reaped < 0 && errno != EINTR) return;  // ECHILD: none is left
    if (reaped == 0) poll(nullptr, 0, 1);
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
}

void RunDegradedChild(const DegradedArguments& arguments) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  const pid_t supervisor = getppid();
  close(arguments.parent_control);
  Control control(arguments.control);
  const auto fail = [&](ChildStage stage) {
    control.ReportFailure(FailedAt(stage));
    _exit(1);
  };
  constexpr int kControl = 3;
  if (prctl(PR_SET_PDEATHSIG, SIGHUP, 0, 0, 0) != 0 ||
      prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    fail(ChildStage::kStart);
  }
  if (control.SupervisorIsGone()) _exit(1);
  if (control.fd() != kControl) {
    if (dup3(control.fd(), kControl, O_CLOEXEC) < 0) fail(ChildStage::kStart);
    control.MoveTo(kControl);
  }
  if (close_range(kControl + 1, ~0u, 0) != 0) fail(ChildStage::kStart);
  const pid_t reaper = getpid();
  const pid_t command = fork();
  if (command < 0) fail(ChildStage::kFork);
  if (command == 0) RunCommand(arguments, control, reaper);
  // The command owns the standard streams now.
  close_range(0, 2, 0);
  RunReaper(command, supervisor, arguments, control);
}

}  // namespace mini::child
