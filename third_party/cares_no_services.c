/* c-ares turns service names into ports through getservbyname_r(3) and getservbyport_r(3). In a
 * static program these load the host's NSS modules by dlopen, which a sandbox's supervisor must
 * not do, and nothing here asks c-ares for a service. cares.cmake points its two calls at these,
 * which know no service: glibc's convention for that is 0 and no result. Their prototypes are
 * <netdb.h>'s, renamed by the same definitions. */
#include <netdb.h>
#include <stddef.h>

int getservbyname_r(const char* name, const char* protocol, struct servent* entry, char* buffer,
                    size_t size, struct servent** result) {
  (void)name, (void)protocol, (void)entry, (void)buffer, (void)size;
  *result = NULL;
  return 0;
}

int getservbyport_r(int port, const char* protocol, struct servent* entry, char* buffer,
                    size_t size, struct servent** result) {
  (void)port, (void)protocol, (void)entry, (void)buffer, (void)size;
  *result = NULL;
  return 0;
}
