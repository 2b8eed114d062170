#include "sys/confinement.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "sys/landlock_version.h"
#include "sys/seccomp_filter.h"

namespace mini {
namespace {

using Body = std::function<std::string()>;

enum class Landlock { kAsItIs, kMissing };

// As on a kernel without it.
void RefuseLandlock() {
  const sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {std::size(code), const_cast<sock_filter*>(code)};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

std::string ReadAll(int fd) {
  std::string text;
  char buffer[4096];
  ssize_t count;
  while ((count = read(fd, buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<size_t>(count));
  }
  return text;
}

std::string EndOf(pid_t pid, const std::string& told) {
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) return "waitpid failed";
  if (WIFSIGNALED(status)) return StrCat("killed by signal ", WTERMSIG(status));
  if (WEXITSTATUS(status) != kForbiddenCallExit) return told;
  ForbiddenCall call;
  if (told.size() != sizeof call) return "ended without telling the call";
  std::memcpy(&call, told.data(), sizeof call);
  return StrCat("forbidden ", call.number);
}

// What `body` says in a process that has confined itself, "forbidden N" when that ended it by
// calling N, or how else it ended. `body` must not use GoogleTest's macros.
std::string Confined(const Body& body, std::vector<std::string> readable_files = {},
                     Landlock landlock = Landlock::kAsItIs) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return "pipe failed";
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t pid = fork();
  if (pid == 0) {
    if (landlock == Landlock::kMissing) RefuseLandlock();
    const auto confinement = ConfineThisProcess(
        {.readable_files = std::move(readable_files), .report_descriptor = writer.get()});
    const std::string text = confinement.ok() ? body() : confinement.status().ToString();
    _exit(write(writer.get(), text.data(), text.size()) < 0 ? 1 : 0);
  }
  writer.reset();
  return EndOf(pid, ReadAll(reader.get()));
}

std::string Forbidden(long number) { return StrCat("forbidden ", number); }

std::string ResultOf(long result) { return result < 0 ? ErrnoName(errno) : "done"; }

TEST(Confinement, EndsTheProcessAtTheFirstForbiddenCallAndTellsWhich) {
  const auto calls = std::vector<std::pair<long, std::function<long()>>>{
      {SYS_openat, [] { return syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY); }},
      {SYS_execve, [] { return syscall(SYS_execve, "/bin/true", nullptr, nullptr); }},
      {SYS_clone, [] { return syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr); }},
      {SYS_ptrace, [] { return syscall(SYS_ptrace, PTRACE_TRACEME, 0, nullptr, nullptr); }},
      {SYS_kill, [] { return syscall(SYS_kill, getppid(), SIGTERM); }},
      {SYS_socket, [] { return syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0); }},
      {SYS_socket, [] { return syscall(SYS_socket, AF_INET, SOCK_RAW, IPPROTO_ICMP); }},
      {SYS_socket, [] { return syscall(SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE); }},
      {SYS_socket, [] { return syscall(SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_SCTP); }},
      {SYS_bind, [] { return syscall(SYS_bind, 0, nullptr, 0); }},
      {SYS_listen, [] { return syscall(SYS_listen, 0, 1); }},
      {SYS_ioctl, [] { return syscall(SYS_ioctl, 2, 0x5412 /* TIOCSTI */, "x"); }},
      {SYS_fcntl, [] { return syscall(SYS_fcntl, 2, F_DUPFD, 0); }},
      {SYS_unshare, [] { return syscall(SYS_unshare, 0); }},
      {SYS_memfd_create, [] { return syscall(SYS_memfd_create, "x", 0); }},
      {SYS_mmap,
       [] {
         return syscall(SYS_mmap, nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                        -1, 0);
       }},
      {SYS_rt_sigaction, [] { return syscall(SYS_rt_sigaction, SIGSYS, nullptr, nullptr, 8); }},
  };
  for (const auto& [number, call] : calls) {
    EXPECT_EQ(Confined([&call = call] { return ResultOf(call()); }), Forbidden(number)) << number;
  }
}

TEST(Confinement, WhoBlocksTheTrapIsKilled) {
  EXPECT_EQ(Confined([] {
              sigset_t all;
              sigfillset(&all);
              pthread_sigmask(SIG_SETMASK, &all, nullptr);
              return ResultOf(syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY));
            }),
            StrCat("killed by signal ", SIGSYS));
}

TEST(Confinement, LeavesWhatFlowsNeed) {
  const std::string found = Confined([] {
    std::string results;
    for (const int family : {AF_INET, AF_INET6}) {
      for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
        const UniqueFd socket(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        int error = 0;
        socklen_t size = sizeof error;
        results += ResultOf(socket.get());
        results += ResultOf(getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size));
        results += ResultOf(fcntl(socket.get(), F_SETFL, O_NONBLOCK));
      }
    }
    return results;
  });
  std::string expected;
  for (int i = 0; i < 12; ++i) expected += "done";
  EXPECT_EQ(found, expected);
}

TEST(Confinement, AnOptionThatNoFlowNeedsIsUnknown) {
  EXPECT_EQ(Confined([] {
              const UniqueFd socket(::socket(AF_INET, SOCK_STREAM, 0));
              const int on = 1;
              return ResultOf(setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on));
            }),
            "ENOPROTOOPT");
}

