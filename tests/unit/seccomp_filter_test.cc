#include "sys/seccomp_filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <thread>

#include "base/status.h"
#include "base/strings.h"
#include "tests/unit/child_process.h"

namespace mini {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kNative = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kNative = AUDIT_ARCH_AARCH64;
#endif

// --- The program, run by an interpreter of our own ---

struct Verdict {
  uint32_t action = 0;
  int steps = 0;  // instructions executed
};

// Classic BPF as far as seccomp programs use it; anything else ends with action 0, which is
// SECCOMP_RET_KILL_THREAD and so fails every expectation below.
Verdict Interpret(std::span<const sock_filter> program, const seccomp_data& data) {
  uint32_t accumulator = 0;
  Verdict verdict;
  for (size_t pc = 0; pc < program.size(); ++pc) {
    const sock_filter& instruction = program[pc];
    ++verdict.steps;
    const auto branch = [&](bool taken) { pc += taken ? instruction.jt : instruction.jf; };
    switch (instruction.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (instruction.k + sizeof accumulator > sizeof data) return verdict;
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&data) + instruction.k,
                    sizeof accumulator);
        break;
      case BPF_JMP | BPF_JA:
        pc += instruction.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        branch(accumulator == instruction.k);
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        branch(accumulator >= instruction.k);
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        branch(accumulator > instruction.k);
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        branch((accumulator & instruction.k) != 0);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= instruction.k;
        break;
      case BPF_RET | BPF_K:
        verdict.action = instruction.k;
        return verdict;
      default:
        return verdict;
    }
  }
  return verdict;
}

Verdict AskProgram(std::span<const sock_filter> program, uint32_t arch, uint32_t number,
                   uint64_t arg0 = 0, uint64_t arg1 = 0, uint64_t arg2 = 0, uint64_t arg3 = 0) {
  seccomp_data data{};
  data.arch = arch;
  data.nr = static_cast<int>(number);
  data.args[0] = arg0;
  data.args[1] = arg1;
  data.args[2] = arg2;
  data.args[3] = arg3;
  return Interpret(program, data);
}

Verdict Ask(uint32_t arch, uint32_t number, uint64_t arg0 = 0, uint64_t arg1 = 0, uint64_t arg2 = 0,
            uint64_t arg3 = 0) {
  return AskProgram(CommandFilter(), arch, number, arg0, arg1, arg2, arg3);
}

constexpr int kIoprioWhoProcess = 1;  // linux/ioprio.h, which older kernels do not export
constexpr int kIoprioWhoPgrp = 2;
constexpr int kIoprioWhoUser = 3;

constexpr uint32_t Errno(uint32_t error) { return SECCOMP_RET_ERRNO | error; }

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

// --- The network stack's program ---

uint32_t AskStack(long number, uint64_t arg0 = 0, uint64_t arg1 = 0, uint64_t arg2 = 0,
                  uint64_t arg3 = 0) {
  return AskProgram(StackFilter(), kNative, static_cast<uint32_t>(number), arg0, arg1, arg2, arg3)
      .action;
}

TEST(StackProgram, TrapsWhatOpensStartsListensTracesOrSignals) {
  for (const long number : {SYS_openat,
                            SYS_openat2,
                            SYS_execve,
                            SYS_execveat,
                            SYS_clone,
                            SYS_clone3,
                            SYS_unshare,
                            SYS_setns,
                            SYS_bind,
                            SYS_listen,
                            SYS_socketpair,
                            SYS_accept,
                            SYS_kill,
                            SYS_tgkill,
                            SYS_rt_sigqueueinfo,
                            SYS_pidfd_send_signal,
                            SYS_ptrace,
                            SYS_pidfd_open,
                            SYS_process_vm_readv,
                            SYS_process_vm_writev,
                            SYS_pidfd_getfd,
                            SYS_memfd_create,
                            SYS_rt_sigaction,
                            SYS_prctl,
                            SYS_seccomp,
                            SYS_mount,
                            SYS_bpf,
                            SYS_io_uring_setup,
                            SYS_userfaultfd,
                            SYS_perf_event_open,
                            SYS_keyctl,
                            SYS_prlimit64,
                            SYS_setresuid,
                            SYS_capset,
                            SYS_chdir,
                            SYS_fchdir,
                            SYS_unlinkat,
                            SYS_renameat2,
                            SYS_linkat,
                            SYS_getdents64,
                            SYS_newfstatat,
                            SYS_statx,
                            SYS_sendfile,
                            SYS_splice,
                            SYS_pwrite64,
                            SYS_ftruncate,
                            SYS_shmat,
                            SYS_dup}) {
    EXPECT_EQ(AskStack(number), SECCOMP_RET_TRAP) << number;
  }
}

