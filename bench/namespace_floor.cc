// The least that any sandbox of this kind has to do: one clone(2) with every namespace, the id
// maps, execve(2), wait. No file system, no network, no seccomp. What a sandbox costs above this is
// its own; bench/compare prints start-up as multiples of it.
//
//   namespace_floor COMMAND ARG...
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

constexpr int kSetupFailed = 125;

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  _exit(kSetupFailed);
}

void WriteFile(const char* path, std::string_view text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) Die(path);
  close(fd);
}

// user_namespaces(7): an unprivileged process may map its own id alone, and gid_map only after
// setgroups is denied.
void MapOwnIds(uid_t uid, gid_t gid) {
  char line[64];
  WriteFile("/proc/self/setgroups", "deny");
  int length = std::snprintf(line, sizeof line, "%u %u 1\n", uid, uid);
  WriteFile("/proc/self/uid_map", {line, static_cast<size_t>(length)});
  length = std::snprintf(line, sizeof line, "%u %u 1\n", gid, gid);
  WriteFile("/proc/self/gid_map", {line, static_cast<size_t>(length)});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: namespace_floor COMMAND ARG...\n", stderr);
    return 2;
  }
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  constexpr unsigned long kFlags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
                                   CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWNET | SIGCHLD;
  const long pid = syscall(SYS_clone, kFlags, nullptr, nullptr, nullptr, 0UL);
  if (pid < 0) Die("clone");
  if (pid == 0) {
    MapOwnIds(uid, gid);
    execvp(argv[1], argv + 1);
    Die(argv[1]);
  }
  int status = 0;
  if (waitpid(static_cast<pid_t>(pid), &status, 0) < 0) Die("waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
