// A new user namespace brings back every capability, and with them most of the kernel's privileged
// code: refused by each of the three ways to make one. clone3 hides its flags behind a pointer, so
// a filter can only refuse it whole (ENOSYS, on which C libraries fall back to clone).
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>

#include "attempt.h"

extern "C" int unshare(int flags) noexcept;  // <sched.h> clashes with <linux/sched.h>

namespace mini::probe {
namespace {

// The clone calls return twice; the new process ends at once.
int Reap(long child) {
  if (child == -1) return errno;
  if (child == 0) _exit(0);
  waitpid(static_cast<pid_t>(child), nullptr, 0);
  return 0;
}

int UnshareOf(uint64_t flag) { return ErrnoOf(unshare(static_cast<int>(flag))); }

int UnshareUser() { return UnshareOf(CLONE_NEWUSER); }
int UnshareMount() { return UnshareOf(CLONE_NEWNS); }
int UnshareNet() { return UnshareOf(CLONE_NEWNET); }
int UnsharePid() { return UnshareOf(CLONE_NEWPID); }

// A filter that compares the whole register, where the kernel may look at a part of it.
int UnshareUserHighBits() {
  return ErrnoOf(syscall(SYS_unshare, (uint64_t{1} << 32) | CLONE_NEWUSER));
}

int CloneUser() { return Reap(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)); }

int Clone3User() {
  clone_args args = {};
  args.flags = CLONE_NEWUSER;
  args.exit_signal = SIGCHLD;
  return Reap(syscall(SYS_clone3, &args, sizeof args));
}

int SetnsOf(const char* path) {
  int ns = open(path, O_RDONLY | O_CLOEXEC);
  if (ns == -1) return errno;
  return ErrnoOf(syscall(SYS_setns, ns, 0));
}

int SetnsUser() { return SetnsOf("/proc/self/ns/user"); }
int SetnsMount() { return SetnsOf("/proc/self/ns/mnt"); }
int SetnsNet() { return SetnsOf("/proc/self/ns/net"); }
int SetnsInit() { return SetnsOf("/proc/1/ns/mnt"); }

constexpr Attempt kAttempts[] = {
    {"unshare-user", UnshareUser},   {"unshare-user-high-bits", UnshareUserHighBits},
    {"unshare-mount", UnshareMount}, {"unshare-net", UnshareNet},
    {"unshare-pid", UnsharePid},     {"clone-user", CloneUser},
    {"clone3-user", Clone3User},     {"setns-user", SetnsUser},
    {"setns-mount", SetnsMount},     {"setns-net", SetnsNet},
    {"setns-init-mount", SetnsInit},
};

}  // namespace

std::span<const Attempt> NamespaceAttempts() { return kAttempts; }

}  // namespace mini::probe
