/* A program that runs commands in sandboxes, as tests/integration/test_capi_objects.py starts it:
 * objects SCENARIO [ARGUMENT]. In C99, as a user of the library would write it. */
#include "objects.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void expect(int holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "%s: %s\n", what, mini_sandbox_get_last_error_msg());
  exit(99);
}

mini_sandbox_t* new_default(void) {
  mini_sandbox_t* sandbox = mini_sandbox_new();
  expect(mini_sandbox_object_setup_default(sandbox) == 0, "default mode");
  return sandbox;
}

mini_sandbox_process_t* spawn_with(mini_sandbox_t* sandbox, const char* script, int input,
                                   int output, int error) {
  const char* const argv[] = {"sh", "-c", script, NULL};
  const struct mini_sandbox_command command = {
      sizeof command, argv, NULL, NULL, {input, output, error}};
  mini_sandbox_process_t* process = NULL;
  expect(mini_sandbox_spawn(sandbox, &command, &process) == 0, "spawn");
  return process;
}

mini_sandbox_process_t* spawn_script(mini_sandbox_t* sandbox, const char* script) {
  return spawn_with(sandbox, script, 0, 1, 2);
}

void print_end(const char* what, mini_sandbox_process_t* process) {
  int status = -1;
  const int code = mini_sandbox_wait(process, -1, &status);
  if (code != 0) {
    printf("%s: %d\n", what, code);
  } else if (WIFSIGNALED(status)) {
    printf("%s: signal %d\n", what, WTERMSIG(status));
  } else {
    printf("%s: exit %d\n", what, WEXITSTATUS(status));
  }
}

const char* children(void) {
  return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD ? "none" : "left";
}

/* --- The command --- */

static void ends(const char* script) {
  mini_sandbox_t* sandbox = new_default();
  mini_sandbox_process_t* process = spawn_script(sandbox, script);
  mini_sandbox_free(sandbox);
  print_end("first", process);
  print_end("again", process);
  mini_sandbox_process_free(process);
  printf("children: %s\n", children());
}

static void named(const char* name) {
  mini_sandbox_t* sandbox = new_default();
  const char* const argv[] = {name, NULL};
  const struct mini_sandbox_command command = {sizeof command, argv, NULL, NULL, {-1, -1, -1}};
  mini_sandbox_process_t* process = NULL;
  printf("spawn: %d\n", mini_sandbox_spawn(sandbox, &command, &process));
  print_end("command", process);
  mini_sandbox_process_free(process);
  mini_sandbox_free(sandbox);
}

/* Its own program, a megabyte of arguments; the kernel takes 128 KiB in one piece (execve(2)). */
static void long_arguments(const char* unused) {
  (void)unused;
  static char text[100 * 1000];
  memset(text, 'x', sizeof text - 1);
  const char* argv[] = {"sh", "-c", "IFS=; all=$*; echo ${#all}",
                        "sh", text, text,
                        text, text, text,
                        text, text, text,
                        text, text, NULL};
  const struct mini_sandbox_command command = {sizeof command, argv, NULL, NULL, {-1, 1, 2}};
  mini_sandbox_t* sandbox = new_default();
  mini_sandbox_process_t* process = NULL;
  expect(mini_sandbox_spawn(sandbox, &command, &process) == 0, "spawn");
  print_end("command", process);
  mini_sandbox_process_free(process);
  mini_sandbox_free(sandbox);
}

static void environment(const char* which) {
  const char* const whole[] = {"PATH=/usr/bin:/bin", "API_TOKEN=mine", "TMPDIR=/elsewhere", NULL};
  const char* const argv[] = {"env", NULL};
  const struct mini_sandbox_command command = {
      sizeof command, argv, strcmp(which, "whole") == 0 ? whole : NULL, NULL, {0, 1, 2}};
  mini_sandbox_t* sandbox = new_default();
  mini_sandbox_process_t* process = NULL;
  expect(setenv("API_TOKEN", "caller's", 1) == 0 && setenv("KEPT", "yes", 1) == 0, "setenv");
  expect(mini_sandbox_spawn(sandbox, &command, &process) == 0, "spawn");
  expect(mini_sandbox_wait(process, -1, NULL) == 0, "wait");
  mini_sandbox_process_free(process);
  mini_sandbox_free(sandbox);
}

