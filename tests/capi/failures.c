/* Scenarios of client.c in which a start fails, and the caller goes on as it was. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"

static void fail_and_go_on(const char* what) {
  const pid_t before = getpid();
  sigset_t mask;
  sigset_t mask_after;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &mask, NULL);
  pthread_sigmask(SIG_BLOCK, NULL, &mask);
  start_scribbling();
  print_descriptors("before");
  const int code = mini_sandbox_start();
  printf("%s: %d\n", what, code);
  fprintf(stderr, "%s\n", mini_sandbox_get_last_error_msg());
  print_descriptors("after");
  pthread_sigmask(SIG_BLOCK, NULL, &mask_after);
  const off_t size = scribbled();
  usleep(100 * 1000);
  printf("same process: %s\nsame signal mask: %s\nthreads go on: %s\nchildren: %s\nrunning: %d\n",
         getpid() == before ? "yes" : "no",
         sigismember(&mask_after, SIGUSR2) == 1 && sigismember(&mask_after, SIGTERM) == 0 ? "yes"
                                                                                          : "no",
         scribbled() > size ? "yes" : "no",
         waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD ? "none" : "left",
         mini_sandbox_is_running());
}

void fail_in_the_plan(const char* root) {
  if (mini_sandbox_setup_custom(NULL, root) != 0) exit(98);
  if (mini_sandbox_mount_overlay("/etc/passwd") != 0) exit(98);
  fail_and_go_on("overlay on a file");
}

/* The sandbox's first process runs out of descriptors while it mounts. */
void fail_in_the_child(const char* unused) {
  (void)unused;
  const struct rlimit few = {20, 20};
  if (mini_sandbox_setup_default() != 0 || setrlimit(RLIMIT_NOFILE, &few) != 0) exit(98);
  fail_and_go_on("descriptors");
}

/* The limit holds for the file in memory that the supervisor is executed from, too. */
void fail_at_the_file(const char* unused) {
  (void)unused;
  const struct rlimit small = {500 * 1000, 500 * 1000};
  if (mini_sandbox_setup_default() != 0 || setrlimit(RLIMIT_FSIZE, &small) != 0) exit(98);
  fail_and_go_on("file size");
}

/* All is set up, and the last step is refused: to become the supervisor. */
void fail_at_exec(const char* unused) {
  (void)unused;
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execveat, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  if (mini_sandbox_setup_default() != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
    exit(98);
  }
  fail_and_go_on("exec");
}

void fail_then_succeed(const char* unused) {
  (void)unused;
  struct rlimit before;
  getrlimit(RLIMIT_NOFILE, &before);
  const struct rlimit few = {20, before.rlim_max};
  const struct rlimit none = {4, before.rlim_max};
  if (mini_sandbox_setup_default() != 0 || setrlimit(RLIMIT_NOFILE, &none) != 0) exit(98);
  printf("first: %d\n", mini_sandbox_start());
  if (setrlimit(RLIMIT_NOFILE, &few) != 0) exit(98);
  const int second = mini_sandbox_start();
  printf("second: %d\n", second);
  if (second != 0) fprintf(stderr, "%s\n", mini_sandbox_get_last_error_msg());
  getrlimit(RLIMIT_NOFILE, &before);
  printf("limit: %d\n", (int)before.rlim_cur);
}

static int open_descriptors(void) {
  int count = 0;
  for (int fd = 0; fd < 100; ++fd) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

/* With one descriptor more each time, until there are enough: so it breaks off wherever one is
 * opened. */
void fail_at_every_descriptor(const char* unused) {
  (void)unused;
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || mini_sandbox_setup_default() != 0) exit(98);
  const int before = open_descriptors();
  int failures = 0;
  int other_codes = 0;
  int left_open = 0;
  int left_children = 0;
  for (limit.rlim_cur = (rlim_t)before; limit.rlim_cur < 64; ++limit.rlim_cur) {
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) exit(98);
    const int code = mini_sandbox_start();
    if (code == 0) break;
    ++failures;
    other_codes += code != MINI_SANDBOX_SYSTEM_ERROR;
    left_open += open_descriptors() != before;
    left_children += waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD;
  }
  printf("running: %d\nseveral failures: %s\nother codes: %d\nleft open: %d\nchildren left: %d\n",
         mini_sandbox_is_running(), failures > 4 ? "yes" : "no", other_codes, left_open,
         left_children);
}

void fail_under_valgrind(const char* unused) {
  (void)unused;
  if (mini_sandbox_setup_default() != 0) exit(98);
  fail_and_go_on("valgrind");
}

/* It has another name that nobody knows of. */
void fail_without_a_name(const char* program) {
  if (link(program, "another") != 0 || unlink(program) != 0) exit(97);
  if (mini_sandbox_setup_default() != 0) exit(98);
  fail_and_go_on("name");
}
