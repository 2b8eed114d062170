/* Scenarios of objects.c: what kinds of programs spawn, and when. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "objects.h"

/* --- Threads --- */

enum { kThreads = 10, kRounds = 2 };

struct work {
  mini_sandbox_t* sandbox;
  int code;
  int wrong;
};

static void* spawn_and_wait(void* argument) {
  struct work* work = argument;
  char script[32];
  snprintf(script, sizeof script, "exit %d", work->code);
  for (int i = 0; i < kRounds; ++i) {
    mini_sandbox_process_t* process = spawn_script(work->sandbox, script);
    int status = -1;
    if (mini_sandbox_wait(process, -1, &status) != 0 || !WIFEXITED(status) ||
        WEXITSTATUS(status) != work->code) {
      ++work->wrong;
    }
    mini_sandbox_process_free(process);
  }
  return NULL;
}

/* Settings of the object change meanwhile, and every thread has an error of its own. */
static void* change_settings(void* sandbox) {
  for (int i = 0; i < 100; ++i) {
    expect(mini_sandbox_object_mount_tmpfs(sandbox, "/opt") == 0, "tmpfs");
    expect(mini_sandbox_object_mount_bind(sandbox, "relative") == MINI_SANDBOX_NOT_ABSOLUTE,
           "relative path");
  }
  return NULL;
}

/* As a host that has a pool of such processes: copies that hold what it has open at that moment. */
static void* fork_meanwhile(void* unused) {
  for (int i = 0; i < 20; ++i) {
    const pid_t copy = fork();
    if (copy == 0) {
      usleep(50 * 1000);
      _exit(0);
    }
    expect(copy > 0 && waitpid(copy, NULL, 0) == copy, "fork");
  }
  return unused;
}

void ten_threads(const char* unused) {
  (void)unused;
  mini_sandbox_t* sandbox = new_default();
  mini_sandbox_process_t* first = spawn_script(sandbox, "exit 0");
  mini_sandbox_process_free(first);
  print_descriptors("before");
  pthread_t threads[kThreads + 2];
  struct work work[kThreads];
  int wrong = 0;
  for (int i = 0; i < kThreads; ++i) {
    work[i] = (struct work){sandbox, 20 + i, 0};
    expect(pthread_create(&threads[i], NULL, spawn_and_wait, &work[i]) == 0, "thread");
  }
  expect(pthread_create(&threads[kThreads], NULL, change_settings, sandbox) == 0 &&
             pthread_create(&threads[kThreads + 1], NULL, fork_meanwhile, NULL) == 0,
         "thread");
  for (int i = 0; i < kThreads + 2; ++i) pthread_join(threads[i], NULL);
  for (int i = 0; i < kThreads; ++i) wrong += work[i].wrong;
  mini_sandbox_free(sandbox);
  print_descriptors("after");
  printf("wrong: %d\nlast error here: %d\nchildren: %s\n", wrong,
         mini_sandbox_get_last_error_code(), children());
}

static int prepared;
static void count_prepare(void) { ++prepared; }

void atfork_handlers(const char* unused) {
  (void)unused;
  pthread_atfork(count_prepare, NULL, NULL);
  mini_sandbox_t* sandbox = new_default();
  mini_sandbox_process_t* process = spawn_script(sandbox, "exit 0");
  print_end("command", process);
  mini_sandbox_process_free(process);
  mini_sandbox_free(sandbox);
  printf("fork handlers: %d\n", prepared);
}

/* --- Signals of the caller's --- */

static void handle(int number) { (void)number; }

void blocked_signals(const char* unused) {
  (void)unused;
  sigset_t all;
  sigset_t after;
  signal(SIGINT, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_IGN);
  signal(SIGUSR1, handle);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, NULL);
  mini_sandbox_t* sandbox = new_default();
  mini_sandbox_process_t* process =
      spawn_script(sandbox, "grep -E '^Sig(Blk|Ign)' /proc/self/status | tr '\\t' ' '");
  print_end("command", process);
  mini_sandbox_process_free(process);
  pthread_sigmask(SIG_BLOCK, NULL, &after);
  printf("still blocked: %d\n", sigismember(&after, SIGTERM));
  process = spawn_script(sandbox, "kill -TERM $$; sleep 100");
  print_end("end", process);
  mini_sandbox_process_free(process);
  mini_sandbox_free(sandbox);
}

