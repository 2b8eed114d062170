// mount(2) and umount2(2), not from <sys/mount.h>: it and <linux/mount.h> define the same names.
#ifndef MINI_SANDBOX_TESTS_INTEGRATION_PROBE_MOUNT_CALLS_H_
#define MINI_SANDBOX_TESTS_INTEGRATION_PROBE_MOUNT_CALLS_H_

extern "C" {
int mount(const char* source, const char* target, const char* type, unsigned long flags,
          const void* data) noexcept;
int umount2(const char* target, int flags) noexcept;
}

namespace mini::probe {

inline constexpr unsigned long kRemount = 32;  // MS_REMOUNT
inline constexpr unsigned long kBind = 4096;   // MS_BIND
inline constexpr unsigned long kMove = 8192;   // MS_MOVE
inline constexpr int kDetach = 2;              // MNT_DETACH

}  // namespace mini::probe

#endif  // MINI_SANDBOX_TESTS_INTEGRATION_PROBE_MOUNT_CALLS_H_
