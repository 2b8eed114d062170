// The programs that the network stack's process runs under, call by call.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <initializer_list>

#include "sys/seccomp_filter.h"
#include "tests/unit/seccomp_interpreter.h"

namespace mini {
namespace {

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

}  // namespace
}  // namespace mini