/* In the object's directory, in the command's, which goes first, and with a file in each. */
static void working_directory(const char* directory) {
  char other[4096];
  snprintf(other, sizeof other, "%s/other", directory);
  const char* const argv[] = {"sh", "-c", "pwd; : > made", NULL};
  struct mini_sandbox_command command = {sizeof command, argv, NULL, NULL, {0, 1, 2}};
  mini_sandbox_t* sandbox = new_default();
  expect(mini_sandbox_object_set_working_dir(sandbox, directory) == 0, "working directory");
  for (int i = 0; i < 2; ++i) {
    mini_sandbox_process_t* process = NULL;
    expect(mini_sandbox_spawn(sandbox, &command, &process) == 0, "spawn");
    print_end("command", process);
    mini_sandbox_process_free(process);
    command.working_directory = other;
  }
  mini_sandbox_free(sandbox);
}

/* Descriptors that lie in each other's way, and a stream that there is none for. */
static void streams(const char* unused) {
  (void)unused;
  int input[2];
  expect(pipe(input) == 0 && write(input[1], "input\n", 6) == 6 && close(input[1]) == 0, "pipe");
  expect(dup2(input[0], 0) == 0, "dup2");
  mini_sandbox_t* sandbox = new_default();
  mini_sandbox_process_t* process = spawn_with(sandbox, "cat; echo error >&2", 0, 2, 1);
  print_end("swapped", process);
  mini_sandbox_process_free(process);
  process = spawn_with(sandbox, "cat; echo lost; echo one place >&2", -1, -1, 1);
  print_end("none", process);
  mini_sandbox_process_free(process);
  process = spawn_with(sandbox, "echo one place; echo one place >&2", -1, 1, 1);
  print_end("same", process);
  mini_sandbox_process_free(process);
  mini_sandbox_free(sandbox);
}

/* Until its standard input ends; what it is and what it holds the test looks up meanwhile. */
static void with_descriptors(const char* marker) {
  expect(open(marker, O_RDONLY) >= 0 && fcntl(open(marker, O_RDONLY), F_DUPFD, 100) >= 0, "open");
  mini_sandbox_t* sandbox = new_default();
  mini_sandbox_process_t* process = spawn_script(sandbox, "echo /proc/self/fd/*; cat");
  printf("process: %d\n", (int)mini_sandbox_pid(process));
  fflush(stdout);
  print_end("command", process);
  mini_sandbox_process_free(process);
  mini_sandbox_free(sandbox);
}

/* A pipe ends when the command closes it, though the sandbox goes on. */
static void closed_output(const char* unused) {
  (void)unused;
  int output[2];
  int input[2];
  expect(pipe(output) == 0 && pipe(input) == 0, "pipe");
  mini_sandbox_t* sandbox = new_default();
  mini_sandbox_process_t* process =
      spawn_with(sandbox, "exec >/dev/null; cat", input[0], output[1], 2);
  close(output[1]);
  char byte;
  printf("pipe: %d\n", (int)read(output[0], &byte, 1));
  printf("command: %d\n", mini_sandbox_wait(process, 0, NULL));
  close(input[0]);
  close(input[1]);
  print_end("end", process);
  mini_sandbox_process_free(process);
  mini_sandbox_free(sandbox);
}

/* --- Waiting, signals --- */

