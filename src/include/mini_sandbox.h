/* mini_sandbox.h: the rest of this program, in a sandbox; or a command, in one of its own.
 *
 *   mini_sandbox_setup_default();
 *   mini_sandbox_mount_write("/srv/results");
 *   if (mini_sandbox_start() != 0) {
 *     fprintf(stderr, "no sandbox: %s\n", mini_sandbox_get_last_error_msg());
 *     return 1;
 *   }
 *   ...                         everything from here on runs confined
 *
 * Below, under "Commands", is how a program runs commands in sandboxes and stays outside itself.
 *
 * Link with libmini-sandbox: -lmini-sandbox, or libmini-sandbox.a with -lstdc++ -lpthread. Or, for
 * a network behind an allow-list, with libmini-tapbox in the same way. Each is complete: never link
 * both.
 *
 * Conventions. A function returns MINI_SANDBOX_OK, which is 0, or one of the negative codes below,
 * unless its comment says otherwise. One that fails changes nothing. A string is UTF-8 and ends
 * with NUL; it is read during the call and stays the caller's. A path is absolute, and is looked up
 * when it is given and, unless it is a file of rules, again by mini_sandbox_start(); a symlink
 * stands for what it leads to, but ".." after one is refused. NULL and "" count as a path that is
 * not absolute. No function writes to standard output or standard error, exits, or lets a C++
 * exception out.
 *
 * Threads. Every function may be called from every thread; settings are those of the process, and a
 * call waits for one that another thread has not finished. The last error is the calling thread's.
 * Nothing here may be called from a signal handler. After a fork() the settings are the child's
 * own; a lock that another thread held by a call at that moment stays locked there.
 */
#ifndef MINI_SANDBOX_H_
#define MINI_SANDBOX_H_

#include <stddef.h>
#include <sys/types.h>

#if defined(__GNUC__) || defined(__clang__)
#define MINI_SANDBOX_API __attribute__((visibility("default")))
#else
#define MINI_SANDBOX_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* --- Errors --- */

enum mini_sandbox_error {
  MINI_SANDBOX_OK = 0,
  MINI_SANDBOX_MORE_THAN_ONE_MODE = -1,   /* another mode was set up before */
  MINI_SANDBOX_ROOT_TWICE = -2,           /* this mode was set up before, with its root */
  MINI_SANDBOX_NOT_A_DIRECTORY = -3,      /* a directory is wanted, and this is none */
  MINI_SANDBOX_NO_OVERLAYS = -4,          /* overlays are named in custom mode only */
  MINI_SANDBOX_NO_SUCH_PATH = -5,         /* nothing is there */
  MINI_SANDBOX_NOT_ABSOLUTE = -6,         /* the path does not begin with "/" */
  MINI_SANDBOX_LOG_TWICE = -7,            /* a log was named before */
  MINI_SANDBOX_OVERLAY_IN_WRITABLE = -8,  /* the overlay directory or the root lies in a writable
                                             path, where confined code could reach it */
  MINI_SANDBOX_READ_AND_WRITE = -9,       /* the same path read-only and writable */
  MINI_SANDBOX_NETWORK_CONFLICT = -10,    /* rules beside mini_sandbox_allow_all_domains() */
  MINI_SANDBOX_TMP_IN_DEFAULT_MODE = -11, /* default mode has a /tmp of its own */
  MINI_SANDBOX_INVALID_ARGUMENT = -12,    /* a rule, an address, a name, a number, an object, a
                                             command or a signal that is none */
  MINI_SANDBOX_SYSTEM_ERROR = -100,       /* the sandbox cannot be set up; the message says why */
  /* From here down: this process may go on as if it had not asked. */
  MINI_SANDBOX_INSIDE_ALREADY = -201,  /* the sandbox around this one allows none inside */
  MINI_SANDBOX_ALREADY_STARTED = -202, /* mini_sandbox_start() has succeeded before */
  MINI_SANDBOX_TIMED_OUT = -203,       /* the time has passed, and the command still runs */
  MINI_SANDBOX_ENDED = -204,           /* the command has ended already */
  MINI_SANDBOX_UNKNOWN_ERROR = -1000   /* no memory, or a mistake of this library */
};

