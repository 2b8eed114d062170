/* resolve_names NAME...: each by getaddrinfo(3), with the time it took in milliseconds. Compiled by
   the tests with another C library than the system's, whose resolver is the point. */
#define _POSIX_C_SOURCE 200809L
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

static long milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo* found = NULL;
    const long begun = milliseconds();
    const int error = getaddrinfo(argv[i], "80", &hints, &found);
    printf("%s %ld", argv[i], milliseconds() - begun);
    if (error) printf(" %s", error == EAI_NONAME ? "EAI_NONAME" : gai_strerror(error));
    for (const struct addrinfo* entry = found; entry; entry = entry->ai_next) {
      char text[64];
      getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
      printf(" %s", text);
    }
    puts("");
    if (found) freeaddrinfo(found);
  }
  return 0;
}