static void time_limits(const char* unused) {
  (void)unused;
  mini_sandbox_t* sandbox = new_default();
  mini_sandbox_process_t* process = spawn_script(sandbox, "exec sleep 100");
  struct pollfd end = {mini_sandbox_pidfd(process), POLLIN, 0};
  int status = -1;
  printf("at once: %d\n", mini_sandbox_wait(process, 0, &status));
  printf("later: %d, status %d\n", mini_sandbox_wait(process, 30, &status), status);
  printf("pidfd: %d, close-on-exec %d\n", poll(&end, 1, 0), fcntl(end.fd, F_GETFD) & FD_CLOEXEC);
  printf("asked: %d\n", mini_sandbox_kill(process, 0));
  printf("kill: %d\n", mini_sandbox_kill(process, SIGTERM));
  print_end("end", process);
  printf("pidfd at the end: %d\n", poll(&end, 1, 0));
  printf("kill again: %d\n", mini_sandbox_kill(process, SIGTERM));
  printf("at once again: %d\n", mini_sandbox_wait(process, 0, NULL));
  mini_sandbox_process_free(process);
  mini_sandbox_free(sandbox);
}

static void signals(const char* unused) {
  (void)unused;
  const int numbers[] = {SIGUSR1, SIGHUP, SIGINT, SIGWINCH, SIGRTMIN + 1};
  mini_sandbox_t* sandbox = new_default();
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; ++i) {
    char script[256];
    int ready[2];
    expect(pipe(ready) == 0, "pipe");
    snprintf(script, sizeof script, "trap 'exit %d' %d; echo; sleep 100 & wait", numbers[i],
             numbers[i]);
    mini_sandbox_process_t* process = spawn_with(sandbox, script, -1, ready[1], 2);
    char byte;
    expect(read(ready[0], &byte, 1) == 1, "read");
    expect(mini_sandbox_kill(process, numbers[i]) == 0, "kill");
    char what[32];
    snprintf(what, sizeof what, "signal %d", numbers[i]);
    print_end(what, process);
    mini_sandbox_process_free(process);
    close(ready[0]);
    close(ready[1]);
  }
  mini_sandbox_free(sandbox);
}

/* What the command has left behind, in a session of its own, ends before this returns. */
static void free_or_kill(const char* how) {
  int alive[2];
  expect(pipe(alive) == 0 && fcntl(alive[0], F_SETFL, O_NONBLOCK) == 0, "pipe");
  mini_sandbox_t* sandbox = new_default();
  mini_sandbox_process_t* process =
      spawn_with(sandbox, "setsid sh -c 'echo >&2; exec sleep 100' & sleep 100", -1, 1, alive[1]);
  close(alive[1]);
  char byte;
  struct pollfd started = {alive[0], POLLIN, 0};
  expect(poll(&started, 1, 10000) == 1 && read(alive[0], &byte, 1) == 1, "poll");
  if (strcmp(how, "kill") == 0) {
    printf("kill: %d\n", mini_sandbox_kill(process, SIGKILL));
    print_end("end", process);
  } else {
    mini_sandbox_process_free(process);
    process = NULL;
  }
  printf("pipe: %d\n", (int)read(alive[0], &byte, 1));
  mini_sandbox_process_free(process);
  mini_sandbox_free(sandbox);
  printf("children: %s\n", children());
}

/* --- Objects --- */

static void two_objects(const char* secret) {
  char script[4096];
  snprintf(script, sizeof script, "cat %s", secret);
  mini_sandbox_t* one = new_default();
  mini_sandbox_t* other = new_default();
  expect(mini_sandbox_object_mount_bind(other, secret) == 0, "bind");
  mini_sandbox_process_t* without = spawn_with(one, script, -1, 1, -1);
  mini_sandbox_process_t* with = spawn_script(other, script);
  mini_sandbox_free(one);
  mini_sandbox_free(other);
  print_end("with", with);
  print_end("without", without);
  mini_sandbox_process_free(without);
  mini_sandbox_process_free(with);
  printf("running: %d\n", mini_sandbox_is_running());
}

static void logged(const char* path) {
  mini_sandbox_t* sandbox = new_default();
  printf("log: %d\n", mini_sandbox_object_enable_log(sandbox, path));
  printf("log again: %d\n", mini_sandbox_object_enable_log(sandbox, path));
  mini_sandbox_process_t* processes[2];
  for (int i = 0; i < 2; ++i) processes[i] = spawn_script(sandbox, "exit 3");
  for (int i = 0; i < 2; ++i) {
    printf("process %d: %d\n", i, (int)mini_sandbox_pid(processes[i]));
    print_end("command", processes[i]);
    mini_sandbox_process_free(processes[i]);
  }
  mini_sandbox_free(sandbox);
}

