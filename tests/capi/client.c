/* A program that enters a sandbox, as tests/integration/test_capi.py starts it: client SCENARIO
 * [ARGUMENT]. Each scenario says on standard output what it saw. In C99, as a user of the library
 * would write it. */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void start_or_exit(void) {
  if (mini_sandbox_start() == 0) return;
  printf("start: %d, %s\n", mini_sandbox_get_last_error_code(), mini_sandbox_get_last_error_msg());
  exit(99);
}

void enter_default(void) {
  if (mini_sandbox_setup_default() != 0) exit(98);
  start_or_exit();
}

/* --- Threads: four that write to a file of the host's as long as they exist --- */

static int scribble_fd = -1;

static void* scribble(void* unused) {
  (void)unused;
  for (;;) {
    if (write(scribble_fd, "x", 1) != 1) return NULL;
    usleep(50);
  }
}

off_t scribbled(void) { return lseek(scribble_fd, 0, SEEK_END); }

void start_scribbling(void) {
  scribble_fd = open("scribbled", O_RDWR | O_CREAT | O_APPEND, 0600);
  for (int i = 0; i < 4; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, scribble, NULL) != 0) exit(97);
  }
  while (scribbled() < 100) usleep(100);
}

static void threads(const char* unused) {
  (void)unused;
  start_scribbling();
  enter_default();
  const off_t at_start = scribbled();
  usleep(200 * 1000);
  printf("written before: %s\nwritten after: %ld\n", at_start >= 100 ? "yes" : "no",
         (long)(scribbled() - at_start));
  start_scribbling(); /* threads of its own it may have */
  printf("threads inside: work\n");
}

/* --- Locks: of the allocator and of stdio, held by other threads most of the time --- */

static void* hold_locks(void* stream) {
  for (;;) {
    void* block = malloc(100 * 1000);
    memset(block, 1, 1000);
    fprintf(stream, "%p\n", block);
    free(block);
  }
  return NULL;
}

static volatile int prepared;
static volatile int continued;
static void count_prepare(void) { ++prepared; }
static void count_child(void) { ++continued; }

static void locks(const char* unused) {
  (void)unused;
  FILE* stream = fopen("/dev/null", "w");
  pthread_atfork(count_prepare, NULL, count_child);
  for (int i = 0; i < 4; ++i) {
    pthread_t thread;
    if (stream == NULL || pthread_create(&thread, NULL, hold_locks, stream) != 0) exit(97);
  }
  usleep(1000);
  enter_default();
  for (int i = 0; i < 1000; ++i) {
    void* block = malloc(1000 * 100);
    fprintf(stream, "%p\n", block);
    free(block);
  }
  fclose(stream);
  printf("locks: free\nfork handlers: %d %d\n", prepared, continued);
}

static void* start_in_thread(void* unused) {
  (void)unused;
  enter_default();
  printf("inside: %d\n", mini_sandbox_is_running());
  exit(7);
}

static void from_a_thread(const char* unused) {
  (void)unused;
  pthread_t thread;
  if (pthread_create(&thread, NULL, start_in_thread, NULL) == 0) pthread_join(thread, NULL);
}

/* --- What exit() does --- */

static void say_goodbye(void) { printf("handler\n"); }

static void handlers(const char* unused) {
  (void)unused;
  atexit(say_goodbye);
  printf("buffered before\n"); /* standard output is a pipe: this is written at exit */
  enter_default();
  printf("inside\n");
}

static void exit_with(const char* code) {
  enter_default();
  exit(atoi(code));
}

static void die_by(const char* number) {
  enter_default();
  signal(atoi(number), SIG_DFL);
  raise(atoi(number));
}

static void ignore_children(const char* code) {
  signal(SIGCHLD, SIG_IGN);
  enter_default();
  exit(atoi(code));
}

static void reap_in_handler(int unused) {
  (void)unused;
  const int error = errno;
  while (waitpid(-1, NULL, WNOHANG) > 0) {
  }
  errno = error;
}

