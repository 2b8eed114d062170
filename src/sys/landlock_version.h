// Which landlock(7) this kernel has.
#ifndef MINI_SANDBOX_SYS_LANDLOCK_VERSION_H_
#define MINI_SANDBOX_SYS_LANDLOCK_VERSION_H_

namespace mini {

// The version of its interface; 0: none, or it is not enabled.
int ReadLandlockVersion();

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_LANDLOCK_VERSION_H_
