/* What the scenarios of client.c, codes.c and failures.c share. */
#ifndef MINI_SANDBOX_TESTS_CAPI_CLIENT_H_
#define MINI_SANDBOX_TESTS_CAPI_CLIENT_H_

#include <mini_sandbox.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "descriptors.h"

/* Exit code 99 and the reason on standard output when that fails. */
void start_or_exit(void);
void enter_default(void);

/* Threads that write to a file as long as they exist, and how much they have written. */
void start_scribbling(void);
off_t scribbled(void);

/* failures.c */
void fail_in_the_plan(const char* root);
void fail_in_the_child(const char* unused);
void fail_at_the_file(const char* unused);
void fail_at_exec(const char* unused);
void fail_then_succeed(const char* unused);
void fail_at_every_descriptor(const char* unused);
void fail_under_valgrind(const char* unused);
void fail_without_a_name(const char* program);

/* codes.c: every code of a setting, by the calls that produce it; `directory` is an empty one. */
void codes(const char* directory);

/* network.c: of libmini-tapbox. */
void allow(char** words);

#endif
