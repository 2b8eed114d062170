// Theory of operation. A command's filter is the last of several walls: the command has no
// capability, so most of what is refused here the kernel refuses as well. The filter takes the code
// behind these calls away from the command (most local exploits of the kernel went through a few of
// them), and it closes what no capability guards: TIOCSTI, keyrings, leases, set-user-ID bits,
// nested user namespaces, io_uring.
//
// All else is allowed: a sandbox for any program cannot know the calls of tomorrow's libc. What is
// refused gets an errno that programs know how to live with; only the calling convention of an
// architecture that the filter does not know kills.
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>

#include "sys/seccomp_generator/call_table.h"

namespace mini::seccomp {
namespace {

// The file system that the sandbox was given is what it keeps: no call that makes, moves or changes
// a mount, even where a user namespace would grant the capability. statmount and listmount only
// read, like /proc/self/mountinfo.
void RefuseMounts(CallTable& table) {
  table.Refuse(EPERM, {"mount", "umount", "umount2", "pivot_root", "move_mount", "open_tree",
                       "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "chroot"});
  // open_tree_attr(2) of Linux 6.15 has this number everywhere; libseccomp 2.5 has no name for it.
  constexpr uint32_t kOpenTreeAttr = 467;
  table.Treat(kOpenTreeAttr, {ReturnErrno(EPERM)});
}

Code RefuseFlags(uint32_t flags, size_t argument = 0) {
  return {LoadArgument(argument), Jump(BPF_JSET, flags, 0, 1), ReturnErrno(EPERM), Allow()};
}

// Entering a namespace is no part of making a sandbox.
void RefuseEntering(CallTable& table) { table.Refuse(EPERM, {"setns"}); }

// A nested user namespace hands out all capabilities over further namespaces, and with them the
// kernel code that local exploits mostly went through.
void RefuseNamespaces(CallTable& table) {
  constexpr uint32_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                   CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  table.Treat("clone", RefuseFlags(kNamespaces));
  // Only unshare(2) and clone3(2) know time namespaces: in clone(2)'s flags that bit belongs to the
  // number of the exit signal.
  table.Treat("unshare", RefuseFlags(kNamespaces | CLONE_NEWTIME));
  // clone3(2) has its flags in memory, where no filter sees them. With ENOSYS every libc falls back
  // to clone(2); with EPERM it would give up.
  table.Refuse(ENOSYS, {"clone3"});
}

// The terminal is shared with the caller's shell. Input pushed into it would be run by that shell
// once the sandbox ended: by TIOCSTI as keys, by TIOCLINUX as a console selection pasted. TIOCSETD
// gives it another line discipline, under which the shell's reads and writes go elsewhere, and
// loads the module of one that is not there yet (ioctl_tty(2)). The request is an unsigned int to
// the kernel: a filter that compared 64 bits could be passed by setting one above (CVE-2019-10063).
void RefuseTerminalTakeover(CallTable& table) {
  table.Treat("ioctl",
              {LoadArgument(1), Jump(BPF_JEQ, TIOCSTI, 2, 0), Jump(BPF_JEQ, TIOCSETD, 1, 0),
               Jump(BPF_JEQ, TIOCLINUX, 0, 1), ReturnErrno(EPERM), Allow()});
}

// Both arguments are ints to the kernel.
Code RefuseOwnGroup(uint32_t group) {
  return {LoadArgument(0),        Jump(BPF_JEQ, group, 0, 3), LoadArgument(1),
          Jump(BPF_JEQ, 0, 0, 1), ReturnErrno(EPERM),         Allow()};
}

// The command may be in the process group of the user's job, of which some members run outside the
// command's PID namespace. In it they have no number, so that no other form of these calls reaches
// them; but 0 stands for the whole group of whoever calls, and the kernel then compares only user
// IDs (setpriority(2), ioprio_set(2)). Landlock's scopes cover signals, not priorities.
void RefusePrioritiesOfOwnGroup(CallTable& table) {
  constexpr uint32_t kIoprioWhoPgrp = 2;  // linux/ioprio.h, which older kernels do not export
  table.Treat("setpriority", RefuseOwnGroup(PRIO_PGRP));
  table.Treat("ioprio_set", RefuseOwnGroup(kIoprioWhoPgrp));
}

// A lease on a file makes whoever opens it in a conflicting way wait for its holder, for up to
// /proc/sys/fs/lease-break-time seconds and again with the next lease (fcntl(2)). A file that
// the user owns and the sandbox may only read is enough. fcntl's command is an unsigned int to the
// kernel.
void RefuseLeases(CallTable& table) {
  const Code code = {LoadArgument(1), Jump(BPF_JEQ, F_SETLEASE, 0, 1), ReturnErrno(EPERM), Allow()};
  table.Treat("fcntl", code);
  table.Treat("fcntl64", code);  // of 32-bit programs
}

// What the command leaves in the working directory is there outside as well, where a set-user-ID
// program of the caller's would run with the caller's rights for whoever starts it. So no call
// gives a file that bit. (Set-group-ID stays: on directories it is how trees are shared.)
// fchmodat2(2) is newer than libseccomp 2.5 and has this number everywhere.
void RefuseSetUserId(CallTable& table, Kind kind) {
  constexpr uint32_t kFchmodat2 = 452;
  for (const char* call : {"chmod", "fchmod", "creat", "mknod"}) {
    table.Treat(call, RefuseFlags(S_ISUID, 1));
  }
  for (const char* call : {"fchmodat", "mknodat"}) table.Treat(call, RefuseFlags(S_ISUID, 2));
  table.Treat(kFchmodat2, RefuseFlags(S_ISUID, 2));

  // Without these flags the mode is whatever was in the register (open(2)). O_TMPFILE holds
  // O_DIRECTORY too, whose value differs between conventions; the bit of its own does not.
  constexpr uint32_t kCreates = O_CREAT | (O_TMPFILE & ~O_DIRECTORY);
  const auto creating = [](size_t flags, size_t mode) -> Code {
    return {LoadArgument(flags), Jump(BPF_JSET, kCreates, 0, 3),
            LoadArgument(mode),  Jump(BPF_JSET, S_ISUID, 0, 1),
            ReturnErrno(EPERM),  Allow()};
  };
  table.Treat("open", creating(1, 2));
  table.Treat("openat", creating(2, 3));
  // openat2(2) has its mode in memory. Programs fall back to openat(2), but not the sandbox that a
  // nested command may make.
  if (kind == Kind::kClosed) table.Refuse(ENOSYS, {"openat2"});
}

// Large parts of the kernel with a history of flaws, which few programs need and most of these can
// do without. io_uring would also carry calls past this filter.
void RefuseAttackSurface(CallTable& table) {
  table.Refuse(EPERM, {"io_uring_setup", "io_uring_enter", "io_uring_register"});
  table.Refuse(EPERM, {"bpf", "perf_event_open", "userfaultfd", "lookup_dcookie", "nfsservctl"});
  // Keyrings are shared by all processes of a user, inside and outside.
  table.Refuse(EPERM, {"add_key", "keyctl", "request_key"});
  // Marks of fanotify(7) reach whole mounts and file systems.
  table.Refuse(EPERM, {"fanotify_init"});
  // Opens by inode number, past every directory that hides a file. name_to_handle_at only reads.
  table.Refuse(EPERM, {"open_by_handle_at"});
}

// What only an administrator of the whole machine does. adjtimex and clock_adjtime stay: they also
// read the clock's state, and setting it takes a capability that the sandbox never has.
void RefuseAdministration(CallTable& table) {
  table.Refuse(EPERM, {"kexec_load", "kexec_file_load", "init_module", "finit_module",
                       "delete_module", "create_module", "query_module", "get_kernel_syms"});
  table.Refuse(EPERM, {"reboot", "swapon", "swapoff", "quotactl", "quotactl_fd", "acct", "syslog",
                       "settimeofday", "stime", "clock_settime", "clock_settime64"});
  // x86 only: port I/O, and the virtual 8086 mode of 32-bit programs.
  table.Refuse(EPERM, {"iopl", "ioperm", "vm86", "vm86old"});
}

// UNIX, INET, INET6, NETLINK and PACKET (which the kernel refuses without a capability) remain. Of
// the others some are not bound to the network namespace (VSOCK reaches the hypervisor, QIPCRTR the
// modem), and most load rarely used kernel modules on demand (ALG, TIPC, RDS, CAN and the like).
// EAFNOSUPPORT is what a kernel built without them answers.
void RefuseSocketFamilies(CallTable& table) {
  static_assert(AF_UNIX == 1 && AF_INET == 2 && AF_INET6 == 10 && AF_NETLINK == 16 &&
                AF_PACKET == 17);
  const Code code = {LoadArgument(0),  // an int to the kernel; a negative one is above as unsigned
                     Jump(BPF_JGT, AF_PACKET, 4, 0),
                     Jump(BPF_JGE, AF_NETLINK, 2, 0),
                     Jump(BPF_JEQ, AF_INET6, 1, 0),
                     Jump(BPF_JGT, AF_INET, 1, 0),
                     Allow(),
                     ReturnErrno(EAFNOSUPPORT)};
  table.Treat("socket", code);
  table.Treat("socketpair", code);
  // i386's socketcall(2) has its arguments in memory. Its calls have had numbers of their own since
  // Linux 4.3, which libcs use first.
  table.Refuse(ENOSYS, {"socketcall"});
}

}  // namespace

CallTable CommandCalls(uint32_t arch, Kind kind) {
  CallTable table(arch, {Allow()});
  if (kind == Kind::kClosed) {
    RefuseMounts(table);
    RefuseNamespaces(table);
  }
  RefuseEntering(table);
  RefuseTerminalTakeover(table);
  RefusePrioritiesOfOwnGroup(table);
  RefuseLeases(table);
  RefuseSetUserId(table, kind);
  RefuseAttackSurface(table);
  RefuseAdministration(table);
  RefuseSocketFamilies(table);
  return table;
}

}  // namespace mini::seccomp
