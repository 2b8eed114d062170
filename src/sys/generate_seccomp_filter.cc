// A build-time tool: generate_seccomp_filter PROCESSOR KIND OUTPUT writes a seccomp filter as the
// initializers of a `struct sock_filter` array. KIND is `closed` for a command, `nesting` for a
// command that may make sandboxes of its own (user namespaces, and mounts within them), `stack` for
// the process of the network stack, `stack-reading` for one that may also open files for reading.
//
// Theory of operation. A command's filter is the last of several walls: the command has no
// capability, so most of what is refused here the kernel refuses as well. The filter takes the code
// behind these calls away from the command (most local exploits of the kernel went through a few of
// them), and it closes what no capability guards: TIOCSTI, keyrings, leases, set-user-ID bits,
// nested user namespaces, io_uring.
//
// All else is allowed: a sandbox for any program cannot know the calls of tomorrow's libc. What is
// refused gets an errno that programs know how to live with; only the calling convention of an
// architecture that the filter does not know kills.
//
// The stack's filter is the other way round, since its calls are known: what is not listed traps
// (SECCOMP_RET_TRAP). The call is not made; the process tells its number and ends
// (confinement.h), or is killed, where it has made itself deaf to the signal.
//
// The call numbers come from libseccomp's tables. The program is laid out here, because installing
// a filter costs time: for its cache of calls that are always allowed, the kernel runs the program
// once for every call number of every architecture it serves (kernel/seccomp.c,
// seccomp_cache_prepare). So the numbers are cut into intervals of equal treatment, and an optimal
// binary search tree over them, weighted by how many calls an interval holds, keeps that sum small,
// and the way to calls that no cache answers short. The kernel also translates and compiles every
// instruction, so equal code is there once, wherever jumps reach it.
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using Code = std::vector<sock_filter>;

[[noreturn]] void Fail(std::string_view what, int error) {
  std::fprintf(stderr, "generate_seccomp_filter: %.*s: %s\n", static_cast<int>(what.size()),
               what.data(), std::strerror(error));
  std::exit(1);
}

// --- Instructions (bpf(4)'s classic machine; Documentation/userspace-api/seccomp_filter.rst) ---

sock_filter Statement(int code, uint32_t k) { return {static_cast<uint16_t>(code), 0, 0, k}; }
sock_filter Jump(int code, uint32_t k, size_t if_true, size_t if_false) {
  if (if_true > UINT8_MAX || if_false > UINT8_MAX) Fail("a jump is too long", EOVERFLOW);
  return {static_cast<uint16_t>(BPF_JMP | BPF_K | code), static_cast<uint8_t>(if_true),
          static_cast<uint8_t>(if_false), k};
}
sock_filter Return(uint32_t action) { return Statement(BPF_RET | BPF_K, action); }
sock_filter ReturnErrno(int error) {
  return Return(SECCOMP_RET_ERRNO | static_cast<uint32_t>(error));
}
sock_filter Allow() { return Return(SECCOMP_RET_ALLOW); }
sock_filter Load(size_t offset) {
  return Statement(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}
// The lower half of an argument, of little-endian machines. All arguments looked at are 32 bits
// wide to the kernel, or have all their flags there, so a set upper half changes nothing.
sock_filter LoadArgument(size_t index) {
  return Load(offsetof(seccomp_data, args) + index * sizeof(uint64_t));
}

bool IsSame(const sock_filter& a, const sock_filter& b) {
  return a.code == b.code && a.jt == b.jt && a.jf == b.jf && a.k == b.k;
}
bool SameCode(const Code& a, const Code& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), IsSame);
}

// --- What is refused ---

enum class Kind { kClosed, kNesting, kStack, kStackReading };

// What is done with the calls of one architecture, by number, and with all others.
class CallTable {
 public:
  CallTable(uint32_t arch, Code otherwise) : arch_(arch), otherwise_(std::move(otherwise)) {}

  // Calls by name. One that this architecture does not have is left out; one that no architecture
  // has is a misspelling.
  void Refuse(int error, std::initializer_list<const char*> names) {
    for (const char* name : names) Treat(name, {ReturnErrno(error)});
  }
  void AllowAll(std::initializer_list<const char*> names) {
    for (const char* name : names) Treat(name, {Allow()});
  }
  void Treat(const char* name, Code code) {
    if (const std::optional<uint32_t> number = Number(name)) Treat(*number, std::move(code));
  }
  void Treat(uint32_t number, Code code) { calls_[number] = std::move(code); }