/* The code of the calling thread's last call that failed; 0 when there was none. */
MINI_SANDBOX_API int mini_sandbox_get_last_error_code(void);

/* The same in words: what was attempted, on which object, why it failed, often what helps. Never
 * NULL; "" when no call has failed. The text is the library's: it holds until the next call of the
 * same thread that fails. */
MINI_SANDBOX_API const char* mini_sandbox_get_last_error_msg(void);

/* --- Modes: one of these, or none for the read-only mode --- */

/* The whole system read-only; HOME, /tmp, /run and other private places empty; the working
 * directory writable through to the host. The network is the same in every mode: none but loopback,
 * or that of libmini-tapbox, both below. */
MINI_SANDBOX_API int mini_sandbox_setup_default(void);

/* An empty root in which only what is named shows: by mini_sandbox_mount_overlay(), _bind(),
 * _write() and _tmpfs(). sandbox_root: an existing directory; nothing of it shows inside, and
 * nothing is written to it. overlay_dir: an existing directory in which changes to overlays are
 * kept until the sandbox ends; NULL keeps them in memory. */
MINI_SANDBOX_API int mini_sandbox_setup_custom(const char* overlay_dir, const char* sandbox_root);

/* The same without overlays. */
MINI_SANDBOX_API int mini_sandbox_setup_hermetic(const char* sandbox_root);

/* The whole system read-only, HOME included but for known credentials; the working directory and a
 * /tmp of its own writable. */
MINI_SANDBOX_API int mini_sandbox_setup_readonly(void);

/* --- What shows inside, beyond the mode's --- */

/* The path, read-only. */
MINI_SANDBOX_API int mini_sandbox_mount_bind(const char* path);

/* The path, writable through to the host. */
MINI_SANDBOX_API int mini_sandbox_mount_write(const char* path);

/* An empty directory in memory over this one, which is gone with the sandbox. */
MINI_SANDBOX_API int mini_sandbox_mount_tmpfs(const char* path);

/* Custom mode, which has to be set up before: the directory, writable, with its changes gone
 * afterwards. Whether it can be overlaid mini_sandbox_start() finds out. */
MINI_SANDBOX_API int mini_sandbox_mount_overlay(const char* path);

/* A file for results: made empty on the host, now, where there is none (mode 0666 less the umask),
 * and writable through. Its directory has to exist; a file that is there stays as it is. */
MINI_SANDBOX_API int mini_sandbox_mount_empty_output_file(const char* path);

/* The directories above the working directory that this user may write to, writable through: from
 * its parent upwards, up to HOME, /tmp or a directory of the system, which stay as they are. Where
 * there is none, nothing changes and the call succeeds. */
MINI_SANDBOX_API int mini_sandbox_mount_parents_write(void);

/* Where the process inside goes on; without this it stays where it is, if that shows inside. */
MINI_SANDBOX_API int mini_sandbox_set_working_dir(const char* path);

/* libmini-sandbox alone: the host's network instead of none: everything that this machine can
 * reach, services on its loopback included. Without it there is loopback, of the sandbox's own. A
 * program that calls it does not link with libmini-tapbox. */
MINI_SANDBOX_API int mini_sandbox_share_network(void);

/* What is done and noticed, line by line, appended to this file, which is emptied by
 * mini_sandbox_start(): made with mode 0600, or a regular file of this user's. Here the path may be
 * relative. Without this call nothing is written anywhere. */
MINI_SANDBOX_API int mini_sandbox_enable_log(const char* path);