static void reap_children(const char* code) {
  signal(SIGCHLD, reap_in_handler);
  enter_default();
  exit(atoi(code));
}

/* --- What the process inside is --- */

static void twice(const char* unused) {
  (void)unused;
  printf("running before: %d\n", mini_sandbox_is_running());
  enter_default();
  printf("second start: %d\nsetting: %d\nrunning: %d\n", mini_sandbox_start(),
         mini_sandbox_mount_write("/srv"), mini_sandbox_is_running());
  printf("last error: %d\n", mini_sandbox_get_last_error_code());
}

static void descriptors(const char* unused) {
  (void)unused;
  if (open("/dev/null", O_RDONLY) < 0 || open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) exit(97);
  if (fcntl(0, F_DUPFD, 100) < 0) exit(97);
  print_descriptors("before");
  enter_default();
  print_descriptors("after");
}

static void closed_streams(const char* unused) {
  (void)unused;
  for (int fd = 0; fd <= 2; ++fd) close(fd);
  const int code = mini_sandbox_setup_default() + mini_sandbox_start();
  int open_streams = 0;
  for (int fd = 0; fd <= 2; ++fd) open_streams += fcntl(fd, F_GETFD) >= 0;
  FILE* result = fopen("result", "w");
  if (result == NULL) _exit(96);
  fprintf(result, "start: %d, open streams: %d\n", code, open_streams);
  fclose(result);
}

/* The descriptor of ARGUMENT is the last one of a pipe when the supervisor holds none. */
static void close_pipe(const char* number) {
  enter_default();
  close(atoi(number));
  pause();
}

static void attributes(const char* unused) {
  (void)unused;
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  pthread_sigmask(SIG_SETMASK, &mask, NULL);
  umask(027);
  setenv("AWS_SECRET_ACCESS_KEY", "kept", 1);
  enter_default();
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  const mode_t file_mode_mask = umask(0);
  printf("blocked: %s\numask: %03o\nenvironment: %s\ndumpable: %d\nno new privileges: %d\n",
         sigismember(&mask, SIGUSR1) == 1 && sigismember(&mask, SIGTERM) == 0 ? "SIGUSR1" : "other",
         (unsigned)file_mode_mask, getenv("AWS_SECRET_ACCESS_KEY"),
         prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static volatile sig_atomic_t received;

static void receive(int number) { received = number; }

static void signals(const char* number) {
  signal(SIGUSR1, receive);
  signal(SIGRTMIN + 1, receive);
  signal(SIGSEGV, receive);
  signal(SIGHUP, receive);
  (void)number;
  enter_default();
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &all, NULL);
  for (;;) {
    printf("ready\n");
    fflush(stdout);
    sigsuspend(&none);
    printf("received %d\n", (int)received);
    if (received == SIGHUP) return;
  }
}

static void leave_a_child(const char* unused) {
  (void)unused;
  enter_default();
  if (fork() == 0) {
    setsid();
    pause();
  }
}

static void wait_for_end(const char* unused) {
  (void)unused;
  enter_default();
  printf("ready\n");
  fflush(stdout);
  pause();
}

/* As of a set-user-ID program that ARGUMENT has started: exec forgets more then. */
static void wait_as_started_by(const char* user) {
  if (setresuid(atoi(user), -1, -1) != 0) exit(97);
  wait_for_end(user);
}

static void* sleep_for_ever(void* unused) {
  for (;;) pause();
  return unused;
}

static void start_a_thread(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, sleep_for_ever, NULL) != 0) _exit(97);
}

/* What the sandbox is about does not matter here: the directory has to be there. A library's thread
 * starts in every fork. */
