/* mini_sandbox.h: the rest of this program, in a sandbox.
 *
 *   mini_sandbox_setup_default();
 *   mini_sandbox_mount_write("/srv/results");
 *   if (mini_sandbox_start() != 0) {
 *     fprintf(stderr, "no sandbox: %s\n", mini_sandbox_get_last_error_msg());
 *     return 1;
 *   }
 *   ...                         everything from here on runs confined
 *
 * Link with libmini-sandbox: -lmini-sandbox, or libmini-sandbox.a with -lstdc++ -lpthread. Or, for
 * a network behind an allow-list, with libmini-tapbox in the same way. Each is complete: never link
 * both.
 *
 * Conventions. A function returns MINI_SANDBOX_OK, which is 0, or one of the negative codes below,
 * unless its comment says otherwise. One that fails changes nothing. A string is UTF-8 and ends
 * with NUL; it is read during the call and stays the caller's. A path is absolute, and is looked up
 * when it is given and again by mini_sandbox_start(); a symlink stands for what it leads to, but
 * ".." after one is refused. NULL and "" count as a path that is not absolute. No function writes
 * to standard output or standard error, exits, or lets a C++ exception out.
 *
 * Threads. Every function may be called from every thread; settings are those of the process, and a
 * call waits for one that another thread has not finished. The last error is the calling thread's.
 * Nothing here may be called from a signal handler. After a fork() the settings are the child's
 * own.
 */
#ifndef MINI_SANDBOX_H_
#define MINI_SANDBOX_H_

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
  MINI_SANDBOX_INVALID_ARGUMENT = -12,    /* a rule, an address, a name or a number that is none */
  MINI_SANDBOX_SYSTEM_ERROR = -100,       /* the sandbox cannot be set up; the message says why */
  /* From here down: this process may go on as if it had not asked. */
  MINI_SANDBOX_INSIDE_ALREADY = -201,  /* the sandbox around this one allows none inside */
  MINI_SANDBOX_ALREADY_STARTED = -202, /* mini_sandbox_start() has succeeded before */
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
 * directory writable through to the host; no network but loopback. */
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

/* The same for "192.0.2.0/24" or "2001:db8::/32". A bit behind the length that is set is a
 * mistake. */
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

#ifdef __cplusplus
}
#endif

#endif /* MINI_SANDBOX_H_ */
