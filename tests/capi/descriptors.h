/* What scenarios of both kinds say of the descriptors that they have. */
#ifndef MINI_SANDBOX_TESTS_CAPI_DESCRIPTORS_H_
#define MINI_SANDBOX_TESTS_CAPI_DESCRIPTORS_H_

/* "descriptors WHEN: 0 1 2 ...", on standard output. */
void print_descriptors(const char* when);

#endif
