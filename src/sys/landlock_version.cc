#include "sys/landlock_version.h"

#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace mini {

int ReadLandlockVersion() {
  const long version =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version < 0 ? 0 : static_cast<int>(version);
}

}  // namespace mini