  uint32_t arch() const { return arch_; }
  const Code& otherwise() const { return otherwise_; }
  const std::map<uint32_t, Code>& calls() const { return calls_; }

 private:
  std::optional<uint32_t> Number(const char* name) const {
    // libseccomp gives i386's socket calls numbers of its own, since they can also be made through
    // socketcall(2); these are the kernel's (asm/unistd_32.h).
    if (arch_ == SCMP_ARCH_X86 && std::string_view(name) == "socket") return 359;
    if (arch_ == SCMP_ARCH_X86 && std::string_view(name) == "socketpair") return 360;
    const int number = seccomp_syscall_resolve_name_arch(arch_, name);
    if (number == __NR_SCMP_ERROR) Fail(name, ENOSYS);
    if (number < 0) return std::nullopt;
    return static_cast<uint32_t>(number);
  }

  uint32_t arch_;
  Code otherwise_;
  std::map<uint32_t, Code> calls_;
};

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

// --- What the network stack's process may do ---

Code Trap() { return {Return(SECCOMP_RET_TRAP)}; }

Code Join(Code first, const Code& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

// `then` where the accumulator is one of the values; both ways have to end in a return.
Code OneOf(std::initializer_list<uint32_t> values, const Code& then, const Code& otherwise) {
  Code code;
  size_t left = values.size();
  for (const uint32_t value : values) {
    code.push_back(Jump(BPF_JEQ, value, --left + otherwise.size(), 0));
  }
  return Join(Join(std::move(code), otherwise), then);
}
Code WhereArgument(size_t index, std::initializer_list<uint32_t> values, const Code& then,
                   const Code& otherwise) {
  return Join({LoadArgument(index)}, OneOf(values, then, otherwise));
}
Code WhereArgumentMasked(size_t index, uint32_t mask, std::initializer_list<uint32_t> values,
                         const Code& then, const Code& otherwise) {
  return Join({LoadArgument(index), Statement(BPF_ALU | BPF_AND | BPF_K, mask)},
              OneOf(values, then, otherwise));
}
Code OnlyWhereArgument(size_t index, std::initializer_list<uint32_t> values) {
  return WhereArgument(index, values, {Allow()}, Trap());
}

// The sockets of flows and of the resolver, nothing else: no other family, no SCTP or MPTCP, no raw
// socket, no netlink (the one for routes is opened before). ICMP as a datagram socket is ping.
void AllowInternetSockets(CallTable& table) {
  constexpr uint32_t kTypeMask = 0xf;  // SOCK_TYPE_MASK of the kernel: without SOCK_NONBLOCK
  const Code stream = OnlyWhereArgument(2, {0, IPPROTO_TCP});
  const Code datagram = OnlyWhereArgument(2, {0, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6});
  const Code by_type =
      WhereArgumentMasked(1, kTypeMask, {SOCK_STREAM}, stream,
                          WhereArgumentMasked(1, kTypeMask, {SOCK_DGRAM}, datagram, Trap()));
  table.Treat("socket", WhereArgument(0, {AF_INET, AF_INET6}, by_type, Trap()));
}

// Options have many handlers in the kernel, most of them rarely used. One that is not listed is
// answered as by a kernel that does not know it.
void AllowSocketOptions(CallTable& table) {
  const Code unknown = {ReturnErrno(ENOPROTOOPT)};
  const auto options = [&unknown](std::initializer_list<uint32_t> names) {
    return WhereArgument(2, names, {Allow()}, unknown);
  };
  const Code of_socket = options({SO_ERROR, SO_KEEPALIVE, SO_LINGER, SO_OOBINLINE, SO_RCVBUF,
                                  SO_RCVLOWAT, SO_SNDBUF, SO_RCVTIMEO, SO_SNDTIMEO});
  const Code of_tcp =
      options({TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_USER_TIMEOUT,
               TCP_NOTSENT_LOWAT, TCP_MAXSEG, TCP_QUICKACK, TCP_FASTOPEN_CONNECT});
  const Code of_udp = options({UDP_SEGMENT, UDP_GRO});
  constexpr uint32_t kIpLocalPortRange = 51;  // IP_LOCAL_PORT_RANGE, Linux 6.3
  const Code of_ip = options({IP_RECVERR, IP_TOS, IP_TTL, IP_MTU_DISCOVER, IP_RECVTOS, IP_RECVTTL,
                              IP_BIND_ADDRESS_NO_PORT, kIpLocalPortRange});
  const Code of_ipv6 = options({IPV6_RECVERR, IPV6_TCLASS, IPV6_UNICAST_HOPS, IPV6_MTU_DISCOVER,
                                IPV6_RECVTCLASS, IPV6_RECVHOPLIMIT, IPV6_V6ONLY, IPV6_DONTFRAG});
  Code code = unknown;
  code = WhereArgument(1, {IPPROTO_IPV6}, of_ipv6, code);
  code = WhereArgument(1, {IPPROTO_IP}, of_ip, code);
  code = WhereArgument(1, {IPPROTO_UDP}, of_udp, code);
  code = WhereArgument(1, {IPPROTO_TCP}, of_tcp, code);
  table.Treat("setsockopt", WhereArgument(1, {SOL_SOCKET}, of_socket, code));
  table.Treat("getsockopt",
              WhereArgument(1, {SOL_SOCKET, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IP, IPPROTO_IPV6},
                            {Allow()}, unknown));
}

// No memory that can be executed, and none of a file.
void AllowPlainMemory(CallTable& table) {
  table.AllowAll({"brk", "munmap", "mremap", "madvise"});
  table.Treat("mprotect", {LoadArgument(2), Jump(BPF_JSET, PROT_EXEC, 0, 1),
                           Return(SECCOMP_RET_TRAP), Allow()});
  for (const char* name : {"mmap", "mmap2"}) {
    table.Treat(name, {LoadArgument(2), Jump(BPF_JSET, PROT_EXEC, 2, 0), LoadArgument(3),
                       Jump(BPF_JSET, MAP_ANONYMOUS, 1, 0), Return(SECCOMP_RET_TRAP), Allow()});
  }
}

// Taking a lock that nobody else holds: the C library's, in a process of one thread.
void AllowPlainFutexes(CallTable& table) {
  constexpr uint32_t kCommands = ~uint32_t{FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME};
  table.Treat("futex",
              WhereArgumentMasked(1, kCommands,
                                  {FUTEX_WAIT, FUTEX_WAKE, FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET},
                                  {Allow()}, Trap()));
}

void AllowReadingFiles(CallTable& table) {
  constexpr uint32_t kChanges = O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY) | O_PATH;
  const auto reading = [](size_t flags) -> Code {
    return {LoadArgument(flags), Jump(BPF_JSET, kChanges, 0, 1), Return(SECCOMP_RET_TRAP), Allow()};
  };
  table.Treat("open", reading(1));
  table.Treat("openat", reading(2));
  table.AllowAll({"stat", "lstat", "fstat", "newfstatat", "statx", "lseek", "readlink",
                  "readlinkat", "fadvise64"});
}

