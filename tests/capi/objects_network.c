/* A scenario of objects.c with libmini-tapbox: a command behind the allow-list of an object, and
 * what its network tells meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "objects.h"

/* Every setting of the network, each with what it takes and what it does not. */
void object_network_settings(const char* rules) {
  mini_sandbox_t* sandbox = new_default();
  printf("connections: %d %d\n", mini_sandbox_object_allow_connections(sandbox, rules),
         mini_sandbox_object_allow_connections(sandbox, "rules"));
  printf("max: %d %d\n", mini_sandbox_object_allow_max_connections(sandbox, 5),
         mini_sandbox_object_allow_max_connections(sandbox, 0));
  printf("ipv4: %d %d\n", mini_sandbox_object_allow_ipv4(sandbox, "192.0.2.1"),
         mini_sandbox_object_allow_ipv4(sandbox, "2001:db8::1"));
  printf("ipv4_subnet: %d %d\n", mini_sandbox_object_allow_ipv4_subnet(sandbox, "192.0.2.0/24"),
         mini_sandbox_object_allow_ipv4_subnet(sandbox, "192.0.2.1/24"));
  printf("ipv6: %d %d\n", mini_sandbox_object_allow_ipv6(sandbox, "2001:db8::1"),
         mini_sandbox_object_allow_ipv6(sandbox, "192.0.2.1"));
  printf("ipv6_subnet: %d %d\n", mini_sandbox_object_allow_ipv6_subnet(sandbox, "2001:db8::/32"),
         mini_sandbox_object_allow_ipv6_subnet(sandbox, "2001:db8::1/32"));
  printf("domain: %d %d\n", mini_sandbox_object_allow_domain(sandbox, "allowed.example"),
         mini_sandbox_object_allow_domain(sandbox, "192.0.2.1"));
  printf("rule: %d %d\n", mini_sandbox_object_allow_rule(sandbox, "!192.0.2.9"),
         mini_sandbox_object_allow_rule(sandbox, "a b"));
  printf("all: %d %d\n", mini_sandbox_object_allow_all_domains(sandbox),
         mini_sandbox_object_allow_all_domains(NULL));
  mini_sandbox_free(sandbox);
}

/* At most `size` bytes, up to the end of the file; how many. */
static size_t read_to_end(int fd, char* text, size_t size) {
  size_t done = 0;
  for (;;) {
    struct pollfd readable = {fd, POLLIN, 0};
    if (poll(&readable, 1, 10000) != 1) exit(97);
    const ssize_t count = read(fd, text + done, size - done);
    if (count < 0) exit(96);
    if (count == 0) return done;
    done += (size_t)count;
  }
}

static mini_sandbox_process_t* spawn_connecting(const char* rule, const char* log,
                                                const char* script) {
  mini_sandbox_t* sandbox = new_default();
  if (*rule) expect(mini_sandbox_object_allow_rule(sandbox, rule) == 0, "rule");
  if (*log) expect(mini_sandbox_object_enable_log(sandbox, log) == 0, "log");
  mini_sandbox_process_t* process = spawn_script(sandbox, script);
  mini_sandbox_free(sandbox);
  return process;
}

/* RULE LOG SCRIPT, each perhaps empty: then the events, as they came. */
void events(char** words) {
  static char text[1 << 20];
  mini_sandbox_process_t* process = spawn_connecting(words[0], words[1], words[2]);
  const int fd = mini_sandbox_events_fd(process);
  printf("pid: %d\n", (int)mini_sandbox_pid(process));
  printf("flags: %d %d\n", (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, fcntl(fd, F_GETFD) & FD_CLOEXEC);
  const size_t size = read_to_end(fd, text, sizeof text);
  print_end("end", process);
  fwrite(text, 1, size, stdout);
  mini_sandbox_process_free(process);
}

/* Nobody reads before the end: the command ends all the same. */
void unread_events(char** words) {
  static char text[1 << 20];
  mini_sandbox_process_t* process = spawn_connecting(words[0], "", words[2]);
  print_end("end", process);
  const size_t size = read_to_end(mini_sandbox_events_fd(process), text, sizeof text);
  printf("whole lines: %d\n", size > 0 && text[size - 1] == '\n');
  mini_sandbox_process_free(process);
}

/* While the command runs, its network is killed: RULE unused SCRIPT; the test does it. */
void network_that_fails(char** words) {
  mini_sandbox_process_t* process = spawn_connecting(words[0], "", words[2]);
  printf("process: %d\n", (int)mini_sandbox_pid(process));
  fflush(stdout);
  int status = -1;
  printf("wait: %d\n", mini_sandbox_wait(process, -1, &status));
  printf("status: %d\nmessage: %s\n", status >> 8, mini_sandbox_get_last_error_msg());
  printf("again: %d\n", mini_sandbox_wait(process, 0, NULL));
  mini_sandbox_process_free(process);
}