/* --- The network of libmini-tapbox. A program that calls these does not link with
 * libmini-sandbox. ---
 *
 * The only way out is a network stack of the library's own: a process outside, which lets through
 * what is allowed here and answers names itself, only those that are allowed. With none of these
 * calls every public address may be reached. With any of those that take a rule, what no rule
 * allows is refused: at once, a connection like one that nobody listens for, a name by REFUSED or
 * NXDOMAIN. The log (mini_sandbox_enable_log()) says of each refusal which rule would have allowed
 * it.
 *
 * Whatever the rules are, loopback, link-local addresses (where clouds keep metadata) and this
 * machine's own are refused unless a rule names the address; a wildcard, or no rule at all, leads
 * to no private address either.
 *
 * MINI_SANDBOX_INVALID_ARGUMENT: it is not what the function takes; the message says where and what
 * is wrong. MINI_SANDBOX_NETWORK_CONFLICT: see mini_sandbox_allow_all_domains(). Rules add up in
 * any order; a refusing one ("!") wins over all others. The same one twice is no mistake. */

/* All rules of this file, which is read now; its lines are those of mini-tapbox -F
 * (mini-tapbox-rules(5)). One without a rule allows nothing. Nothing is taken from a file with a
 * bad line. Codes of a path: MINI_SANDBOX_NOT_ABSOLUTE, MINI_SANDBOX_NO_SUCH_PATH. */
MINI_SANDBOX_API int mini_sandbox_allow_connections(const char* file);

/* One rule, as a line of such a file without comment: "example.com:443", "udp/192.0.2.7:53",
 * "!192.0.2.9", "icmp/192.0.2.7". */
MINI_SANDBOX_API int mini_sandbox_allow_rule(const char* rule);

/* An address alone, "192.0.2.7" or "2001:db8::7": TCP and UDP, every port. */
MINI_SANDBOX_API int mini_sandbox_allow_ipv4(const char* address);
MINI_SANDBOX_API int mini_sandbox_allow_ipv6(const char* address);

/* The same for "192.0.2.0/24" or "2001:db8::/32"; without a length it is the one address. A bit
 * behind the length that is set is a mistake. */
MINI_SANDBOX_API int mini_sandbox_allow_ipv4_subnet(const char* subnet);
MINI_SANDBOX_API int mini_sandbox_allow_ipv6_subnet(const char* subnet);

/* A name alone, "example.com", that name exactly, or "*.example.com", every name below it and not
 * itself: TCP and UDP, every port, to the addresses that it has when it is asked for. */
MINI_SANDBOX_API int mini_sandbox_allow_domain(const char* name);

/* Every name and every public address: says in so many words what holds without any rule. Rules and
 * this exclude each other, since one of them would mean nothing: whichever comes second fails with
 * MINI_SANDBOX_NETWORK_CONFLICT. */
MINI_SANDBOX_API int mini_sandbox_allow_all_domains(void);

/* At most this many TCP connections at a time, from 1 to 1000000, and a quarter of that (at least
 * one) of pairs that exchange datagrams. Without it 8192. The last call counts; it is no rule, and
 * conflicts with none. */
MINI_SANDBOX_API int mini_sandbox_allow_max_connections(int connections);

/* --- Start --- */

