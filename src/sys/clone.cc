#include "sys/clone.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "sys/read_file.h"

namespace mini {
namespace {

// Its launcher leaves this in the environment of the process that runs the program, as the kernel
// has it; what the program starts without valgrind has it no more.
bool IsUnderValgrind() {
  using std::string_view_literals::operator""sv;
  const Result<std::string> variables = ReadProcFile("/proc/self/environ", Stage::kClone);
  return variables.ok() && ('\0' + *variables).find("\0VALGRIND_LAUNCHER="sv) != std::string::npos;
}

std::string HintFor(int error_number) {
  if (error_number == ENOSYS && IsUnderValgrind()) {
    return "valgrind runs this program, and knows no clone3(2): run it without";
  }
  if ((error_number == ENOSYS || error_number == EPERM) && IsInSandboxOfOurs()) {
    return "this sandbox refuses user namespaces; start the outer one with --nested";
  }
  switch (error_number) {
    case EPERM:
      return "this machine or container does not let you make user namespaces "
             "(sysctl kernel.unprivileged_userns_clone, a container's seccomp profile, or a "
             "chroot); run mini-sandbox doctor or mini-tapbox doctor";
    case ENOSYS:
      return "a seccomp filter, of a container or of a sandbox around this one, refuses it, or "
             "Linux is older than 5.12; run mini-sandbox doctor or mini-tapbox doctor";
    case ENOSPC:
    case EUSERS:
      return "the limit on user namespaces is reached (sysctl user.max_user_namespaces); run "
             "mini-sandbox doctor or mini-tapbox doctor";
    case EINVAL:
      return "this kernel lacks a namespace that the sandbox needs (CONFIG_USER_NS, CONFIG_PID_NS, "
             "CONFIG_NET_NS)";
    default:
      return "";
  }
}

}  // namespace

// Process 1 of our sandboxes keeps the name of the program that made it, or is given it.
bool IsInSandboxOfOurs() {
  const Result<std::string> name = ReadProcFile("/proc/1/comm", Stage::kClone);
  return name.ok() && (name->starts_with("mini-sandbox") || name->starts_with("mini-tapbox"));
}

RawClone CloneRaw(NetworkNamespace network, ClonedAs cloned_as) {
  int pidfd = -1;
  clone_args arguments = {};
  arguments.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
                    CLONE_NEWCGROUP | CLONE_PIDFD;
  if (network == NetworkNamespace::kNew) arguments.flags |= CLONE_NEWNET;
  arguments.pidfd = reinterpret_cast<uintptr_t>(&pidfd);
  if (cloned_as == ClonedAs::kSibling) {
    arguments.flags |= CLONE_PARENT;  // the signal is this process's own then (clone(2))
  } else {
    arguments.exit_signal = SIGCHLD;
  }
  auto pid = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
  if (pid < 0 && errno == ENOSPC) {
    // Within a sandbox that was started with --nested there are no cgroup namespaces. Without one
    // the command sees the name of its group, and may mount none of that file system.
    arguments.flags &= ~uint64_t{CLONE_NEWCGROUP};
    pid = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
  }
  return {pid, pidfd, pid < 0 ? errno : 0};
}

Status CloneError(int error_number) {
  return SystemError(Stage::kClone, error_number, "make the sandbox's namespaces")
      .WithHint(HintFor(error_number));
}

Result<ClonedProcess> CloneIntoNamespaces(NetworkNamespace network, void (*entry)(void*),
                                          void* argument) {
  const RawClone clone = CloneRaw(network, ClonedAs::kChild);
  if (clone.pid == 0) {
    entry(argument);
    _exit(125);
  }
  if (clone.pid < 0) return CloneError(clone.error);
  return ClonedProcess{clone.pid, UniqueFd(clone.pidfd)};
}

}  // namespace mini