static void overlay(const char* directory) {
  char root[4096];
  snprintf(root, sizeof root, "%s/root", directory);
  mini_sandbox_t* sandbox = mini_sandbox_new();
  expect(mini_sandbox_object_setup_custom(sandbox, directory, root) == 0, "custom mode");
  expect(mini_sandbox_object_mount_overlay(sandbox, "/usr") == 0, "overlay");
  expect(mini_sandbox_object_set_working_dir(sandbox, "/usr") == 0, "working directory");
  const char* const argv[] = {"/usr/bin/env", "-i", "/usr/bin/test", "-d", "/usr/bin", NULL};
  const struct mini_sandbox_command command = {sizeof command, argv, NULL, NULL, {-1, 1, 2}};
  mini_sandbox_process_t* process = NULL;
  expect(mini_sandbox_spawn(sandbox, &command, &process) == 0, "spawn");
  print_end("command", process);
  mini_sandbox_process_free(process);
  mini_sandbox_free(sandbox);
}

static const struct scenario {
  const char* name;
  void (*run)(const char* argument);
} kScenarios[] = {
    {"atfork_handlers", atfork_handlers},
    {"bad_arguments", bad_arguments},
    {"blocked_signals", blocked_signals},
    {"closed_output", closed_output},
    {"closed_program", closed_program},
    {"closed_streams", closed_streams},
    {"end_before_it", end_before_it},
    {"ends", ends},
    {"environment", environment},
    {"fail_at_exec", fail_at_exec},
    {"fail_without_room", fail_without_room},
    {"fail_at_once", fail_at_once},
    {"fail_at_the_file", fail_at_the_file},
    {"fail_in_the_child", fail_in_the_child},
    {"fail_in_the_plan", fail_in_the_plan},
    {"fail_soon", fail_soon},
    {"fail_without_descriptors", fail_without_descriptors},
    {"forks", forks},
    {"free_or_kill", free_or_kill},
    {"ignored_children", ignored_children},
    {"logged", logged},
    {"long_arguments", long_arguments},
    {"named", named},
    {"object_settings", object_settings},
    {"overlay", overlay},
    {"plain_spawn", plain_spawn},
    {"reaped_children", reaped_children},
    {"signals", signals},
    {"start_afterwards", start_afterwards},
    {"start_before", start_before},
    {"streams", streams},
    {"ten_threads", ten_threads},
    {"time_limits", time_limits},
    {"two_objects", two_objects},
    {"with_descriptors", with_descriptors},
    {"working_directory", working_directory},
};

static void run_with_network(int argc, char** argv) {
#ifndef WITH_LIBMINI_SANDBOX
  if (argc == 3 && strcmp(argv[1], "object_network_settings") == 0) {
    object_network_settings(argv[2]);
    exit(0);
  }
  const struct {
    const char* name;
    void (*run)(char** words);
  } scenarios[] = {
      {"events", events},
      {"network_that_fails", network_that_fails},
      {"unread_events", unread_events},
  };
  for (size_t i = 0; argc == 5 && i < sizeof scenarios / sizeof *scenarios; ++i) {
    if (strcmp(argv[1], scenarios[i].name) != 0) continue;
    scenarios[i].run(argv + 2);
    exit(0);
  }
#else
  (void)argc;
  (void)argv;
#endif
}

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IOLBF, 0); /* the command writes there, too */
  run_with_network(argc, argv);
  for (size_t i = 0; argc > 1 && i < sizeof kScenarios / sizeof *kScenarios; ++i) {
    if (strcmp(argv[1], kScenarios[i].name) != 0) continue;
    kScenarios[i].run(argc > 2 ? argv[2] : "");
    return 0;
  }
  fprintf(stderr, "no such scenario\n");
  return 95;
}