TEST(StackProgram, TrapsEveryCallBeyondAShortList) {
  int allowed = 0;
  for (uint32_t number = 0; number < 1000; ++number) {
    const uint32_t action = AskStack(number);
    allowed += action == SECCOMP_RET_ALLOW;
    EXPECT_TRUE(action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_TRAP ||
                action == Errno(ENOPROTOOPT))
        << number;
  }
  EXPECT_GE(allowed, 40);
  EXPECT_LE(allowed, 60);
}

TEST(StackProgram, TheLoopsCallsTakeFewInstructions) {
  for (const long number : {SYS_read, SYS_readv, SYS_writev, SYS_epoll_pwait, SYS_epoll_ctl,
                            SYS_sendmsg, SYS_recvfrom, SYS_clock_gettime}) {
    const Verdict verdict = AskProgram(StackFilter(), kNative, static_cast<uint32_t>(number));
    EXPECT_EQ(verdict.action, SECCOMP_RET_ALLOW) << number;
    EXPECT_LE(verdict.steps, 14) << number;
  }
}

TEST(StackProgram, NoOtherConventionIsServed) {
  for (const uint32_t arch :
       std::initializer_list<uint32_t>{AUDIT_ARCH_I386, AUDIT_ARCH_ARM, AUDIT_ARCH_PPC64LE}) {
    EXPECT_EQ(AskProgram(StackFilter(), arch, 1).action, SECCOMP_RET_KILL_PROCESS);
  }
  constexpr uint32_t kX32 = 0x40000000;
  EXPECT_EQ(AskStack(kX32 | SYS_read), SECCOMP_RET_TRAP);
}

TEST(StackProgram, SocketsAreOfTheInternetAndOfPlainProtocols) {
  const auto ask = [](uint64_t family, uint64_t type, uint64_t protocol) {
    return AskStack(SYS_socket, family, type, protocol);
  };
  constexpr uint64_t kFlags = SOCK_NONBLOCK | SOCK_CLOEXEC;
  for (const uint64_t family : {AF_INET, AF_INET6}) {
    EXPECT_EQ(ask(family, SOCK_STREAM | kFlags, 0), SECCOMP_RET_ALLOW);
    EXPECT_EQ(ask(family, SOCK_STREAM | kFlags, IPPROTO_TCP), SECCOMP_RET_ALLOW);
    EXPECT_EQ(ask(family, SOCK_STREAM | kFlags, IPPROTO_SCTP), SECCOMP_RET_TRAP);
    EXPECT_EQ(ask(family, SOCK_STREAM | kFlags, IPPROTO_MPTCP), SECCOMP_RET_TRAP);
    EXPECT_EQ(ask(family, SOCK_DGRAM | kFlags, 0), SECCOMP_RET_ALLOW);
    EXPECT_EQ(ask(family, SOCK_DGRAM | kFlags, IPPROTO_ICMP), SECCOMP_RET_ALLOW);
    EXPECT_EQ(ask(family, SOCK_DGRAM | kFlags, IPPROTO_ICMPV6), SECCOMP_RET_ALLOW);
    EXPECT_EQ(ask(family, SOCK_DGRAM | kFlags, IPPROTO_UDPLITE), SECCOMP_RET_TRAP);
    EXPECT_EQ(ask(family, SOCK_RAW | kFlags, IPPROTO_ICMP), SECCOMP_RET_TRAP);
    EXPECT_EQ(ask(family, SOCK_SEQPACKET | kFlags, 0), SECCOMP_RET_TRAP);
  }
  for (const uint64_t family : {AF_UNIX, AF_NETLINK, AF_PACKET, AF_VSOCK, AF_ALG}) {
    EXPECT_EQ(ask(family, SOCK_STREAM, 0), SECCOMP_RET_TRAP) << family;
    EXPECT_EQ(ask(family, SOCK_DGRAM, 0), SECCOMP_RET_TRAP) << family;
  }
}

