/* A command in a sandbox by one call, with settings by name: what Node.js and Java are glued to.
 *
 * Not here: mini_sandbox_kill mini_sandbox_pid mini_sandbox_pidfd mini_sandbox_events_fd
 * mini_sandbox_get_last_error_code; and mini_sandbox_start() with the settings of the process,
 * which is not for runtimes that cannot do without their threads. */
#ifndef RUN_COMMAND_H_
#define RUN_COMMAND_H_

/* A name as in mini_sandbox_object_NAME, and its arguments as text; NULL where there is none. */
struct setting {
  const char* name;
  const char* arguments[2];
};

/* Runs the command with this program's standard streams and waits for it, on whichever thread. 0,
 * and what waitpid(2) says of it; or a code, and a message that free(3) takes, or NULL. */
int run_command(const struct setting* settings, int count, const char* const* argv, int* status,
                char** message);

#endif
