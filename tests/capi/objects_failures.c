/* Scenarios of objects.c in which a call fails, and nothing is left of it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "objects.h"

static int try_spawn(mini_sandbox_t* sandbox, const struct mini_sandbox_command* command) {
  mini_sandbox_process_t* process = (mini_sandbox_process_t*)sandbox;
  const int code = mini_sandbox_spawn(sandbox, command, &process);
  expect(code != 0 ? process == NULL : process != NULL, "the process that is returned");
  mini_sandbox_process_free(process);
  return code;
}

static int try_true(mini_sandbox_t* sandbox) {
  const char* const argv[] = {"true", NULL};
  const struct mini_sandbox_command command = {sizeof command, argv, NULL, NULL, {-1, -1, -1}};
  return try_spawn(sandbox, &command);
}

/* The second attempt: the first leaves the program of the supervisor, in one descriptor. */
static void fail(const char* what, mini_sandbox_t* sandbox) {
  (void)try_true(sandbox);
  print_descriptors("before");
  printf("%s: %d\n", what, try_true(sandbox));
  fprintf(stderr, "%s\n", mini_sandbox_get_last_error_msg());
  print_descriptors("after");
  mini_sandbox_free(sandbox);
  printf("children: %s\n", children());
}

void fail_in_the_plan(const char* root) {
  mini_sandbox_t* sandbox = mini_sandbox_new();
  expect(mini_sandbox_object_setup_custom(sandbox, NULL, root) == 0, "custom mode");
  expect(mini_sandbox_object_mount_overlay(sandbox, "/etc/passwd") == 0, "overlay");
  fail("overlay on a file", sandbox);
}

/* The sandbox's first process runs out of descriptors while it mounts. */
void fail_in_the_child(const char* unused) {
  (void)unused;
  const struct rlimit few = {20, 20};
  expect(setrlimit(RLIMIT_NOFILE, &few) == 0, "setrlimit");
  fail("descriptors", new_default());
}

/* The limit holds for files in memory, too. Its signal is not the caller's. */
void fail_at_the_file(const char* unused) {
  (void)unused;
  const struct rlimit small = {100, 100};
  expect(setrlimit(RLIMIT_FSIZE, &small) == 0, "setrlimit");
  fail("file size", new_default());
}

/* Of a system call that this process has no need of, and the supervisor has. */
static void filter(long call, unsigned action) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
             syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0,
         "seccomp");
}

void fail_at_exec(const char* unused) {
  (void)unused;
  filter(SYS_execve, SECCOMP_RET_ERRNO | EACCES);
  fail("exec", new_default());
}

/* Takes every descriptor that is free, from when there is a child until *done. */
static void* take_descriptors(void* done) {
  siginfo_t info;
  int taken[64];
  size_t count = 0;
  while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
  }
  while (!__atomic_load_n((int*)done, __ATOMIC_ACQUIRE)) {
    const int descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (descriptor >= 0) taken[count++] = descriptor;
  }
  while (count > 0) close(taken[--count]);
  return NULL;
}

