/* What the scenarios of client.c and codes.c share. */
#ifndef MINI_SANDBOX_TESTS_CAPI_CLIENT_H_
#define MINI_SANDBOX_TESTS_CAPI_CLIENT_H_

#include <mini_sandbox.h>
#include <stddef.h>
#include <stdio.h>

/* Exit code 99 and the reason on standard output when that fails. */
void start_or_exit(void);
void enter_default(void);

/* codes.c: every code of a setting, by the calls that produce it; `directory` is an empty one. */
void codes(const char* directory);

#endif