static void wait_with_overlays(const char* overlay_dir) {
  char here[4096];
  if (pthread_atfork(NULL, NULL, start_a_thread) != 0 || getcwd(here, sizeof here) == NULL ||
      mini_sandbox_setup_custom(overlay_dir, here) != 0 ||
      mini_sandbox_mount_overlay("/usr") != 0) {
    exit(98);
  }
  start_or_exit();
  printf("ready\n");
  fflush(stdout);
  pause();
}

static void print_init(const char* unused) {
  (void)unused;
  enter_default();
  char arguments[256] = "";
  FILE* file = fopen("/proc/1/cmdline", "r");
  if (file == NULL || fread(arguments, 1, sizeof arguments - 1, file) == 0) exit(97);
  printf("init: %s\nits memory: %s\nits program: %s\n", arguments,
         open("/proc/1/mem", O_RDONLY) < 0 ? strerror(errno) : "readable",
         readlink("/proc/1/exe", arguments, sizeof arguments) < 0 ? strerror(errno) : "readable");
}

/* --- Confinement --- */

static void attempt(const char* what, const char* path, int flags) {
  const int fd = open(path, flags, 0600);
  printf("%s: %s\n", what, fd >= 0 ? "allowed" : strerror(errno));
}

static void confined(const char* secret) {
  enter_default();
  attempt("secret", secret, O_RDONLY);
  attempt("beside", "../beside", O_WRONLY | O_CREAT);
  attempt("here", "here", O_WRONLY | O_CREAT);
  attempt("system", "/usr/bin/planted", O_WRONLY | O_CREAT);
  printf("unshare: %s\n", syscall(SYS_unshare, 0x10000000) == 0 ? "allowed" : strerror(errno));
  printf("process: %s\n", kill(getppid(), 0) == 0 && getppid() == 1 ? "under init" : "elsewhere");
}

static void custom(const char* overlay_dir) {
  char here[4096];
  if (getcwd(here, sizeof here) == NULL) exit(97);
  if (mini_sandbox_setup_custom(*overlay_dir ? overlay_dir : NULL, here) != 0 ||
      mini_sandbox_mount_overlay("/usr") != 0) {
    printf("%s\n", mini_sandbox_get_last_error_msg());
    exit(98);
  }
  start_or_exit();
  attempt("overlay", "/usr/planted", O_WRONLY | O_CREAT);
  attempt("elsewhere", "/etc/passwd", O_RDONLY);
}

/* Not on the stack, so that it lies in what is mapped from the program's file. */
static int changed_variable = 1;
static const char* constant_text = "as it was"; /* relocated in a program of any address */

static const char* outcome_of(int result) { return result == 0 ? "allowed" : strerror(errno); }

/* Nothing has been executed inside, so this is the very file that the caller runs. */
static void change_its_program(const char* mode) {
  changed_variable = 2;
  if (strcmp(mode, "read-only") == 0) {
    start_or_exit();
  } else {
    enter_default();
  }
  char name[4096] = "";
  const int fd = open("/proc/self/exe", O_RDONLY);
  if (fd < 0 || readlink("/proc/self/exe", name, sizeof name - 1) < 0) exit(97);
  printf("name: %s\n", name);
  printf("mode: %s\n", outcome_of(fchmod(fd, 0777)));
  printf("times: %s\n", outcome_of(futimens(fd, NULL)));
  printf("memory: %d, %s\n", changed_variable, constant_text);
  fflush(stdout);
  execl("/proc/self/exe", "client", "plain", (char*)NULL);
}

static void start_undumpable(const char* unused) {
  (void)unused;
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || mini_sandbox_setup_default() != 0) exit(98);
  printf("start: %d\n", mini_sandbox_start());
  printf("dumpable: %d\nmessage: %s\n", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0),
         mini_sandbox_get_last_error_msg());
}

static void parents(const char* unused) {
  (void)unused;
  if (mini_sandbox_setup_default() != 0) exit(98);
  printf("parents: %d\n", mini_sandbox_mount_parents_write());
  start_or_exit();
  attempt("beside", "../beside", O_WRONLY | O_CREAT);
}

