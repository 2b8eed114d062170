/* What the scenarios of objects.c, objects_hosts.c and objects_failures.c share. */
#ifndef MINI_SANDBOX_TESTS_CAPI_OBJECTS_H_
#define MINI_SANDBOX_TESTS_CAPI_OBJECTS_H_

#include <mini_sandbox.h>

#include "descriptors.h"

/* A sandbox in default mode. Here and below, exit code 99 and the reason on standard error when
 * something fails that the scenario is not about. */
mini_sandbox_t* new_default(void);

/* `sh -c SCRIPT` in it, with this program's streams. */
mini_sandbox_process_t* spawn_script(mini_sandbox_t* sandbox, const char* script);
/* The same with other streams. */
mini_sandbox_process_t* spawn_with(mini_sandbox_t* sandbox, const char* script, int input,
                                   int output, int error);

/* Prints "WHAT: exit 7" or "WHAT: signal 15", or the code of a wait that failed. */
void print_end(const char* what, mini_sandbox_process_t* process);

void expect(int holds, const char* what);
/* "none" or "left": of this process's children. */
const char* children(void);

/* objects_hosts.c: what the program is that spawns. */
void atfork_handlers(const char* unused);
void blocked_signals(const char* unused);
void closed_program(const char* unused);
void closed_streams(const char* unused);
void end_before_it(const char* unused);
void forks(const char* unused);
void ignored_children(const char* unused);
void reaped_children(const char* unused);
void start_afterwards(const char* unused);
void start_before(const char* unused);
void ten_threads(const char* unused);

/* objects_failures.c */
void bad_arguments(const char* directory);
void fail_in_the_child(const char* unused);
void fail_without_descriptors(const char* unused);
void fail_in_the_plan(const char* root);
void fail_at_the_file(const char* unused);
void fail_at_exec(const char* unused);
void fail_without_room(const char* unused);
void fail_at_once(const char* unused);
void fail_soon(const char* unused);
void object_settings(const char* directory);
void plain_spawn(const char* unused);

/* objects_network.c: with libmini-tapbox. The last ones take three words. */
void object_network_settings(const char* rules);
void events(char** words);
void network_that_fails(char** words);
void unread_events(char** words);

#endif
