// The host's resolver configuration, as text.
#ifndef MINI_SANDBOX_SYS_RESOLVER_FILES_H_
#define MINI_SANDBOX_SYS_RESOLVER_FILES_H_

#include <string>

#include "base/status.h"

namespace mini {

struct ResolverFiles {
  std::string resolv_conf;  // /etc/resolv.conf
  std::string hosts;        // /etc/hosts
};

// One that is missing or closed to us is empty; one that is too large or no regular file is an
// error, since leaving it out would change what the sandbox does.
Result<ResolverFiles> ReadResolverFiles();

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_RESOLVER_FILES_H_