/* There is none for the supervisor's: a command that nobody could end or wait for must not run. */
void fail_without_room(const char* unused) {
  struct rlimit limit;
  char made[32];
  const char* const argv[] = {"touch", made, NULL};
  const struct mini_sandbox_command command = {sizeof command, argv, NULL, NULL, {-1, -1, -1}};
  mini_sandbox_t* sandbox = new_default();
  int code = try_true(sandbox);
  (void)unused;
  expect(code == 0, "the first spawn");
  expect(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
  limit.rlim_cur = 40; /* the sandbox raises it while it needs more */
  expect(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
  for (int attempt = 0; code == 0 && attempt < 100; ++attempt) {
    mini_sandbox_process_t* process = NULL;
    pthread_t thread;
    int done = 0;
    /* Its own: one that was ended as soon as it ran may have made the other. */
    snprintf(made, sizeof made, "made-%d", attempt);
    expect(pthread_create(&thread, NULL, take_descriptors, &done) == 0, "pthread_create");
    code = mini_sandbox_spawn(sandbox, &command, &process);
    __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    mini_sandbox_process_free(process);
  }
  printf("no room: %d\n", code);
  fprintf(stderr, "%s\n", mini_sandbox_get_last_error_msg());
  printf("children: %s\n", children());
  while (waitpid(-1, NULL, 0) > 0) {
  }
  printf("command: %s\n", access(made, F_OK) == 0 ? "ran" : "did not run");
  mini_sandbox_free(sandbox);
}

/* It is killed: as the first thing that it does, and when it has said that it is there. */
void fail_at_once(const char* unused) {
  (void)unused;
  filter(SYS_prctl, SECCOMP_RET_KILL_PROCESS);
  fail("at once", new_default());
  fflush(stdout);
  _exit(0); /* a sanitizer makes that call when a program ends */
}

void fail_soon(const char* unused) {
  (void)unused;
  filter(SYS_close_range, SECCOMP_RET_KILL_PROCESS);
  fail("soon", new_default());
}

/* A host that has no descriptor left, or one, or a few, at whatever step that is noticed; those of
 * the supervisor are its own. */
void fail_without_descriptors(const char* unused) {
  (void)unused;
  enum { kLimit = 100, kFree = 25 };
  struct rlimit limit;
  expect(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
  limit.rlim_cur = kLimit;
  expect(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
  mini_sandbox_t* sandbox = new_default();
  expect(try_true(sandbox) == 0, "spawn");
  while (fcntl(0, F_DUPFD_CLOEXEC, 0) >= 0) {
  }
  int codes[kFree];
  int other = 0;
  int changed = 0;
  for (int i = 0; i < kFree; ++i) {
    codes[i] = try_true(sandbox);
    other += codes[i] != 0 && codes[i] != MINI_SANDBOX_SYSTEM_ERROR;
    for (int fd = 0; fd < kLimit; ++fd) {
      changed += (fcntl(fd, F_GETFD) >= 0) != (fd < kLimit - i);
    }
    close(kLimit - 1 - i);
  }
  printf("none: %d\nmany: %d\nother codes: %d\nchanged descriptors: %d\nchildren: %s\n", codes[0],
         codes[kFree - 1], other, changed, children());
  mini_sandbox_free(sandbox);
}

void plain_spawn(const char* unused) {
  (void)unused;
  printf("spawn: %d\n", try_true(new_default()));
}

/* --- Every code of an argument --- */

static const char* const kTrue[] = {"true", NULL};

static struct mini_sandbox_command true_command(void) {
  const struct mini_sandbox_command command = {sizeof command, kTrue, NULL, NULL, {-1, -1, -1}};
  return command;
}

static void say(const char* what, int code) {
  const int told = code == 0 ? 0 : mini_sandbox_get_last_error_code();
  printf("%s: %d%s%s\n", what, code, told == code ? "" : ", told otherwise",
         code == 0 || *mini_sandbox_get_last_error_msg() != '\0' ? "" : ", without words");
}

void bad_arguments(const char* directory) {
  mini_sandbox_t* sandbox = new_default();
  mini_sandbox_process_t* process = NULL;
  struct mini_sandbox_command command = true_command();
  const char* const nothing[] = {NULL};
  const char* const no_name[] = {"", NULL};
  char path[4096];

  say("no object", try_spawn(NULL, &command));
  say("no command", try_spawn(sandbox, NULL));
  say("no place for the process", mini_sandbox_spawn(sandbox, &command, NULL));
  command.size = sizeof command - 1;
  say("size", try_spawn(sandbox, &command));
  command = true_command();
  command.argv = NULL;
  say("no argv", try_spawn(sandbox, &command));
  command.argv = nothing;
  say("empty argv", try_spawn(sandbox, &command));
  command.argv = no_name;
  say("empty name", try_spawn(sandbox, &command));
  command = true_command();
  command.stdio[1] = 77;
  say("closed descriptor", try_spawn(sandbox, &command));
  command.stdio[1] = -2;
  say("no descriptor", try_spawn(sandbox, &command));
  command.stdio[1] = open(directory, O_RDONLY | O_DIRECTORY);
  say("directory as a stream", try_spawn(sandbox, &command));
  command = true_command();
  command.working_directory = "relative";
  say("relative directory", try_spawn(sandbox, &command));
  snprintf(path, sizeof path, "%s/missing", directory);
  command.working_directory = path;
  say("missing directory", try_spawn(sandbox, &command));
  command.working_directory = "/etc/passwd";
  say("file as directory", try_spawn(sandbox, &command));

  say("wait for nothing", mini_sandbox_wait(NULL, 0, NULL));
  say("kill nothing", mini_sandbox_kill(NULL, SIGTERM));
  printf("of nothing: %d %d %d\n", (int)mini_sandbox_pid(NULL), mini_sandbox_pidfd(NULL),
         mini_sandbox_events_fd(NULL));
  mini_sandbox_process_free(NULL);
  mini_sandbox_free(NULL);

  process = spawn_script(sandbox, "exec sleep 100");
  say("stop", mini_sandbox_kill(process, SIGSTOP));
  say("no signal", mini_sandbox_kill(process, 1000));
  say("it still runs", mini_sandbox_wait(process, 0, NULL));
  mini_sandbox_process_free(process);
  mini_sandbox_free(sandbox);
}

/* Each function of the object: one failure of its own where it has one, else a success. */
void object_settings(const char* directory) {
  char file[4096];
  snprintf(file, sizeof file, "%s/output", directory);
  say("no object", mini_sandbox_object_setup_default(NULL));
  mini_sandbox_t* sandbox = mini_sandbox_new();
  say("hermetic", mini_sandbox_object_setup_hermetic(sandbox, directory));
  say("hermetic again", mini_sandbox_object_setup_hermetic(sandbox, directory));
  say("default", mini_sandbox_object_setup_default(sandbox));
  say("read-only", mini_sandbox_object_setup_readonly(sandbox));
  say("custom", mini_sandbox_object_setup_custom(sandbox, NULL, directory));
  say("overlay", mini_sandbox_object_mount_overlay(sandbox, "/usr"));
  say("bind", mini_sandbox_object_mount_bind(sandbox, "/etc/passwd"));
  say("write", mini_sandbox_object_mount_write(sandbox, "/etc/passwd"));
  say("tmpfs", mini_sandbox_object_mount_tmpfs(sandbox, "/etc/passwd"));
  say("output file", mini_sandbox_object_mount_empty_output_file(sandbox, file));
  say("working directory", mini_sandbox_object_set_working_dir(sandbox, "here"));
#ifdef WITH_LIBMINI_SANDBOX
  say("network", mini_sandbox_object_share_network(sandbox));
#endif
  say("log", mini_sandbox_object_enable_log(sandbox, ""));
  mini_sandbox_free(sandbox);
  sandbox = mini_sandbox_new();
  say("parents", mini_sandbox_object_mount_parents_write(sandbox));
  mini_sandbox_free(sandbox);
  say("of the process", mini_sandbox_setup_default());
}
