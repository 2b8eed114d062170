/* A scenario of client.c with libmini-tapbox: "client allow SETTING... [-- ACTION...]" says what is
 * allowed, one line for each call, and with an action what came of that inside. */
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

static int allow_max_connections(const char* number) {
  return mini_sandbox_allow_max_connections(atoi(number));
}
static int allow_all_domains(const char* unused) {
  (void)unused;
  return mini_sandbox_allow_all_domains();
}

static const struct {
  const char* name;
  int (*call)(const char* value);
} kSettings[] = {
    {"connections=", mini_sandbox_allow_connections},
    {"max=", allow_max_connections},
    {"ipv4=", mini_sandbox_allow_ipv4},
    {"ipv4_subnet=", mini_sandbox_allow_ipv4_subnet},
    {"ipv6=", mini_sandbox_allow_ipv6},
    {"ipv6_subnet=", mini_sandbox_allow_ipv6_subnet},
    {"domain=", mini_sandbox_allow_domain},
    {"all", allow_all_domains},
    {"rule=", mini_sandbox_allow_rule},
    {"log=", mini_sandbox_enable_log},
};

static void set(const char* setting) {
  for (size_t i = 0; i < sizeof kSettings / sizeof *kSettings; ++i) {
    const size_t length = strlen(kSettings[i].name);
    if (strncmp(setting, kSettings[i].name, length) != 0) continue;
    const int code = kSettings[i].call(setting + length);
    printf("%s: %d\n", setting, code);
    if (code == 0) return;
    fprintf(stderr, "%s\n", mini_sandbox_get_last_error_msg());
    if (mini_sandbox_get_last_error_code() != code) exit(96);
    return;
  }
  exit(94);
}

static const char* connect_to(const char* host, const char* port) {
  struct addrinfo hints;
  struct addrinfo* found = NULL;
  memset(&hints, 0, sizeof hints);
  hints.ai_socktype = SOCK_STREAM;
  const int failure = getaddrinfo(host, port, &hints, &found);
  if (failure != 0) return gai_strerror(failure);
  const char* result = "no address";
  for (const struct addrinfo* each = found; each != NULL; each = each->ai_next) {
    const int fd = socket(each->ai_family, each->ai_socktype, 0);
    if (fd < 0) exit(97);
    const int failed = connect(fd, each->ai_addr, each->ai_addrlen) != 0;
    result = failed ? strerror(errno) : "connected";
    close(fd);
    if (!failed) break;
  }
  freeaddrinfo(found);
  return result;
}

static void connect_each(char** words) {
  for (; words[0] != NULL && words[1] != NULL; words += 2) {
    printf("%s %s: %s\n", words[0], words[1], connect_to(words[0], words[1]));
  }
}

static void* connect_in_thread(void* words) {
  connect_each(words);
  return NULL;
}

static void act(char** words) {
  const char* action = *words++;
  if (strcmp(action, "connect") == 0) {
    enter_default();
    connect_each(words);
  } else if (strcmp(action, "connect_in_threads") == 0) {
    start_scribbling();
    enter_default();
    pthread_t threads[2];
    for (int i = 0; i < 2; ++i) {
      if (pthread_create(&threads[i], NULL, connect_in_thread, words + 2 * i) != 0) exit(97);
      if (i == 0) pthread_join(threads[0], NULL);
    }
    pthread_join(threads[1], NULL);
  } else if (strcmp(action, "execute") == 0) {
    enter_default();
    fflush(stdout);
    execvp(words[0], words);
    exit(97);
  } else {
    exit(94);
  }
}

void allow(char** words) {
  for (; *words != NULL && strcmp(*words, "--") != 0; ++words) set(*words);
  if (*words != NULL) act(words + 1);
}
