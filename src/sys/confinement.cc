// Theory of operation. The walls stand one behind the other, and each is made while the ones that
// would forbid making it do not stand yet: the file system first, then capabilities, then the
// filter. Landlock is preferred to an empty root, since it needs no user namespace and covers the
// directories that descriptors still lead to. Landlock's own way of leaving a hole, a rule, is
// about directories here: a file that is replaced is another file to the kernel, and programs that
// write /etc/resolv.conf replace it.
//
// The filter traps instead of killing: the handler tells the call's number, for whoever has to find
// out why the network stopped, and ends the process. Nothing is gained by attacking the handler:
// the trapped call is not made whatever it does, sigaction(2) traps as well, and a process that
// blocks SIGSYS is killed (force_sig_info_to_task() in kernel/signal.c).
#include "sys/confinement.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <set>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "sys/landlock_version.h"
#include "sys/seccomp_filter.h"

namespace mini {
namespace {

Status ConfinementError(int error, std::string attempted) {
  return SystemError(Stage::kPrivileges, error,
                     StrCat("confine the network stack: ", std::move(attempted)));
}

Status Limit(int resource, const char* what) {
  const rlimit none = {0, 0};
  if (setrlimit(static_cast<__rlimit_resource_t>(resource), &none) == 0) return OkStatus();
  return ConfinementError(errno, what);
}

// --- Landlock ---

// Newer than the oldest headers we build with.
struct RulesetAttr {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;  // ABI 4, Linux 6.7
  uint64_t scoped;              // ABI 6, Linux 6.12
};
constexpr uint64_t kAccessNetBindTcp = uint64_t{1} << 0;
constexpr uint64_t kScopes = uint64_t{0b11};  // abstract UNIX sockets, signals

// All rights of the first `count` bits.
constexpr uint64_t FirstRights(unsigned count) { return (uint64_t{1} << count) - 1; }

uint64_t EveryFileRight(int abi) {
  if (abi >= 5) return FirstRights(16);  // IOCTL_DEV
  if (abi >= 3) return FirstRights(15);  // TRUNCATE
  if (abi >= 2) return FirstRights(14);  // REFER
  return FirstRights(13);
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

// A directory that is not there holds nothing to read.
Status AllowReadingIn(const std::string& directory, int ruleset) {
  const UniqueFd opened(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!opened) return OkStatus();
  landlock_path_beneath_attr rule = {};
  rule.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE;
  rule.parent_fd = opened.get();
  if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0) {
    return OkStatus();
  }
  return ConfinementError(errno, StrCat("leave ", EscapeForTerminal(directory), " readable"));
}

// Each once: the resolver's files lie beside each other.
std::set<std::string> DirectoriesOf(const std::vector<std::string>& files) {
  std::set<std::string> directories;
  for (const std::string& file : files) {
    directories.insert(DirectoryOf(file));
    const std::unique_ptr<char, decltype(&std::free)> target(realpath(file.c_str(), nullptr),
                                                             &std::free);
    if (target) directories.insert(DirectoryOf(target.get()));
  }
  return directories;
}

Status RestrictWithLandlock(int abi, const std::vector<std::string>& readable_files) {
  RulesetAttr attr = {};
  attr.handled_access_fs = EveryFileRight(abi);
  if (abi >= 4) attr.handled_access_net = kAccessNetBindTcp;
  if (abi >= 6) attr.scoped = kScopes;
  const size_t size = abi >= 6   ? sizeof attr
                      : abi >= 4 ? offsetof(RulesetAttr, scoped)
                                 : offsetof(RulesetAttr, handled_access_net);
  const UniqueFd ruleset(static_cast<int>(syscall(SYS_landlock_create_ruleset, &attr, size, 0)));
  if (!ruleset) return ConfinementError(errno, "make a landlock ruleset");
  for (const std::string& directory : DirectoriesOf(readable_files)) {
    MINI_RETURN_IF_ERROR(AllowReadingIn(directory, ruleset.get()));
  }
  if (syscall(SYS_landlock_restrict_self, ruleset.get(), 0) == 0) return OkStatus();
  return ConfinementError(errno, "restrict it with landlock");
}

// --- Where there is no landlock ---

// The network namespace stays the host's: sockets belong to it, not to the user namespace.
Status EnterEmptyRoot() {
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
    return ConfinementError(errno, "make a mount namespace")
        .WithHint("this kernel has no landlock, and refuses namespaces here");
  }
  constexpr unsigned long kFlags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
  const char* const place = "/proc";  // a directory that every machine has
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("none", place, "tmpfs", kFlags, "mode=0555,size=4k") != 0 || chdir(place) != 0 ||
      syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 || chdir("/") != 0) {
    return ConfinementError(errno, "give it an empty root directory");
  }
  return OkStatus();
}