CallTable StackCalls(uint32_t arch, Kind kind) {
  CallTable table(arch, Trap());
  // What the loop does all the time.
  table.AllowAll({"epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "poll", "ppoll"});
  table.AllowAll({"read", "readv", "write", "writev", "recvfrom", "recvmsg", "recvmmsg", "sendto",
                  "sendmsg", "sendmmsg", "shutdown", "close"});
  table.AllowAll({"clock_gettime", "clock_getres", "gettimeofday", "time", "getrandom"});
  // Flows. No bind(2) and no listen(2): whatever is listened on was opened before.
  AllowInternetSockets(table);
  AllowSocketOptions(table);
  table.AllowAll({"connect", "accept4", "getsockname", "getpeername"});
  table.Treat("fcntl", OnlyWhereArgument(1, {F_GETFD, F_SETFD, F_GETFL, F_SETFL}));
  // How lines end on the terminal that standard error may be, in the C library's two ways of
  // asking; whether urgent data is next.
  constexpr uint32_t kTcgets2 = 0x802c542a;
  table.Treat("ioctl", OnlyWhereArgument(1, {TCGETS, kTcgets2, SIOCATMARK}));
  AllowPlainMemory(table);
  AllowPlainFutexes(table);
  // Of the process: its own numbers, its end, being stopped and continued. AddressSanitizer asks
  // for the alternate signal stack before a call that does not return.
  table.AllowAll({"getpid", "gettid", "getppid", "sysinfo", "sched_yield", "rt_sigprocmask",
                  "rt_sigreturn", "sigaltstack", "restart_syscall", "exit", "exit_group"});
  if (kind == Kind::kStackReading) AllowReadingFiles(table);
  return table;
}

// --- The search tree ---

struct Interval {
  uint32_t first;  // up to the next interval's first
  size_t weight;   // how many calls exist in it, at least 1; more where it runs often
  Code code;
};

// The whole range of 32 bits, cut where the treatment changes.
std::vector<Interval> Intervals(const CallTable& table) {
  constexpr uint32_t kCallsInUse = 480;  // a weight only: no architecture of ours has many more
  std::vector<Interval> intervals;
  const auto append = [&](uint32_t first, const Code& code) {
    if (intervals.empty() || !SameCode(intervals.back().code, code)) {
      intervals.push_back({first, 1, code});
    }
  };
  uint32_t next = 0;
  for (const auto& [number, code] : table.calls()) {
    if (number > next) append(next, table.otherwise());
    append(number, code);
    next = number + 1;
  }
  append(next, table.otherwise());
  // x32 calls carry this bit. A kernel without x32 answers ENOSYS, and so do we. The same goes for
  // call -1, which some programs make to see what happens.
  constexpr uint32_t kX32 = 0x40000000;
  if (table.arch() == SCMP_ARCH_X86_64 && SameCode(table.otherwise(), {Allow()})) {
    append(kX32, {ReturnErrno(ENOSYS)});
  }

  // What is decided by arguments is not in the kernel's cache: the program runs at every such call.
  constexpr size_t kUncached = 8;
  for (size_t i = 0; i < intervals.size(); ++i) {
    const uint32_t end = i + 1 < intervals.size() ? intervals[i + 1].first : kCallsInUse;
    const uint32_t last = std::min(end, kCallsInUse);
    if (last > intervals[i].first) intervals[i].weight = last - intervals[i].first;
    if (intervals[i].code.size() > 1) intervals[i].weight *= kUncached;
  }
  return intervals;
}

// A program written from its end to its start, since jumps only lead forwards. A place is a
// distance from the end.
class Layout {
 public:
  // `code`, which ends by returning; where it is there already and near enough, that one.
  size_t Block(const Code& code) {
    for (size_t place = code.size(); place <= reversed_.size(); ++place) {
      const auto end = reversed_.begin() + static_cast<ptrdiff_t>(place - code.size());
      const bool same = std::equal(code.rbegin(), code.rend(), end, IsSame);
      if (same && reversed_.size() - place < kReach) return place;
    }
    reversed_.insert(reversed_.end(), code.rbegin(), code.rend());
    return reversed_.size();
  }

  // To `right` when the accumulator is at least `number`, else to `left`.
  size_t Branch(uint32_t number, size_t right, size_t left) {
    // Each is one jump away, or, where a conditional one does not reach it, two.
    right = Near(right);
    left = Near(left);
    right = Near(right);
    reversed_.push_back(Jump(BPF_JGE, number, reversed_.size() - right, reversed_.size() - left));
    return reversed_.size();
  }

  Code Take() { return Code(reversed_.rbegin(), reversed_.rend()); }

 private:
  static constexpr size_t kReach = UINT8_MAX - 1;

  size_t Near(size_t place) {
    const size_t distance = reversed_.size() - place;
    if (distance <= UINT8_MAX - 1) return place;
    reversed_.push_back(Statement(BPF_JMP | BPF_JA, static_cast<uint32_t>(distance)));
    return reversed_.size();
  }

  Code reversed_;
};

// The optimal alphabetic tree over all intervals by dynamic programming: split(i, j) is the first
// interval of the right half of the best tree over i..j.
class SearchTree {
 public:
  explicit SearchTree(std::vector<Interval> intervals)
      : intervals_(std::move(intervals)),
        cost_(intervals_.size(), std::vector<size_t>(intervals_.size(), 0)),
        split_(cost_) {
    for (size_t length = 2; length <= intervals_.size(); ++length) {
      for (size_t i = 0; i + length <= intervals_.size(); ++i) Solve(i, i + length - 1);
    }
  }

  // Expects the call number in the accumulator.
  Code Emit() const {
    Layout layout;
    Emit(0, intervals_.size() - 1, layout);
    return layout.Take();
  }

 private:
  void Solve(size_t i, size_t j) {
    size_t weight = 0;
    for (size_t k = i; k <= j; ++k) weight += intervals_[k].weight;
    cost_[i][j] = SIZE_MAX;
    for (size_t k = i + 1; k <= j; ++k) {
      const size_t cost = cost_[i][k - 1] + cost_[k][j] + weight;
      if (cost < cost_[i][j]) {
        cost_[i][j] = cost;
        split_[i][j] = k;
      }
    }
  }

  // Yields where the subtree begins.
  size_t Emit(size_t i, size_t j, Layout& layout) const {
    if (i == j) return layout.Block(intervals_[i].code);
    const size_t k = split_[i][j];
    const size_t right = Emit(k, j, layout);
    const size_t left = Emit(i, k - 1, layout);
    return layout.Branch(intervals_[k].first, right, left);
  }

  std::vector<Interval> intervals_;
  std::vector<std::vector<size_t>> cost_;
  std::vector<std::vector<size_t>> split_;
};

// --- The program ---

bool IsOfStack(Kind kind) { return kind == Kind::kStack || kind == Kind::kStackReading; }

// The native convention and, for commands, the 32-bit one that the same kernel serves.
std::vector<uint32_t> ArchitecturesOf(std::string_view processor, Kind kind) {
  std::vector<uint32_t> architectures;
  if (processor == "x86_64" || processor == "AMD64") {
    architectures = {SCMP_ARCH_X86_64, SCMP_ARCH_X86};
  } else if (processor == "aarch64" || processor == "arm64") {
    architectures = {SCMP_ARCH_AARCH64, SCMP_ARCH_ARM};
  } else {
    Fail(std::string("no filter is written for the processor ").append(processor), ENOTSUP);
  }
  if (IsOfStack(kind)) architectures.resize(1);
  return architectures;
}

CallTable CallsOf(uint32_t arch, Kind kind) {
  return IsOfStack(kind) ? StackCalls(arch, kind) : CommandCalls(arch, kind);
}

Code Program(const std::vector<uint32_t>& architectures, Kind kind) {
  Code program = {Load(offsetof(seccomp_data, arch))};
  for (const uint32_t arch : architectures) {
    Code section = {Load(offsetof(seccomp_data, nr))};
    const Code tree = SearchTree(Intervals(CallsOf(arch, kind))).Emit();
    section.insert(section.end(), tree.begin(), tree.end());
    program.push_back(Jump(BPF_JEQ, arch, 1, 0));
    program.push_back(Statement(BPF_JMP | BPF_JA, static_cast<uint32_t>(section.size())));
    program.insert(program.end(), section.begin(), section.end());
  }
  program.push_back(Return(SECCOMP_RET_KILL_PROCESS));
  return program;
}

void Write(const Code& program, const char* path) {
  std::FILE* out = std::fopen(path, "we");
  if (out == nullptr) Fail(path, errno);
  std::fprintf(out, "// Made by generate_seccomp_filter.cc: %zu instructions.\n", program.size());
  for (const sock_filter& instruction : program) {
    std::fprintf(out, "{0x%02x, %u, %u, 0x%08xu},\n", unsigned{instruction.code},
                 unsigned{instruction.jt}, unsigned{instruction.jf}, unsigned{instruction.k});
  }
  if (std::fclose(out) != 0) Fail(path, errno);
}

std::optional<Kind> KindNamed(std::string_view name) {
  if (name == "closed") return Kind::kClosed;
  if (name == "nesting") return Kind::kNesting;
  if (name == "stack") return Kind::kStack;
  if (name == "stack-reading") return Kind::kStackReading;
  return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  const std::optional<Kind> kind = KindNamed(argc == 4 ? argv[2] : "");
  if (!kind) {
    std::fprintf(
        stderr,
        "usage: generate_seccomp_filter PROCESSOR closed|nesting|stack|stack-reading OUTPUT\n");
    return 2;
  }
  Write(Program(ArchitecturesOf(argv[1], *kind), *kind), argv[3]);
  return 0;
}