static void output_file(const char* path) {
  if (mini_sandbox_setup_default() != 0) exit(98);
  printf("output file: %d\n", mini_sandbox_mount_empty_output_file(path));
  start_or_exit();
  FILE* file = fopen(path, "w");
  if (file == NULL) exit(97);
  fprintf(file, "result\n");
  fclose(file);
}

#ifdef WITH_LIBMINI_SANDBOX /* which alone exports it */
static void shared_network(const char* unused) {
  (void)unused;
  struct stat before;
  struct stat after;
  stat("/proc/self/ns/net", &before);
  if (mini_sandbox_share_network() != 0) exit(98);
  start_or_exit();
  stat("/proc/self/ns/net", &after);
  printf("network: %s\n", before.st_ino == after.st_ino ? "shared" : "its own");
}
#endif

static void working_directory(const char* path) {
  if (mini_sandbox_setup_default() != 0 || mini_sandbox_set_working_dir(path) != 0) exit(98);
  start_or_exit();
  char here[4096];
  printf("%s\n", getcwd(here, sizeof here));
}

static void logged(const char* path) {
  printf("log: %d\n", mini_sandbox_enable_log(path));
  enter_default();
  attempt("planted", path, O_WRONLY | O_TRUNC);
  exit(3);
}

static void plain(const char* unused) {
  (void)unused;
  mini_sandbox_setup_default();
  printf("start: %d\n", mini_sandbox_start());
}

/* In a sandbox of the library's, by a program that does not know of it. */
static void nested(const char* unused) {
  (void)unused;
  enter_default();
  execl("/proc/self/exe", "client", "plain", (char*)NULL);
}

static const struct scenario {
  const char* name;
  void (*run)(const char* argument);
} kScenarios[] = {
    {"attributes", attributes},
    {"change_its_program", change_its_program},
    {"close_pipe", close_pipe},
    {"closed_streams", closed_streams},
    {"codes", codes},
    {"confined", confined},
    {"custom", custom},
    {"descriptors", descriptors},
    {"die_by", die_by},
    {"exit_with", exit_with},
    {"fail_at_every_descriptor", fail_at_every_descriptor},
    {"fail_at_exec", fail_at_exec},
    {"fail_at_the_file", fail_at_the_file},
    {"fail_in_the_child", fail_in_the_child},
    {"fail_in_the_plan", fail_in_the_plan},
    {"fail_then_succeed", fail_then_succeed},
    {"fail_under_valgrind", fail_under_valgrind},
    {"fail_without_a_name", fail_without_a_name},
    {"from_a_thread", from_a_thread},
    {"handlers", handlers},
    {"ignore_children", ignore_children},
    {"leave_a_child", leave_a_child},
    {"locks", locks},
    {"logged", logged},
    {"nested", nested},
    {"output_file", output_file},
    {"parents", parents},
    {"plain", plain},
    {"print_init", print_init},
    {"reap_children", reap_children},
#ifdef WITH_LIBMINI_SANDBOX
    {"shared_network", shared_network},
#endif
    {"signals", signals},
    {"start_undumpable", start_undumpable},
    {"threads", threads},
    {"twice", twice},
    {"wait_as_started_by", wait_as_started_by},
    {"wait_for_end", wait_for_end},
    {"wait_with_overlays", wait_with_overlays},
    {"working_directory", working_directory},
};

int main(int argc, char** argv) {
#ifndef WITH_LIBMINI_SANDBOX
  if (argc > 1 && strcmp(argv[1], "allow") == 0) {
    allow(argv + 2);
    return 0;
  }
#endif
  for (size_t i = 0; argc > 1 && i < sizeof kScenarios / sizeof *kScenarios; ++i) {
    if (strcmp(argv[1], kScenarios[i].name) != 0) continue;
    kScenarios[i].run(argc > 2 ? argv[2] : "");
    return 0;
  }
  fprintf(stderr, "no such scenario\n");
  return 95;
}