static void end_in_every_way(void) {
  mini_sandbox_t* sandbox = new_default();
  mini_sandbox_process_t* process = spawn_script(sandbox, "exit 42");
  print_end("exit", process);
  mini_sandbox_process_free(process);
  process = spawn_script(sandbox, "kill -SEGV $$");
  print_end("signal", process);
  mini_sandbox_process_free(process);
  process = spawn_script(sandbox, "exec sleep 100");
  expect(mini_sandbox_kill(process, SIGKILL) == 0, "kill");
  print_end("killed", process);
  mini_sandbox_process_free(process);
  const char* const argv[] = {"no-such-command", NULL};
  const struct mini_sandbox_command command = {sizeof command, argv, NULL, NULL, {-1, -1, -1}};
  process = NULL;
  expect(mini_sandbox_spawn(sandbox, &command, &process) == 0, "spawn");
  print_end("missing", process);
  mini_sandbox_process_free(process);
  mini_sandbox_free(sandbox);
}

void ignored_children(const char* unused) {
  (void)unused;
  signal(SIGCHLD, SIG_IGN);
  end_in_every_way();
}

static volatile sig_atomic_t reaped;

static void reap_all(int unused) {
  (void)unused;
  const int error = errno;
  while (waitpid(-1, NULL, WNOHANG) > 0) ++reaped;
  errno = error;
}

void reaped_children(const char* unused) {
  (void)unused;
  signal(SIGCHLD, reap_all);
  end_in_every_way();
  printf("reaped: %s\n", reaped > 0 ? "by the caller" : "no");
}

/* --- Descriptors of the caller's --- */