TEST(Confinement, TakesCapabilitiesPrivilegesAndLimits) {
  // Asked about from outside: it may ask nothing itself.
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  const pid_t pid = fork();
  if (pid == 0) {
    const auto confinement = ConfineThisProcess({});
    (void)!write(theirs.get(), confinement.ok() ? "y" : "n", 1);
    char byte;
    (void)!read(theirs.get(), &byte, 1);
    _exit(0);
  }
  theirs.reset();
  char confined = 0;
  ASSERT_EQ(read(ours.get(), &confined, 1), 1);
  EXPECT_EQ(confined, 'y');
  const UniqueFd file(open(StrCat("/proc/", pid, "/status").c_str(), O_RDONLY | O_CLOEXEC));
  const std::string status = ReadAll(file.get());
  for (const char* line : {"\nCapInh:\t0000000000000000\n", "\nCapPrm:\t0000000000000000\n",
                           "\nCapEff:\t0000000000000000\n", "\nCapAmb:\t0000000000000000\n",
                           "\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n"}) {
    EXPECT_NE(status.find(line), std::string::npos) << line << status;
  }
  EXPECT_EQ(write(ours.get(), "x", 1), 1);
  EXPECT_EQ(waitpid(pid, nullptr, 0), pid);
}

// --- Files ---

std::string Open(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return file.valid() ? ReadAll(file.get()) : ErrnoName(errno);
}

class ReadableFiles : public testing::Test {
 protected:
  ReadableFiles() {
    char pattern[] = "/tmp/confinement-XXXXXX";
    directory_ = mkdtemp(pattern);
    mkdir(Path("config").c_str(), 0755);
    mkdir(Path("target").c_str(), 0755);
    mkdir(Path("other").c_str(), 0755);
    for (const char* name : {"config/plain", "target/real", "other/secret"}) Write(name, "first");
    (void)!symlink(Path("target/real").c_str(), Path("config/link").c_str());
  }
  ~ReadableFiles() override {
    for (const char* name : {"config/plain", "config/link", "target/real", "other/secret"}) {
      unlink(Path(name).c_str());
    }
    for (const char* name : {"config", "target", "other", ""}) rmdir(Path(name).c_str());
  }

  std::string Path(const char* name) const { return StrCat(directory_, "/", name); }
  void Write(const char* name, const char* text) const {
    const UniqueFd file(open(Path(name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    (void)!write(file.get(), text, std::strlen(text));
  }
  std::vector<std::string> Named() const { return {Path("config/plain"), Path("config/link")}; }

  std::string directory_;
};

TEST_F(ReadableFiles, ShowThemselvesAndWhatTheirLinksLeadToAndNothingElse) {
  if (ReadLandlockVersion() == 0) GTEST_SKIP() << "no landlock";
  EXPECT_EQ(Confined([this] { return Open(Path("config/plain")); }, Named()), "first");
  EXPECT_EQ(Confined([this] { return Open(Path("config/link")); }, Named()), "first");
  EXPECT_EQ(Confined([this] { return Open(Path("other/secret")); }, Named()), "EACCES");
  EXPECT_EQ(Confined([] { return Open("/proc/self/environ"); }, Named()), "EACCES");
}

TEST_F(ReadableFiles, AreWhatTakesTheirPlaceLater) {
  if (ReadLandlockVersion() == 0) GTEST_SKIP() << "no landlock";
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const pid_t writer = fork();
  if (writer == 0) {  // waits for the byte, so that the file changes after the confinement
    char byte;
    (void)!read(ends[0], &byte, 1);
    Write("target/new", "second");
    (void)rename(Path("target/new").c_str(), Path("target/real").c_str());
    (void)!write(ends[0], "x", 1);
    _exit(0);
  }
  EXPECT_EQ(Confined(
                [&] {
                  char byte;
                  (void)!write(ends[1], "x", 1);
                  (void)!read(ends[1], &byte, 1);
                  return Open(Path("config/link"));
                },
                Named()),
            "second");
  close(ends[0]);
  close(ends[1]);
  EXPECT_EQ(waitpid(writer, nullptr, 0), writer);
}

TEST_F(ReadableFiles, CanNeverBeWritten) {
  const std::string path = Path("config/plain");
  for (const int flags : {O_WRONLY, O_RDWR, O_RDONLY | O_CREAT, O_RDONLY | O_TRUNC, O_PATH}) {
    EXPECT_EQ(Confined([&] { return ResultOf(open(path.c_str(), flags, 0600)); }, Named()),
              Forbidden(SYS_openat))
        << flags;
  }
}

TEST_F(ReadableFiles, AreNotThereWithoutLandlock) {
  const std::string found =
      Confined([this] { return Open(Path("config/plain")); }, Named(), Landlock::kMissing);
  if (found.find("refuses namespaces") != std::string::npos) GTEST_SKIP() << found;
  EXPECT_EQ(found, "ENOENT");
}

TEST(Confinement, WithoutLandlockFlowsStillHaveTheHostsNetwork) {
  // The device of the loopback, whose address only this network namespace answers for.
  const UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  ASSERT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string found = Confined(
      [&] {
        const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        return ResultOf(connect(socket.get(), reinterpret_cast<sockaddr*>(&address), size));
      },
      {}, Landlock::kMissing);
  if (found.find("refuses namespaces") != std::string::npos) GTEST_SKIP() << found;
  EXPECT_EQ(found, "done");
}

}  // namespace
}  // namespace mini
