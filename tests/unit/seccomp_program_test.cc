// The program that a command runs under, call by call.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <initializer_list>

#include "sys/seccomp_filter.h"
#include "tests/unit/seccomp_interpreter.h"

namespace mini {
namespace {

Verdict Ask(uint32_t arch, uint32_t number, uint64_t arg0 = 0, uint64_t arg1 = 0, uint64_t arg2 = 0,
            uint64_t arg3 = 0) {
  return AskProgram(CommandFilter(), arch, number, arg0, arg1, arg2, arg3);
}

TEST(SeccompProgram, AnUnknownArchitectureKills) {
  EXPECT_EQ(Ask(AUDIT_ARCH_PPC64LE, 1).action, SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(Ask(0, 1).action, SECCOMP_RET_KILL_PROCESS);
}

TEST(SeccompProgram, CommonCallsTakeFewInstructions) {
  for (const long number : {SYS_read, SYS_write, SYS_openat, SYS_close, SYS_mmap, SYS_brk,
                            SYS_futex, SYS_execve, SYS_newfstatat, SYS_rt_sigprocmask,
                            SYS_epoll_pwait, SYS_sendmsg, SYS_recvmsg, SYS_clock_gettime}) {
    const Verdict verdict = Ask(kNative, static_cast<uint32_t>(number));
    EXPECT_EQ(verdict.action, SECCOMP_RET_ALLOW) << number;
    EXPECT_LE(verdict.steps, 12) << number;
  }
}

TEST(SeccompProgram, NoPathIsLong) {
  int total = 0;
  for (uint32_t number = 0; number < 480; ++number) {
    const int steps = Ask(kNative, number, UINT64_MAX, UINT64_MAX).steps;
    EXPECT_LE(steps, 24) << number;
    total += steps;
  }
  // These take longest with arguments that are looked at to the end.
  EXPECT_LE(Ask(kNative, SYS_setpriority, PRIO_PGRP, 0).steps, 24);
  EXPECT_LE(Ask(kNative, SYS_ioprio_set, kIoprioWhoPgrp, 0).steps, 24);
  // What installing costs: the kernel runs the program once for every call (seccomp_cache_prepare).
  EXPECT_LE(total, 480 * 10);
}

TEST(SeccompProgram, ArgumentsAreComparedAsTheKernelReadsThem) {
  const uint64_t upper = uint64_t{1} << 32;
  const auto socket = static_cast<uint32_t>(SYS_socket);
  const auto ioctl = static_cast<uint32_t>(SYS_ioctl);
  const auto unshare = static_cast<uint32_t>(SYS_unshare);
  EXPECT_EQ(Ask(kNative, socket, upper | AF_VSOCK).action, Errno(EAFNOSUPPORT));
  EXPECT_EQ(Ask(kNative, socket, upper | AF_INET).action, SECCOMP_RET_ALLOW);
  EXPECT_EQ(Ask(kNative, ioctl, 0, upper | TIOCSTI).action, Errno(EPERM));
  EXPECT_EQ(Ask(kNative, ioctl, 0, upper | TIOCSETD).action, Errno(EPERM));
  EXPECT_EQ(Ask(kNative, SYS_fcntl, 0, upper | F_SETLEASE).action, Errno(EPERM));
  EXPECT_EQ(Ask(kNative, SYS_setpriority, upper | PRIO_PGRP, upper).action, Errno(EPERM));
  EXPECT_EQ(Ask(kNative, SYS_ioprio_set, upper | kIoprioWhoPgrp, upper).action, Errno(EPERM));
  EXPECT_EQ(Ask(kNative, unshare, upper | CLONE_NEWUSER).action, Errno(EPERM));
}

TEST(SeccompProgram, OfPrioritiesOnlyThoseOfTheOwnGroupAreRefused) {
  const struct {
    long call;
    uint32_t group;
  } calls[] = {{SYS_setpriority, PRIO_PGRP}, {SYS_ioprio_set, kIoprioWhoPgrp}};
  for (const auto& [call, group] : calls) {
    for (const uint32_t which : {0u, 1u, 2u, 3u, 4u, UINT32_MAX}) {
      for (const uint32_t who : {0u, 1u, 2u, 1000u, UINT32_MAX}) {
        EXPECT_EQ(Ask(kNative, static_cast<uint32_t>(call), which, who).action,
                  which == group && who == 0 ? Errno(EPERM) : uint32_t{SECCOMP_RET_ALLOW})
            << call << ' ' << which << ' ' << who;
      }
    }
  }
}

TEST(SeccompProgram, OfFcntlOnlySettingALeaseIsRefused) {
  for (uint32_t command = 0; command < 2048; ++command) {
    EXPECT_EQ(Ask(kNative, SYS_fcntl, 0, command).action,
              command == F_SETLEASE ? Errno(EPERM) : uint32_t{SECCOMP_RET_ALLOW})
        << command;
  }
}

// A call that gives a file a mode; `mode` is the argument's index. Where `flags` is not -1, only
// with O_CREAT or O_TMPFILE in that argument is there a mode.
struct ModeCall {
  uint32_t number;
  size_t mode;
  int flags = -1;
};

void ExpectNoSetUserId(uint32_t arch, std::initializer_list<ModeCall> calls) {
  for (const std::span<const sock_filter> program : {CommandFilter(), NestingCommandFilter()}) {
    for (const ModeCall& call : calls) {
      const auto answer = [&](uint64_t mode, uint64_t flags) {
        uint64_t arguments[4] = {UINT64_MAX, 0, 0, 0};
        if (call.flags >= 0) arguments[call.flags] = flags;
        arguments[call.mode] = mode;
        return AskProgram(program, arch, call.number, arguments[0], arguments[1], arguments[2],
                          arguments[3])
            .action;
      };
      const uint64_t upper = uint64_t{1} << 32;
      for (const uint64_t flags :
           {uint64_t{O_CREAT} | O_WRONLY, uint64_t{O_TMPFILE} | O_RDWR, upper | O_CREAT | O_EXCL}) {
        for (const uint64_t mode : {04755u, 04000u, 06755u, 0104644u}) {
          EXPECT_EQ(answer(mode, flags), Errno(EPERM)) << call.number << ' ' << mode;
          EXPECT_EQ(answer(upper | mode, flags), Errno(EPERM)) << call.number << ' ' << mode;
        }
        for (const uint64_t mode : {0u, 0755u, 02755u, 01777u, 03777u, 0010644u}) {
          EXPECT_EQ(answer(mode, flags), SECCOMP_RET_ALLOW) << call.number << ' ' << mode;
        }
      }
      if (call.flags < 0) continue;
      for (const uint64_t flags : {O_RDONLY, O_WRONLY | O_TRUNC, O_PATH | O_NOFOLLOW, O_DIRECTORY,
                                   O_RDONLY | O_DIRECTORY | O_CLOEXEC}) {
        EXPECT_EQ(answer(UINT64_MAX, flags), SECCOMP_RET_ALLOW) << "no mode: " << call.number;
      }
    }
  }
}

constexpr uint32_t kFchmodat2 = 452;  // newer than the oldest headers we build with

TEST(SeccompProgram, NoCallMakesAFileSetUserId) {
  ExpectNoSetUserId(
      kNative,
      {{SYS_fchmod, 1}, {SYS_fchmodat, 2}, {kFchmodat2, 2}, {SYS_mknodat, 2}, {SYS_openat, 3, 2}});
#if defined(__x86_64__)
  ExpectNoSetUserId(kNative, {{SYS_chmod, 1}, {SYS_creat, 1}, {SYS_mknod, 1}, {SYS_open, 2, 1}});
  ExpectNoSetUserId(AUDIT_ARCH_I386, {{15 /* chmod */, 1},
                                      {94 /* fchmod */, 1},
                                      {306 /* fchmodat */, 2},
                                      {kFchmodat2, 2},
                                      {8 /* creat */, 1},
                                      {14 /* mknod */, 1},
                                      {297 /* mknodat */, 2},
                                      {5 /* open */, 2, 1},
                                      {295 /* openat */, 3, 2}});
#endif
}

TEST(SeccompProgram, OnlyANestingCommandHasOpenat2) {
  for (const uint32_t arch : {kNative, uint32_t{AUDIT_ARCH_I386}}) {
    if (arch == AUDIT_ARCH_I386 && kNative != AUDIT_ARCH_X86_64) continue;
    EXPECT_EQ(Ask(arch, SYS_openat2).action, Errno(ENOSYS));  // 437 everywhere
    EXPECT_EQ(AskProgram(NestingCommandFilter(), arch, SYS_openat2).action, SECCOMP_RET_ALLOW);
  }
}

TEST(SeccompProgram, OnlyFiveSocketFamiliesAreThere) {
  for (const long call : {SYS_socket, SYS_socketpair}) {
    for (uint32_t family = 0; family < 64; ++family) {
      const bool known = family == AF_UNSPEC || family == AF_UNIX || family == AF_INET ||
                         family == AF_INET6 || family == AF_NETLINK || family == AF_PACKET;
      EXPECT_EQ(Ask(kNative, static_cast<uint32_t>(call), family).action,
                known ? SECCOMP_RET_ALLOW : Errno(EAFNOSUPPORT))
          << family;
    }
    EXPECT_EQ(Ask(kNative, static_cast<uint32_t>(call), UINT64_MAX).action, Errno(EAFNOSUPPORT));
  }
}

TEST(SeccompProgram, EveryNamespaceFlagIsRefusedAndNoOther) {
  constexpr uint32_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                   CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  for (int bit = 0; bit < 32; ++bit) {
    const uint32_t flag = uint32_t{1} << bit;
    const auto expected = [&](uint32_t refused) {
      return (flag & refused) != 0 ? Errno(EPERM) : uint32_t{SECCOMP_RET_ALLOW};
    };
    EXPECT_EQ(Ask(kNative, SYS_clone, flag | SIGCHLD).action, expected(kNamespaces)) << bit;
    EXPECT_EQ(Ask(kNative, SYS_unshare, flag).action, expected(kNamespaces | CLONE_NEWTIME)) << bit;
  }
}

#if defined(__x86_64__)
TEST(SeccompProgram, X32IsAnsweredAsByAKernelWithoutIt) {
  constexpr uint32_t kX32 = 0x40000000;
  for (const uint32_t number : {kX32, kX32 | uint32_t{SYS_mount}, kX32 | 512u, UINT32_MAX}) {
    EXPECT_EQ(Ask(kNative, number).action, Errno(ENOSYS)) << number;
  }
  EXPECT_EQ(Ask(kNative, kX32 - 1).action, SECCOMP_RET_ALLOW) << "ENOSYS from the kernel itself";
}

// Numbers of asm/unistd_32.h, written out: that header cannot be included beside the 64-bit one.
TEST(SeccompProgram, TheThirtyTwoBitConventionIsNoWayAround) {
  constexpr uint32_t kI386 = AUDIT_ARCH_I386;
  for (const uint32_t number :
       {21u /* mount */, 22u /* umount */, 52u /* umount2 */, 217u /* pivot_root */,
        25u /* stime */, 61u /* chroot */, 88u /* reboot */, 113u /* vm86old */, 166u /* vm86 */,
        286u /* add_key */, 288u /* keyctl */, 346u /* setns */, 357u /* bpf */,
        374u /* userfaultfd */, 404u /* clock_settime64 */, 425u /* io_uring_setup */,
        442u /* mount_setattr */, 467u /* open_tree_attr */}) {
    EXPECT_EQ(Ask(kI386, number).action, Errno(EPERM)) << number;
  }
  EXPECT_EQ(Ask(kI386, 102 /* socketcall */).action, Errno(ENOSYS));
  EXPECT_EQ(Ask(kI386, 435 /* clone3 */).action, Errno(ENOSYS));
  EXPECT_EQ(Ask(kI386, 359 /* socket */, AF_VSOCK).action, Errno(EAFNOSUPPORT));
  EXPECT_EQ(Ask(kI386, 359 /* socket */, AF_INET).action, SECCOMP_RET_ALLOW);
  EXPECT_EQ(Ask(kI386, 360 /* socketpair */, AF_TIPC).action, Errno(EAFNOSUPPORT));
  EXPECT_EQ(Ask(kI386, 54 /* ioctl */, 0, TIOCSTI).action, Errno(EPERM));
  EXPECT_EQ(Ask(kI386, 54 /* ioctl */, 0, TIOCSETD).action, Errno(EPERM));
  EXPECT_EQ(Ask(kI386, 54 /* ioctl */, 0, TIOCGETD).action, SECCOMP_RET_ALLOW);
  EXPECT_EQ(Ask(kI386, 97 /* setpriority */, PRIO_PGRP, 0).action, Errno(EPERM));
  EXPECT_EQ(Ask(kI386, 97 /* setpriority */, PRIO_PROCESS, 0).action, SECCOMP_RET_ALLOW);
  EXPECT_EQ(Ask(kI386, 289 /* ioprio_set */, kIoprioWhoPgrp, 0).action, Errno(EPERM));
  EXPECT_EQ(Ask(kI386, 289 /* ioprio_set */, kIoprioWhoPgrp, 7).action, SECCOMP_RET_ALLOW);
  for (const uint32_t number : {55u /* fcntl */, 221u /* fcntl64 */}) {
    EXPECT_EQ(Ask(kI386, number, 0, F_SETLEASE).action, Errno(EPERM)) << number;
    EXPECT_EQ(Ask(kI386, number, 0, F_GETLEASE).action, SECCOMP_RET_ALLOW) << number;
  }
  EXPECT_EQ(Ask(kI386, 120 /* clone */, CLONE_NEWUSER).action, Errno(EPERM));
  EXPECT_EQ(Ask(kI386, 310 /* unshare */, CLONE_NEWNET).action, Errno(EPERM));
  EXPECT_EQ(Ask(kI386, 4 /* write */).action, SECCOMP_RET_ALLOW);
  EXPECT_EQ(Ask(kI386, 165 /* getresuid; mount's number in 64 bits */).action, SECCOMP_RET_ALLOW);
}
#endif

TEST(NestingProgram, LetsNamespacesAndMountsThrough) {
  for (const int number :
       {SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_move_mount, SYS_open_tree,
        SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_mount_setattr, SYS_clone3, 467}) {
    const auto call = static_cast<uint32_t>(number);
    EXPECT_EQ(AskProgram(NestingCommandFilter(), kNative, call).action, SECCOMP_RET_ALLOW) << call;
    EXPECT_NE(Ask(kNative, call).action, SECCOMP_RET_ALLOW) << "the control: " << call;
  }
  for (const long number : {SYS_clone, SYS_unshare}) {
    EXPECT_EQ(AskProgram(NestingCommandFilter(), kNative, static_cast<uint32_t>(number),
                         CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET)
                  .action,
              SECCOMP_RET_ALLOW);
  }
}

TEST(NestingProgram, DiffersInNothingElse) {
  const auto is_let_through = [](uint32_t number) {
    const uint32_t calls[] = {
        SYS_mount,         SYS_umount2,    SYS_pivot_root, SYS_chroot,    SYS_fsopen,
        SYS_fsconfig,      SYS_fsmount,    SYS_fspick,     SYS_clone3,    SYS_clone,
        SYS_mount_setattr, SYS_move_mount, SYS_unshare,    SYS_open_tree, 467,
        SYS_openat2};
    return std::find(std::begin(calls), std::end(calls), number) != std::end(calls);
  };
  // Arguments that are refused where arguments are looked at.
  const uint64_t arguments[][4] = {{0, 0},
                                   {0, TIOCSTI},
                                   {AF_VSOCK, 0},
                                   {0, F_SETLEASE},
                                   {PRIO_PGRP, 0},
                                   {kIoprioWhoPgrp, 0},
                                   {0, 04755},
                                   {0, 0, 04755},
                                   {0, O_CREAT, 04755},
                                   {0, 0, O_CREAT, 04755}};
  for (uint32_t number = 0; number < 600; ++number) {
    if (is_let_through(number)) continue;
    for (const auto& [a, b, c, d] : arguments) {
      EXPECT_EQ(AskProgram(NestingCommandFilter(), kNative, number, a, b, c, d).action,
                Ask(kNative, number, a, b, c, d).action)
          << number;
    }
  }
  EXPECT_EQ(AskProgram(NestingCommandFilter(), AUDIT_ARCH_PPC64LE, 1).action,
            SECCOMP_RET_KILL_PROCESS);
}

}  // namespace
}  // namespace mini