static int open_streams(void) {
  int count = 0;
  for (int fd = 0; fd <= 2; ++fd) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

/* What the library opens takes none of their places. */
void closed_streams(const char* unused) {
  (void)unused;
  int go[2];
  expect(pipe(go) == 0, "pipe");
  for (int fd = 0; fd <= 2; ++fd) close(fd);
  mini_sandbox_t* sandbox = mini_sandbox_new();
  if (mini_sandbox_object_setup_default(sandbox) != 0) _exit(98);
  const char* const argv[] = {"sh", "-c", "cat; echo out; echo error >&2; exit 7", NULL};
  struct mini_sandbox_command command = {sizeof command, argv, NULL, NULL, {-1, -1, 1}};
  mini_sandbox_process_t* process = NULL;
  int status = -1;
  const int refused = mini_sandbox_spawn(sandbox, &command, &process);
  command.stdio[0] = go[0];
  command.stdio[2] = -1;
  const int code = mini_sandbox_spawn(sandbox, &command, &process);
  if (code != 0) _exit(97);
  const int meanwhile = open_streams();
  close(go[1]);
  close(go[0]);
  const int ended = mini_sandbox_wait(process, -1, &status);
  mini_sandbox_process_free(process);
  mini_sandbox_free(sandbox);
  FILE* result = fopen("result", "w"); /* descriptor 0 now */
  if (result == NULL) _exit(96);
  fprintf(result, "refused %d, wait %d, exit %d, open streams %d and %d\n", refused, ended,
          WEXITSTATUS(status), meanwhile, open_streams());
  fclose(result);
}

/* As a program does that makes itself a daemon: it closes what it does not know, and opens files of
 * its own at the same numbers. */
void closed_program(const char* unused) {
  (void)unused;
  mini_sandbox_t* sandbox = new_default();
  for (int i = 0; i < 2; ++i) {
    mini_sandbox_process_t* process = spawn_script(sandbox, "exit 7");
    print_end("command", process);
    mini_sandbox_process_free(process);
    for (int fd = 3; fd < 20; ++fd) close(fd);
    for (int fd = 3; fd < 20; ++fd) expect(open("/bin/false", O_RDONLY) == fd, "open");
  }
  mini_sandbox_process_t* process = spawn_script(sandbox, "exit 7");
  print_end("command", process);
  mini_sandbox_process_free(process);
  for (int fd = 3; fd < 20; ++fd) expect(fcntl(fd, F_GETFD) == 0, "a descriptor of its own");
  mini_sandbox_free(sandbox);
}

/* --- Processes --- */

/* The copy asks and gives back its own part; the command is the other one's. */
void forks(const char* unused) {
  (void)unused;
  int go[2];
  expect(pipe(go) == 0, "pipe");
  mini_sandbox_t* sandbox = new_default();
  mini_sandbox_process_t* ended = spawn_script(sandbox, "exit 5");
  mini_sandbox_process_t* process = spawn_with(sandbox, "read line; exit 6", go[0], 1, 2);
  fflush(stdout);
  const pid_t copy = fork();
  if (copy == 0) {
    print_end("in the fork", ended);
    printf("running in the fork: %d\n", mini_sandbox_wait(process, 0, NULL));
    mini_sandbox_process_free(process);
    mini_sandbox_process_free(ended);
    mini_sandbox_process_t* own = spawn_script(sandbox, "exit 4");
    print_end("the fork's own", own);
    mini_sandbox_process_free(own);
    mini_sandbox_free(sandbox);
    fflush(stdout);
    _exit(0);
  }
  expect(waitpid(copy, NULL, 0) == copy, "waitpid");
  printf("after the fork: %d\n", mini_sandbox_wait(process, 0, NULL));
  expect(write(go[1], "\n", 1) == 1, "write");
  print_end("end", process);
  print_end("ended", ended);
  mini_sandbox_process_free(process);
  mini_sandbox_process_free(ended);
  mini_sandbox_free(sandbox);
}

/* The command goes on, until the test closes its standard input. */
void end_before_it(const char* unused) {
  (void)unused;
  mini_sandbox_t* sandbox = new_default();
  mini_sandbox_process_t* process = spawn_script(sandbox, "cat; echo the end");
  printf("process: %d\n", (int)mini_sandbox_pid(process));
  fflush(stdout);
  _exit(0);
}

/* --- mini_sandbox_start() in the same program --- */

void start_before(const char* unused) {
  (void)unused;
  mini_sandbox_t* sandbox = new_default();
  expect(mini_sandbox_setup_default() == 0 && mini_sandbox_start() == 0, "start");
  const char* const argv[] = {"true", NULL};
  const struct mini_sandbox_command command = {sizeof command, argv, NULL, NULL, {-1, -1, -1}};
  mini_sandbox_process_t* process = NULL;
  printf("setting of the process: %d\n", mini_sandbox_mount_write("/srv"));
  printf("setting of the object: %d\n", mini_sandbox_object_mount_tmpfs(sandbox, "/srv"));
  printf("spawn: %d\n", mini_sandbox_spawn(sandbox, &command, &process));
  printf("process: %s\n", process ? "there" : "NULL");
  mini_sandbox_free(sandbox);
}

/* The command stays outside, where its supervisor is a child of this program's own. */
void start_afterwards(const char* unused) {
  (void)unused;
  int go[2];
  expect(pipe(go) == 0, "pipe");
  mini_sandbox_t* sandbox = new_default();
  mini_sandbox_process_t* process = spawn_with(sandbox, "read line; exit 6", go[0], 1, 2);
  expect(mini_sandbox_setup_default() == 0 && mini_sandbox_start() == 0, "start");
  printf("inside: %d\n", mini_sandbox_is_running());
  printf("command: %d\n", mini_sandbox_wait(process, 0, NULL));
  printf("kill: %d\n", mini_sandbox_kill(process, SIGKILL) < 0);
  expect(write(go[1], "\n", 1) == 1, "write");
  print_end("end", process);
  exit(8);
}