/* Returns 0 inside the sandbox, where everything from here on runs: it is a copy of the process as
 * fork() makes it. That means:
 * - the calling thread is its only one; memory, open descriptors (those above 2 included), signal
 *   actions and mask, environment, umask, and what stdio holds in its buffers are as they were;
 *   handlers of pthread_atfork() have run. A lock that another thread held stays locked.
 * - what it has open, it can use. Close before what confined code should not have, above all: a
 *   descriptor of a directory leads out; a socket can be disconnected and connected to something
 *   else, the host's loopback included, by the host's network; a file above descriptor 2 can be
 *   changed through a descriptor for reading (fchmod(), or opened anew for writing by
 *   /proc/self/fd) as far as its mode and owner allow that; memory that is shared stays shared.
 * - /proc/self/exe is the program's file as it shows inside. Where it does not, it is the same file
 *   without a name ("/"), read-only.
 * - it has a new process id; timers, file locks of fcntl() and other things that fork() does not
 *   pass on are gone. Children that the caller has started before stay where they are, outside.
 * - what it, or what it starts, has left running when it ends is ended with it.
 * - exit() runs the handlers of atexit() and writes the buffers, once.
 *
 * The calling process becomes the sandbox's supervisor, a small program that this library carries:
 * its other threads end, and its memory and descriptors are gone, before the call returns inside.
 * It keeps its process id, passes on signals that it is sent, and ends as the process inside ends:
 * with its exit code, or by its signal. So whoever waits for this process sees no difference. If it
 * is killed, so is the sandbox. With libmini-tapbox it has the network stack as a child, another
 * small program that holds nothing of the caller's; it serves before the call returns inside. If
 * that one ends, so does the sandbox, and the supervisor with exit code 125.
 *
 * On failure it returns a negative code in the calling process, which goes on as it was, its
 * threads included, with nothing left of a sandbox; the settings stay, and the call may be made
 * again. Handlers of pthread_atfork() may have run, and SIGCHLD may have come for a process that is
 * not there any more. MINI_SANDBOX_SYSTEM_ERROR is what it returns for all that it finds amiss; the
 * message tells what. Reasons that lie with the caller: it is not dumpable (PR_SET_DUMPABLE is 0,
 * as after a change of its user id) and not root; the file that it runs from, if the user owns it,
 * cannot be read or has lost its name.
 *
 * A second call, and every setting after a successful one, returns MINI_SANDBOX_ALREADY_STARTED;
 * the sandbox goes on. In a program that runs in another of our sandboxes it returns
 * MINI_SANDBOX_INSIDE_ALREADY unless that one was started with --nested.
 */
MINI_SANDBOX_API int mini_sandbox_start(void);

/* 1 in a process that mini_sandbox_start() has returned 0 in, and in its forks; else 0. */
MINI_SANDBOX_API int mini_sandbox_is_running(void);

/* --- Commands: each in a sandbox of its own, while this program stays where it is --- */

/* Settings of one kind of sandbox, and a command that runs, or has run, in one. */
typedef struct mini_sandbox mini_sandbox_t;
typedef struct mini_sandbox_process mini_sandbox_process_t;

/* Without settings: the read-only mode. NULL when there is no memory. Its owner calls _free(). */
MINI_SANDBOX_API mini_sandbox_t* mini_sandbox_new(void);

/* NULL is ignored. No other thread may be using the object. What was spawned goes on, and its
 * mini_sandbox_process_t stays valid. */
MINI_SANDBOX_API void mini_sandbox_free(mini_sandbox_t* sandbox);

/* The settings above, of one object: the same arguments, rules and codes. They have nothing to do
 * with those of the process, and can be made after mini_sandbox_start() and between two spawns:
 * each spawn takes the settings as they are. Every thread may call them. */
MINI_SANDBOX_API int mini_sandbox_object_setup_default(mini_sandbox_t* sandbox);
MINI_SANDBOX_API int mini_sandbox_object_setup_custom(mini_sandbox_t* sandbox,
                                                      const char* overlay_dir,
                                                      const char* sandbox_root);
MINI_SANDBOX_API int mini_sandbox_object_setup_hermetic(mini_sandbox_t* sandbox,
                                                        const char* sandbox_root);
MINI_SANDBOX_API int mini_sandbox_object_setup_readonly(mini_sandbox_t* sandbox);
MINI_SANDBOX_API int mini_sandbox_object_mount_bind(mini_sandbox_t* sandbox, const char* path);
MINI_SANDBOX_API int mini_sandbox_object_mount_write(mini_sandbox_t* sandbox, const char* path);
MINI_SANDBOX_API int mini_sandbox_object_mount_tmpfs(mini_sandbox_t* sandbox, const char* path);
MINI_SANDBOX_API int mini_sandbox_object_mount_overlay(mini_sandbox_t* sandbox, const char* path);
MINI_SANDBOX_API int mini_sandbox_object_mount_empty_output_file(mini_sandbox_t* sandbox,
                                                                 const char* path);