Result<Confinement> CloseFileSystem(const ConfinementOptions& options) {
  const int abi = ReadLandlockVersion();
  if (abi > 0) {
    MINI_RETURN_IF_ERROR(RestrictWithLandlock(abi, options.readable_files));
  } else {
    MINI_RETURN_IF_ERROR(EnterEmptyRoot());
  }
  return Confinement{abi};
}

// --- Capabilities and the filter ---

Status DropCapabilities() {
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
    return ConfinementError(errno, "clear its ambient capabilities");
  }
  // Takes CAP_SETPCAP: without it there is nothing that the bounding set would have to bound.
  for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0;
       ++capability) {
  }
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  constexpr __user_cap_data_struct kNone[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capset, &header, kNone) != 0) {
    return ConfinementError(errno, "drop its capabilities");
  }
  return OkStatus();
}

int trap_report_descriptor = -1;

void OnForbiddenCall(int, siginfo_t* info, void*) {
  const ForbiddenCall call = {info->si_syscall};
  [[maybe_unused]] const ssize_t written = write(trap_report_descriptor, &call, sizeof call);
  _exit(kForbiddenCallExit);
}

Status InstallFilter(const ConfinementOptions& options) {
  trap_report_descriptor = options.report_descriptor;
  struct sigaction action = {};
  action.sa_sigaction = OnForbiddenCall;
  action.sa_flags = SA_SIGINFO;
  sigset_t trap;
  sigemptyset(&trap);
  sigaddset(&trap, SIGSYS);
  if (sigaction(SIGSYS, &action, nullptr) != 0 ||
      pthread_sigmask(SIG_UNBLOCK, &trap, nullptr) != 0) {
    return ConfinementError(errno, "watch for system calls that it may not make");
  }
  const auto filter = options.readable_files.empty() ? StackFilter() : StackFilterWithFiles();
  sock_fprog program = {static_cast<unsigned short>(filter.size()),
                        const_cast<sock_filter*>(filter.data())};
  // Without the flag older kernels slow a filtered process down against Spectre variant 4, which is
  // about code that others supply.
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) !=
      0) {
    return ConfinementError(errno, "install its seccomp filter");
  }
  return OkStatus();
}

}  // namespace

std::string Confinement::ToString() const {
  return StrCat(landlock_abi > 0 ? StrCat("landlock version ", landlock_abi)
                                 : std::string("an empty root directory"),
                ", no capability, no_new_privs, seccomp");
}

Result<Confinement> ConfineThisProcess(const ConfinementOptions& options) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return ConfinementError(errno, "set no_new_privs");
  }
  MINI_ASSIGN_OR_RETURN(const Confinement confinement, CloseFileSystem(options));
  MINI_RETURN_IF_ERROR(Limit(RLIMIT_CORE, "forbid it core dumps"));
  MINI_RETURN_IF_ERROR(Limit(RLIMIT_NPROC, "forbid it processes"));
  MINI_RETURN_IF_ERROR(DropCapabilities());
  // A change of credentials clears both (prctl(2)).
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
    return ConfinementError(errno, "close it to tracing");
  }
  MINI_RETURN_IF_ERROR(InstallFilter(options));
  return confinement;
}

}  // namespace mini