TEST(StackProgram, MemoryIsNeitherCodeNorAFile) {
  constexpr uint64_t kPlain = MAP_PRIVATE | MAP_ANONYMOUS;
  EXPECT_EQ(AskStack(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, kPlain), SECCOMP_RET_ALLOW);
  EXPECT_EQ(AskStack(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, kPlain), SECCOMP_RET_TRAP);
  EXPECT_EQ(AskStack(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE), SECCOMP_RET_TRAP);
  EXPECT_EQ(AskStack(SYS_mprotect, 0, 4096, PROT_READ | PROT_WRITE), SECCOMP_RET_ALLOW);
  EXPECT_EQ(AskStack(SYS_mprotect, 0, 4096, PROT_READ | PROT_EXEC), SECCOMP_RET_TRAP);
}

TEST(StackProgram, OptionsAndRequestsAreListed) {
  EXPECT_EQ(AskStack(SYS_setsockopt, 3, IPPROTO_TCP, TCP_NODELAY), SECCOMP_RET_ALLOW);
  EXPECT_EQ(AskStack(SYS_setsockopt, 3, SOL_SOCKET, SO_LINGER), SECCOMP_RET_ALLOW);
  EXPECT_EQ(AskStack(SYS_setsockopt, 3, IPPROTO_IP, 51 /* IP_LOCAL_PORT_RANGE */),
            SECCOMP_RET_ALLOW);
  EXPECT_EQ(AskStack(SYS_setsockopt, 3, SOL_SOCKET, SO_ATTACH_FILTER), Errno(ENOPROTOOPT));
  EXPECT_EQ(AskStack(SYS_setsockopt, 3, IPPROTO_TCP, TCP_ULP), Errno(ENOPROTOOPT));
  EXPECT_EQ(AskStack(SYS_setsockopt, 3, SOL_PACKET, 1), Errno(ENOPROTOOPT));
  EXPECT_EQ(AskStack(SYS_getsockopt, 3, SOL_SOCKET, SO_ERROR), SECCOMP_RET_ALLOW);
  EXPECT_EQ(AskStack(SYS_getsockopt, 3, SOL_NETLINK, 1), Errno(ENOPROTOOPT));
  EXPECT_EQ(AskStack(SYS_ioctl, 2, TCGETS), SECCOMP_RET_ALLOW);
  EXPECT_EQ(AskStack(SYS_ioctl, 2, TIOCSTI), SECCOMP_RET_TRAP);
  EXPECT_EQ(AskStack(SYS_ioctl, 2, TUNSETIFF), SECCOMP_RET_TRAP);
  EXPECT_EQ(AskStack(SYS_fcntl, 3, F_SETFL), SECCOMP_RET_ALLOW);
  EXPECT_EQ(AskStack(SYS_fcntl, 3, F_SETOWN), SECCOMP_RET_TRAP);
  EXPECT_EQ(AskStack(SYS_futex, 0, FUTEX_WAKE_PRIVATE), SECCOMP_RET_ALLOW);
  EXPECT_EQ(AskStack(SYS_futex, 0, FUTEX_CMP_REQUEUE_PI), SECCOMP_RET_TRAP);
}

TEST(StackProgram, WithFilesOpensForReadingOnly) {
  const auto ask = [](uint64_t flags) {
    return AskProgram(StackFilterWithFiles(), kNative, SYS_openat, 0, 0, flags).action;
  };
  EXPECT_EQ(ask(O_RDONLY | O_CLOEXEC | O_NONBLOCK), SECCOMP_RET_ALLOW);
  for (const int flags : {O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_TMPFILE, O_PATH, O_APPEND | 3}) {
    EXPECT_EQ(ask(static_cast<uint64_t>(flags)), SECCOMP_RET_TRAP) << flags;
  }
  EXPECT_EQ(AskProgram(StackFilterWithFiles(), kNative, SYS_openat2).action, SECCOMP_RET_TRAP);
}

// --- The program, run by the kernel ---

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