MINI_SANDBOX_API int mini_sandbox_object_mount_parents_write(mini_sandbox_t* sandbox);
MINI_SANDBOX_API int mini_sandbox_object_set_working_dir(mini_sandbox_t* sandbox, const char* path);
MINI_SANDBOX_API int mini_sandbox_object_share_network(mini_sandbox_t* sandbox);
/* libmini-tapbox: */
MINI_SANDBOX_API int mini_sandbox_object_allow_connections(mini_sandbox_t* sandbox,
                                                           const char* file);
MINI_SANDBOX_API int mini_sandbox_object_allow_max_connections(mini_sandbox_t* sandbox,
                                                               int connections);
MINI_SANDBOX_API int mini_sandbox_object_allow_ipv4(mini_sandbox_t* sandbox, const char* address);
MINI_SANDBOX_API int mini_sandbox_object_allow_ipv4_subnet(mini_sandbox_t* sandbox,
                                                           const char* subnet);
MINI_SANDBOX_API int mini_sandbox_object_allow_ipv6(mini_sandbox_t* sandbox, const char* address);
MINI_SANDBOX_API int mini_sandbox_object_allow_ipv6_subnet(mini_sandbox_t* sandbox,
                                                           const char* subnet);
MINI_SANDBOX_API int mini_sandbox_object_allow_domain(mini_sandbox_t* sandbox, const char* name);
MINI_SANDBOX_API int mini_sandbox_object_allow_all_domains(mini_sandbox_t* sandbox);
MINI_SANDBOX_API int mini_sandbox_object_allow_rule(mini_sandbox_t* sandbox, const char* rule);
/* The one difference: the file is never emptied, since several commands may write to it at once.
 * Each appends; its lines begin with the number that mini_sandbox_pid() yields. */
MINI_SANDBOX_API int mini_sandbox_object_enable_log(mini_sandbox_t* sandbox, const char* path);

/* What to run. Set every field, `size` first; everything is read during the call of
 * mini_sandbox_spawn() and stays the caller's. */
struct mini_sandbox_command {
  size_t size; /* sizeof(struct mini_sandbox_command): a later version may be longer */
  /* The command and its arguments; ends with NULL. argv[0] is looked up in the command's PATH, and
   * inside, unless it has a "/". */
  const char* const* argv;
  /* The command's environment, all of it, "NAME=VALUE" each; ends with NULL. NULL: the caller's, as
   * mini-sandbox hands it on, which is without what holds credentials or leads to sockets of this
   * machine (docs/environment.md). */
  const char* const* envp;
  /* An absolute path, where it starts; also the directory that the mode makes writable. NULL: as
   * mini_sandbox_object_set_working_dir() has it, else the caller's. */
  const char* working_directory;
  /* Descriptors of the caller's that the command has as 0, 1 and 2; the same one may come twice.
   * -1: /dev/null. A directory is refused. They are not closed here. */
  int stdio[3];
};

/* Runs the command in a sandbox, and returns when that is set up and the command is executed. What
 * `*process` then points to is the caller's, who hands it to mini_sandbox_process_free() in the
 * end. On failure `*process` is NULL and nothing is left: no process, no descriptor, no file, but
 * for one descriptor of the library's own (below). Codes: MINI_SANDBOX_INVALID_ARGUMENT for NULL,
 * an unknown size, an empty argv, a descriptor that is not open; those of set_working_dir for
 * working_directory; MINI_SANDBOX_INSIDE_ALREADY as of mini_sandbox_start(), so also after a start
 * of one's own; MINI_SANDBOX_SYSTEM_ERROR for all else that is amiss. A command that is not there
 * is no failure: it ends with 127, one that cannot be executed with 126.
 *
 * Every thread may call this, several at a time, with the same object, too.
 *
 * What runs is a child of this process, the supervisor, a small program that this library carries,
 * and below it the sandbox. The supervisor shows to the caller what the command does: the same exit
 * code, or the same signal. Of the caller it has
 * - no memory, and of the descriptors those of `stdio` alone; the command has no other either, and
 *   init, the sandbox's first process, and the supervisor's helpers none;
 * - what a child of posix_spawn() has: the environment, which the command need not get, working
 *   directory, umask, limits, process group, session and with it the controlling terminal. The
 * signal mask is empty, and every signal does what it does by default, whatever the caller blocks,
 * handles or ignores. No handler of pthread_atfork() runs. The caller gets SIGCHLD at the end, as
 * for every child.
 *
 * The sandbox goes on when the caller ends: it is a child like any other. It ends when the command
 * does, with whatever that has left running, and when its supervisor is killed.
 *
 * The library keeps one descriptor open from the first spawn on: the program of the supervisor, a
 * file in memory, close-on-exec. A caller that closes it loses nothing: it is made anew. */
