#include "sys/degraded_filter.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>

namespace mini {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kNativeArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kNativeArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "no filter is written for this processor"
#endif

// Newer than the oldest headers we build with; the same everywhere.
constexpr long kFchmodat2 = 452;
constexpr long kSetxattrat = 463;
constexpr long kRemovexattrat = 466;
constexpr long kFileSetattr = 469;

class FilterWriter {
 public:
  FilterWriter() {
    Load(offsetof(seccomp_data, arch));
    JumpIfEqual(kNativeArchitecture, 1, 0);
    Return(SECCOMP_RET_KILL_PROCESS);
    Load(offsetof(seccomp_data, nr));
  }

  void Refuse(int error, std::initializer_list<long> calls) {
    for (const long call : calls) Treat(call, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error));
  }

  void Notify(std::initializer_list<long> calls) {
    for (const long call : calls) Treat(call, SECCOMP_RET_USER_NOTIF);
  }

  // Unless the argument, an int to the kernel, is one of the values.
  void RefuseUnless(long call, size_t argument, std::initializer_list<uint32_t> values,
                    int error = EPERM) {
    JumpIfEqual(static_cast<uint32_t>(call), 0, 2 + 2 * values.size());
    LoadArgument(argument);
    for (const uint32_t value : values) {
      JumpIfEqual(value, 0, 1);
      Return(SECCOMP_RET_ALLOW);
    }
    Return(SECCOMP_RET_ERRNO | static_cast<uint32_t>(error));
  }

  // Where the argument, masked, is one of the values.
  void RefuseWhere(long call, size_t argument, uint32_t mask,
                   std::initializer_list<uint32_t> values, int error) {
    JumpIfEqual(static_cast<uint32_t>(call), 0, 3 + 2 * values.size());
    LoadArgument(argument);
    code_.push_back({BPF_ALU | BPF_AND | BPF_K, 0, 0, mask});
    for (const uint32_t value : values) {
      JumpIfEqual(value, 0, 1);
      Return(SECCOMP_RET_ERRNO | static_cast<uint32_t>(error));
    }
    Load(offsetof(seccomp_data, nr));  // another rule for this call may follow
  }

  std::vector<sock_filter> Finish() {
    Return(SECCOMP_RET_ALLOW);
    return std::move(code_);
  }

 private:
  void Treat(long call, uint32_t action) {
    JumpIfEqual(static_cast<uint32_t>(call), 0, 1);
    Return(action);
  }
  void Load(size_t offset) {
    code_.push_back({BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<uint32_t>(offset)});
  }
  // The lower half of little-endian machines.
  void LoadArgument(size_t index) { Load(offsetof(seccomp_data, args) + index * sizeof(uint64_t)); }
  void JumpIfEqual(uint32_t value, size_t if_true, size_t if_false) {
    code_.push_back({BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint8_t>(if_true),
                     static_cast<uint8_t>(if_false), value});
  }
  void Return(uint32_t action) { code_.push_back({BPF_RET | BPF_K, 0, 0, action}); }

  std::vector<sock_filter> code_;
};

// A connected pair of streams reaches nobody else. Datagram sockets can be pointed elsewhere with
// each message (sendto(2)).
void RefuseSockets(FilterWriter& filter) {
  filter.Refuse(EACCES, {SYS_socket, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4});
  constexpr uint32_t kTypeMask = 0xf;  // SOCK_TYPE_MASK of the kernel
  filter.RefuseWhere(SYS_socketpair, 1, kTypeMask,
                     {SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_DCCP, SOCK_PACKET}, EACCES);
  filter.RefuseUnless(SYS_socketpair, 0, {AF_UNIX}, EACCES);
}

// Shared by all processes of the IPC namespace, which is the host's.
void RefuseIpc(FilterWriter& filter) {
  filter.Refuse(
      EACCES, {SYS_shmget, SYS_shmat, SYS_shmctl, SYS_semget, SYS_semop, SYS_semtimedop, SYS_semctl,
               SYS_msgget, SYS_msgsnd, SYS_msgrcv, SYS_msgctl, SYS_mq_open, SYS_mq_unlink});
}

// Processes of the same user may change these of each other. 0 is the caller itself.
void RefuseOtherProcesses(FilterWriter& filter) {
  for (const long call :
       {SYS_prlimit64, SYS_sched_setaffinity, SYS_sched_setattr, SYS_sched_setparam,
        SYS_sched_setscheduler, SYS_migrate_pages, SYS_move_pages}) {
    filter.RefuseUnless(call, 0, {0});
  }
  constexpr uint32_t kAll = ~uint32_t{0};
  constexpr uint32_t kIoprioWhoPgrp = 2;
  constexpr uint32_t kIoprioWhoUser = 3;
  filter.RefuseWhere(SYS_setpriority, 0, kAll, {PRIO_PGRP, PRIO_USER}, EPERM);
  filter.RefuseUnless(SYS_setpriority, 1, {0});
  filter.RefuseWhere(SYS_ioprio_set, 0, kAll, {kIoprioWhoPgrp, kIoprioWhoUser}, EPERM);
  filter.RefuseUnless(SYS_ioprio_set, 1, {0});
}

// Files of the user outside, which a read-only mount would protect.
void RefuseAttributes(FilterWriter& filter) {
  filter.Notify({SYS_fchmod, SYS_fchmodat, kFchmodat2, SYS_utimensat});
  filter.Refuse(EPERM, {SYS_fchown, SYS_fchownat});
  filter.Refuse(EOPNOTSUPP,
                {SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, SYS_removexattr, SYS_lremovexattr,
                 SYS_fremovexattr, kSetxattrat, kRemovexattrat, kFileSetattr});
#ifdef SYS_chmod  // the forms that newer architectures do without
  filter.Notify({SYS_chmod});
  filter.Refuse(EPERM, {SYS_chown, SYS_lchown, SYS_utime, SYS_utimes, SYS_futimesat});
#endif
  // ioctl(2) by the type that stands in bits 8 to 15: flags and attributes of files ('f', 'X'),
  // subvolumes and clones of btrfs (0x94), f2fs (0xf5). Some of them change what a descriptor for
  // reading leads to. Programs copy where they cannot clone.
  filter.RefuseWhere(SYS_ioctl, 1, 0xff00, {0x6600, 0x5800, 0x9400, 0xf500}, EOPNOTSUPP);
}

// Besides kill(2): a descriptor can be told to signal anybody when something happens to it.
void RefuseSignals(Signals signals, FilterWriter& filter) {
  constexpr uint32_t kFioSetOwn = 0x8901;
  constexpr uint32_t kSiocSpgrp = 0x8902;
  filter.RefuseWhere(SYS_ioctl, 1, ~uint32_t{0}, {kFioSetOwn, kSiocSpgrp}, EPERM);
  filter.RefuseWhere(SYS_fcntl, 1, ~uint32_t{0}, {F_SETOWN, F_SETOWN_EX}, EPERM);
  if (signals == Signals::kScoped) return;
  filter.Refuse(EPERM, {SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
                        SYS_pidfd_send_signal});
}

}  // namespace

std::vector<sock_filter> DegradedFilter(Signals signals) {
  FilterWriter filter;
  RefuseSockets(filter);
  RefuseIpc(filter);
  RefuseOtherProcesses(filter);
  RefuseAttributes(filter);
  RefuseSignals(signals, filter);
  return filter.Finish();
}

}  // namespace mini
