/* The rest of this program, confined.
 *
 *   cc -o confined confined.c $(pkg-config --cflags --libs libmini-sandbox)
 */
#include <errno.h>
#include <mini_sandbox.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  puts("outside");
  if (mini_sandbox_setup_default() != 0 || mini_sandbox_start() != 0) {
    fprintf(stderr, "no sandbox: %s\n", mini_sandbox_get_last_error_msg());
    return 1;
  }
  if (fopen("/usr/local/planted", "w") == NULL) printf("planted: %s\n", strerror(errno));
  FILE* result = fopen("result", "w"); /* the working directory is writable */
  if (result == NULL || fputs("done\n", result) < 0 || fclose(result) != 0) return 1;
  printf("inside: %d\n", mini_sandbox_is_running());
  return 7;
}
