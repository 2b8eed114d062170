// Theory of operation. The stack's filter is the other way round than a command's, since its calls
// are known: what is not listed traps (SECCOMP_RET_TRAP). The call is not made; the process tells
// its number and ends (confinement.h), or is killed, where it has made itself deaf to the signal.
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "sys/seccomp_generator/call_table.h"

namespace mini::seccomp {
namespace {

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

}  // namespace

CallTable StackCalls(uint32_t arch, Kind kind) {
  CallTable table(arch, Trap());
  // What the loop does all the time.
  table.AllowAll({"epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "poll", "ppoll",
                  "timerfd_settime"});
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

}  // namespace mini::seccomp