MINI_SANDBOX_API int mini_sandbox_spawn(mini_sandbox_t* sandbox,
                                        const struct mini_sandbox_command* command,
                                        mini_sandbox_process_t** process);

/* Waits until the command has ended, nothing of the sandbox is left, and the supervisor is gone; at
 * most timeout_ms milliseconds; 0 only asks, -1 is without a limit. MINI_SANDBOX_TIMED_OUT: it
 * still runs. Else *status (unless that is NULL) is what waitpid() says of a child: WIFEXITED, or
 * WIFSIGNALED with the signal that the command ended by. That holds also where the caller ignores
 * SIGCHLD or waits for all its children itself. A supervisor that was killed shows as that.
 *
 * MINI_SANDBOX_SYSTEM_ERROR: the sandbox could not be kept up, and the command was ended; the
 * message tells why, *status is exit code 125. May be called again, and by several threads at a
 * time: the answer is the same. */
MINI_SANDBOX_API int mini_sandbox_wait(mini_sandbox_process_t* process, int timeout_ms,
                                       int* status);

/* Sends a signal to the command; SIGKILL ends the whole sandbox, 0 only asks. MINI_SANDBOX_ENDED:
 * it has ended, and nothing was sent; never is another process hit. The supervisor passes the
 * signal on, to a command that does not ignore it; SIGCHLD and SIGPIPE are not passed on, and those
 * that stop a process (SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU) are MINI_SANDBOX_INVALID_ARGUMENT, as is
 * what is no signal. */
MINI_SANDBOX_API int mini_sandbox_kill(mini_sandbox_process_t* process, int signal);

/* The supervisor's process id, and a descriptor of it (pidfd_open(2)): close-on-exec, readable for
 * poll() once it has ended, the process's until _process_free(). For waiting for several at a time;
 * the answer is mini_sandbox_wait()'s. -1 of NULL. */
MINI_SANDBOX_API pid_t mini_sandbox_pid(const mini_sandbox_process_t* process);
MINI_SANDBOX_API int mini_sandbox_pidfd(const mini_sandbox_process_t* process);

/* libmini-tapbox: what the network allowed and refused, as it happens: a descriptor for reading,
 * non-blocking and close-on-exec, the process's until _process_free(). One JSON object a line,
 * exactly what --log of mini-tapbox writes; the end of the file when the network has ended. A
 * reader who is slow never holds up the network: whole lines are lost then, and the next one says
 * how many. -1 in libmini-sandbox, where there is nothing to tell. */
MINI_SANDBOX_API int mini_sandbox_events_fd(const mini_sandbox_process_t* process);

/* Gives everything back; the descriptors above are closed. What still runs is ended, by SIGKILL to
 * the supervisor, which takes the sandbox along, and reaped. NULL is ignored. No other thread may
 * be using it. In a fork of the process that spawned it the command is left alone: there nothing
 * else may be called for it either, but mini_sandbox_wait(). */
MINI_SANDBOX_API void mini_sandbox_process_free(mini_sandbox_process_t* process);

#ifdef __cplusplus
}
#endif

#endif /* MINI_SANDBOX_H_ */
