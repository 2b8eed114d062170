/* A command in a sandbox of its own, while this program stays where it is.
 *
 *   cc -o command command.c $(pkg-config --cflags --libs libmini-sandbox)
 */
#include <mini_sandbox.h>
#include <stdio.h>
#include <sys/wait.h>

static int fail(void) {
  fprintf(stderr, "no sandbox: %s\n", mini_sandbox_get_last_error_msg());
  return 1;
}

int main(void) {
  mini_sandbox_t* sandbox = mini_sandbox_new();
  if (sandbox == NULL || mini_sandbox_object_setup_default(sandbox) != 0) return fail();

  const char* const argv[] = {"sh", "-c",
                              "touch /usr/local/planted 2>/dev/null || echo refused; exit 5", NULL};
  const struct mini_sandbox_command command = {
      .size = sizeof command, .argv = argv, .stdio = {0, 1, 2}};
  mini_sandbox_process_t* process;
  if (mini_sandbox_spawn(sandbox, &command, &process) != 0) return fail();
  int status = 0;
  const int waited = mini_sandbox_wait(process, -1, &status);
  mini_sandbox_process_free(process);
  mini_sandbox_free(sandbox);
  if (waited != 0) return fail();

  if (WIFSIGNALED(status)) printf("signal %d\n", WTERMSIG(status));
  if (WIFEXITED(status)) printf("exit code %d\n", WEXITSTATUS(status));
  return 0;
}
