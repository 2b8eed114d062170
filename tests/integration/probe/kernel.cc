// Kernel interfaces that a sandboxed command has no business with: large attack surface, or reach
// beyond the namespaces. The arguments are valid, so that only a filter or a lack of privilege
// refuses them.
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>

#include "attempt.h"

namespace mini::probe {
namespace {

int IoUringSetup() {
  io_uring_params params = {};
  return ErrnoOf(syscall(SYS_io_uring_setup, 4, &params));
}

int IoUringEnter() { return ErrnoOf(syscall(SYS_io_uring_enter, -1, 0, 0, 0, nullptr, 0)); }

int AddKey() {
  return ErrnoOf(
      syscall(SYS_add_key, "user", "mini-sandbox-probe", "x", 1, KEY_SPEC_PROCESS_KEYRING));
}

int RequestKey() {
  return ErrnoOf(syscall(SYS_request_key, "user", "mini-sandbox-probe", nullptr, 0));
}

int Keyctl() {
  return ErrnoOf(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1));
}

int Bpf() {
  bpf_attr attr = {};
  attr.map_type = BPF_MAP_TYPE_ARRAY;
  attr.key_size = 4;
  attr.value_size = 4;
  attr.max_entries = 1;
  return ErrnoOf(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr));
}

int PerfEventOpen() {
  perf_event_attr attr = {};
  attr.type = PERF_TYPE_SOFTWARE;
  attr.size = sizeof attr;
  attr.config = PERF_COUNT_SW_TASK_CLOCK;
  attr.exclude_kernel = 1;
  attr.exclude_hv = 1;
  return ErrnoOf(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

int Userfaultfd() {
  constexpr int kUserModeOnly = 1;  // UFFD_USER_MODE_ONLY: allowed to everybody by default
  return ErrnoOf(syscall(SYS_userfaultfd, O_CLOEXEC | kUserModeOnly));
}

int PtraceInit() { return ErrnoOf(ptrace(PTRACE_ATTACH, 1, nullptr, nullptr)); }

int ProcessVmReadInit() {
  char byte = 0;
  // The address does not matter: the permission is checked first (process_vm_readv(2)).
  struct {
    void* base;
    size_t length;
  } local = {&byte, 1}, remote = {&byte, 1};
  return ErrnoOf(syscall(SYS_process_vm_readv, 1, &local, 1, &remote, 1, 0));
}

int KexecLoad() { return ErrnoOf(syscall(SYS_kexec_load, 0, 0, nullptr, 0)); }
int InitModule() { return ErrnoOf(syscall(SYS_init_module, "x", 1, "")); }
int DeleteModule() { return ErrnoOf(syscall(SYS_delete_module, "mini_sandbox_probe", O_NONBLOCK)); }
int Swapon() { return ErrnoOf(swapon("/dev/null", 0)); }
int Reboot() { return ErrnoOf(reboot(RB_DISABLE_CAD)); }
int Sethostname() { return ErrnoOf(sethostname("probe", 5)); }
int Syslog() { return ErrnoOf(syscall(SYS_syslog, 3, nullptr, 0)); }

int SetuidRoot() {
  if (getuid() == 0) return EPERM;  // root already, so there is nothing to gain
  return ErrnoOf(setuid(0));
}

int ClockSettime() {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return ErrnoOf(clock_settime(CLOCK_REALTIME, &now));
}

int Mknod() { return ErrnoOf(mknod("probe-null", S_IFCHR | 0600, makedev(1, 3))); }

int OpenByHandleAt() {
  // The classic way out of a container: any file by its inode number. A handle of our own root is
  // valid; opening it needs CAP_DAC_READ_SEARCH in the initial user namespace.
  struct {
    file_handle header;
    unsigned char bytes[128];
  } handle = {};
  handle.header.handle_bytes = sizeof handle.bytes;
  int mount_id = 0;
  if (name_to_handle_at(AT_FDCWD, "/", &handle.header, &mount_id, 0) == -1) return errno;
  int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return ErrnoOf(open_by_handle_at(root, &handle.header, O_RDONLY));
}

int SocketOf(int family, int type, int protocol) {
  return ErrnoOf(socket(family, type | SOCK_CLOEXEC, protocol));
}

int VsockSocket() { return SocketOf(AF_VSOCK, SOCK_STREAM, 0); }
int PacketSocket() { return SocketOf(AF_PACKET, SOCK_RAW, 0); }
int RawSocket() { return SocketOf(AF_INET, SOCK_RAW, IPPROTO_TCP); }
int KeySocket() { return SocketOf(AF_KEY, SOCK_RAW, 2); }
int AlgSocket() { return SocketOf(AF_ALG, SOCK_SEQPACKET, 0); }

#ifdef __x86_64__
// The 32-bit entry has other numbers: a filter that looks only at numbers lets keyctl through.
int I386Keyctl() {
  constexpr long kI386Keyctl = 288;
  long result = kI386Keyctl;
  asm volatile("int $0x80"
               : "+a"(result)
               : "b"(KEYCTL_GET_KEYRING_ID), "c"(KEY_SPEC_SESSION_KEYRING), "d"(1)
               : "memory", "r8", "r9", "r10", "r11");
  return result < 0 ? static_cast<int>(-result) : 0;
}

int X32Keyctl() {
  constexpr long kX32Bit = 0x40000000;
  return ErrnoOf(syscall(kX32Bit | SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1));
}
#endif

constexpr Attempt kAttempts[] = {
    {"io_uring_setup", IoUringSetup},
    {"io_uring_enter", IoUringEnter},
    {"add_key", AddKey},
    {"request_key", RequestKey},
    {"keyctl", Keyctl},
    {"bpf", Bpf},
    {"perf_event_open", PerfEventOpen},
    {"userfaultfd", Userfaultfd},
    {"ptrace-init", PtraceInit},
    {"process_vm_readv-init", ProcessVmReadInit},
    {"kexec_load", KexecLoad},
    {"init_module", InitModule},
    {"delete_module", DeleteModule},
    {"swapon", Swapon},
    {"reboot", Reboot},
    {"sethostname", Sethostname},
    {"syslog", Syslog},
    {"setuid-root", SetuidRoot},
    {"clock_settime", ClockSettime},
    {"mknod-device", Mknod},
    {"open_by_handle_at", OpenByHandleAt},
    {"socket-vsock", VsockSocket},
    {"socket-packet", PacketSocket},
    {"socket-raw", RawSocket},
    {"socket-key", KeySocket},
    {"socket-alg", AlgSocket},
#ifdef __x86_64__
    {"i386-keyctl", I386Keyctl},
    {"x32-keyctl", X32Keyctl},
#endif
};

}  // namespace

std::span<const Attempt> KernelAttempts() { return kAttempts; }

}  // namespace mini::probe
