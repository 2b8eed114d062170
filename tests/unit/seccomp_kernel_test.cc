// The program that a command runs under, run by the kernel.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>

#include "base/status.h"
#include "base/strings.h"
#include "sys/seccomp_filter.h"
#include "tests/unit/child_process.h"
#include "tests/unit/seccomp_interpreter.h"

namespace mini {
namespace {

bool InstallCommandFilter() {
  const std::span<const sock_filter> filter = CommandFilter();
  sock_fprog program{static_cast<uint16_t>(filter.size()), const_cast<sock_filter*>(filter.data())};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

enum class As { kCaller, kNobody };

// "allowed" or the errno's name, of a call under the filter in a child. Each call below is made
// with arguments that are invalid beyond doubt, so that without the filter nothing would happen but
// another errno.
std::string UnderFilter(As user, long number, long a = 0, long b = 0, long c = 0, long d = 0,
                        long e = 0) {
  return RunInChild([=]() -> std::string {
    constexpr id_t kNobody = 65534;
    if (user == As::kNobody && geteuid() == 0 &&
        (setresgid(kNobody, kNobody, kNobody) != 0 || setresuid(kNobody, kNobody, kNobody) != 0)) {
      return "setresuid failed";
    }
    if (!InstallCommandFilter()) return "the filter was not taken";
    if (syscall(number, a, b, c, d, e) >= 0) return "allowed";
    return ErrnoName(errno);
  });
}

constexpr long kBad = -1;  // no address, no descriptor, no flags

struct RefusedCall {
  const char* name;
  long number;
  long a = kBad, b = kBad, c = kBad, d = kBad, e = kBad;
};

constexpr RefusedCall kRefusedCalls[] = {
    {"mount", SYS_mount},
    {"umount2", SYS_umount2},
    {"pivot_root", SYS_pivot_root},
    {"chroot", SYS_chroot},
    {"move_mount", SYS_move_mount},
    {"open_tree", SYS_open_tree},
    {"fsopen", SYS_fsopen},
    {"fsconfig", SYS_fsconfig},
    {"fsmount", SYS_fsmount},
    {"fspick", SYS_fspick},
    {"mount_setattr", SYS_mount_setattr},
    {"open_tree_attr", 467},
    {"setns", SYS_setns},
    {"unshare", SYS_unshare, CLONE_NEWUSER | 1},
    {"clone", SYS_clone, CLONE_NEWUSER | CLONE_FS},
    {"io_uring_setup", SYS_io_uring_setup},
    {"io_uring_enter", SYS_io_uring_enter},
    {"io_uring_register", SYS_io_uring_register},
    {"bpf", SYS_bpf},
    {"perf_event_open", SYS_perf_event_open},
    {"userfaultfd", SYS_userfaultfd},
    {"add_key", SYS_add_key},
    {"keyctl", SYS_keyctl},
    {"request_key", SYS_request_key},
    {"fanotify_init", SYS_fanotify_init},
    {"open_by_handle_at", SYS_open_by_handle_at},
    {"kexec_load", SYS_kexec_load},
    {"init_module", SYS_init_module},
    {"finit_module", SYS_finit_module},
    {"delete_module", SYS_delete_module},
    {"reboot", SYS_reboot},
    {"swapon", SYS_swapon},
    {"swapoff", SYS_swapoff},
    {"quotactl", SYS_quotactl},
    {"acct", SYS_acct},
    {"syslog", SYS_syslog},
    {"settimeofday", SYS_settimeofday},
    {"clock_settime", SYS_clock_settime},
};

TEST(CommandFilter, RefusesWithEpermAsTheCallerAndAsNobody) {
  for (const RefusedCall& call : kRefusedCalls) {
    for (const As user : {As::kCaller, As::kNobody}) {
      EXPECT_EQ(UnderFilter(user, call.number, call.a, call.b, call.c, call.d, call.e), "EPERM")
          << call.name;
    }
  }
}

TEST(CommandFilter, RefusesTerminalTakeover) {
  for (const long request : {TIOCSTI, TIOCLINUX, TIOCSETD}) {
    EXPECT_EQ(UnderFilter(As::kCaller, SYS_ioctl, kBad, request), "EPERM") << request;
    EXPECT_EQ(UnderFilter(As::kCaller, SYS_ioctl, kBad, request | (1L << 32)), "EPERM") << request;
  }
  for (const long request : {TIOCGWINSZ, TIOCGETD}) {
    EXPECT_EQ(UnderFilter(As::kCaller, SYS_ioctl, kBad, request), "EBADF") << "other requests pass";
  }
}

// The child shares its process group with this test, as the command may with a shell: without the
// filter these calls would set the nice value that the group has already, or end with EINVAL.
TEST(CommandFilter, RefusesPrioritiesOfTheOwnProcessGroup) {
  constexpr long kUpper = 1L << 32;
  const long nice = getpriority(PRIO_PROCESS, 0);
  EXPECT_EQ(UnderFilter(As::kCaller, SYS_setpriority, PRIO_PGRP, 0, nice), "EPERM");
  EXPECT_EQ(UnderFilter(As::kCaller, SYS_setpriority, PRIO_PGRP | kUpper, kUpper, nice), "EPERM");
  EXPECT_EQ(UnderFilter(As::kCaller, SYS_ioprio_set, kIoprioWhoPgrp, 0, kBad), "EPERM");
  EXPECT_EQ(UnderFilter(As::kCaller, SYS_ioprio_set, kIoprioWhoPgrp | kUpper, kUpper, kBad),
            "EPERM");
}

TEST(CommandFilter, LeavesOtherPrioritiesAlone) {
  constexpr long kLowest = 19;
  constexpr long kIdle = 3L << 13;  // IOPRIO_CLASS_IDLE
  EXPECT_EQ(UnderFilter(As::kCaller, SYS_setpriority, PRIO_PROCESS, 0, kLowest), "allowed");
  EXPECT_EQ(UnderFilter(As::kCaller, SYS_ioprio_set, kIoprioWhoProcess, 0, kIdle), "allowed");
  EXPECT_EQ(UnderFilter(As::kCaller, SYS_getpriority, PRIO_PGRP, 0), "allowed");
  // Groups and users that do not exist: the kernel's own answer.
  EXPECT_EQ(UnderFilter(As::kCaller, SYS_setpriority, PRIO_PGRP, INT_MAX, kLowest), "ESRCH");
  EXPECT_EQ(UnderFilter(As::kCaller, SYS_ioprio_set, kIoprioWhoPgrp, INT_MAX, kIdle), "ESRCH");
  EXPECT_EQ(UnderFilter(As::kCaller, SYS_ioprio_set, kIoprioWhoUser, INT_MAX, kIdle), "ESRCH");
}

TEST(CommandFilter, RefusesLeases) {
  for (const long command : {long{F_SETLEASE}, F_SETLEASE | (1L << 32)}) {
    EXPECT_EQ(UnderFilter(As::kCaller, SYS_fcntl, kBad, command, F_RDLCK), "EPERM") << command;
  }
  EXPECT_EQ(UnderFilter(As::kCaller, SYS_fcntl, kBad, F_GETLEASE), "EBADF");
  EXPECT_EQ(UnderFilter(As::kCaller, SYS_fcntl, kBad, F_SETLK), "EBADF");
}

TEST(CommandFilter, MakesNoFileSetUserId) {
  EXPECT_EQ(UnderFilter(As::kCaller, SYS_fchmod, kBad, 04755), "EPERM");
  EXPECT_EQ(UnderFilter(As::kCaller, SYS_fchmod, kBad, 02755), "EBADF") << "the control";
  EXPECT_EQ(UnderFilter(As::kCaller, SYS_openat, kBad, kBad, O_CREAT, 04755), "EPERM");
  EXPECT_EQ(UnderFilter(As::kCaller, SYS_openat, kBad, kBad, O_RDONLY, 04755), "EFAULT");
  EXPECT_EQ(UnderFilter(As::kCaller, SYS_openat2, kBad), "ENOSYS");
}

TEST(CommandFilter, Clone3FallsBack) {
  EXPECT_EQ(UnderFilter(As::kCaller, SYS_clone3, kBad), "ENOSYS");
}

TEST(CommandFilter, RefusesExoticSockets) {
  for (const int family : {AF_VSOCK, AF_ALG, AF_BLUETOOTH, AF_TIPC, AF_CAN, AF_X25, AF_KEY}) {
    EXPECT_EQ(UnderFilter(As::kCaller, SYS_socket, family, SOCK_DGRAM), "EAFNOSUPPORT") << family;
  }
  for (const int family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}) {
    EXPECT_EQ(UnderFilter(As::kNobody, SYS_socket, family, SOCK_DGRAM), "allowed") << family;
  }
}

TEST(CommandFilter, LeavesOrdinaryCallsAlone) {
  EXPECT_EQ(UnderFilter(As::kNobody, SYS_getpid), "allowed");
  EXPECT_EQ(UnderFilter(As::kNobody, SYS_unshare, CLONE_FILES | CLONE_FS), "allowed");
  EXPECT_EQ(UnderFilter(As::kNobody, SYS_personality, 0xffffffff), "allowed");
  EXPECT_EQ(UnderFilter(As::kNobody, SYS_ptrace, PTRACE_TRACEME), "allowed");
  EXPECT_EQ(UnderFilter(As::kNobody, SYS_adjtimex, kBad), "EFAULT");
  EXPECT_EQ(UnderFilter(As::kNobody, SYS_name_to_handle_at, kBad, kBad, kBad, kBad, kBad),
            "EINVAL");
  // A further filter on top, as browsers install theirs.
  EXPECT_EQ(UnderFilter(As::kNobody, SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, kBad), "EFAULT");
}

TEST(CommandFilter, ThreadsAndChildrenWork) {
  const std::string seen = RunInChild([]() -> std::string {
    if (!InstallCommandFilter()) return "the filter was not taken";
    std::string text;
    std::thread([&] { text += "thread"; }).join();
    return text + RunInChild([]() -> std::string { return " and child"; });
  });
  EXPECT_EQ(seen, "thread and child");
}

#if defined(__x86_64__)
TEST(CommandFilter, TheThirtyTwoBitGateIsFilteredToo) {
  const std::string seen = RunInChild([]() -> std::string {
    // i386's getpid (20) and keyctl (288) through the gate that 64-bit programs can use as well.
    const auto gate = [](long number) {
      long result = number;
      asm volatile("int $0x80" : "+a"(result) : "b"(-1L), "c"(-1L), "d"(-1L) : "memory");
      return static_cast<int>(result);
    };
    if (gate(20) != getpid()) return "no i386 here";
    if (!InstallCommandFilter()) return "the filter was not taken";
    return ErrnoName(-gate(288));
  });
  if (seen == "no i386 here" || seen.starts_with("killed by signal 11")) {
    GTEST_SKIP() << "this kernel has no 32-bit emulation";
  }
  EXPECT_EQ(seen, "EPERM");
}
#endif

}  // namespace
}  // namespace mini
