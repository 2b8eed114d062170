#include "child/privileges.h"

#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace mini::child {
namespace {

bool DropBoundingSet() {
  for (unsigned long capability = 0;; ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    return errno == EINVAL && capability > 0;  // past the last capability of this kernel
  }
}

using CapabilitySets = __user_cap_data_struct[_LINUX_CAPABILITY_U32S_3];

bool SetCapabilities(const CapabilitySets& sets) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  return syscall(SYS_capset, &header, sets) == 0;
}

constexpr uint32_t kSetfcapBit = CAP_TO_MASK(CAP_SETFCAP);
static_assert(CAP_TO_INDEX(CAP_SETFCAP) == 0);

// Ambient capabilities survive exec without file capabilities and with no_new_privs. They have to
// be inheritable, and that has to happen while the bounding set is whole (capset(2)).
bool KeepSetfcapOverExec() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  CapabilitySets sets = {};
  if (syscall(SYS_capget, &header, sets) != 0) return false;
  sets[0].inheritable = kSetfcapBit;
  sets[1].inheritable = 0;
  return SetCapabilities(sets) &&
         prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETFCAP, 0, 0) == 0;
}

bool DropCapabilities(bool keep_setfcap) {
  // Without this, exec by the user id 0 (the host's root, mapped to itself) would regain the
  // permitted set. Locked: it cannot be undone inside. KEEP_CAPS is not: without the set-user-id
  // fix-up the kernel ignores it (capabilities(7)), and ping(8) fails when it cannot set it.
  constexpr unsigned long kSecureBits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
                                        SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
                                        SECBIT_NO_CAP_AMBIENT_RAISE |
                                        SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  CapabilitySets kept = {};
  if (keep_setfcap) {
    kept[0] = {.effective = kSetfcapBit, .permitted = kSetfcapBit, .inheritable = kSetfcapBit};
  }
  // What the last step takes from the other sets the ambient one loses with them (capabilities(7)).
  return (!keep_setfcap || KeepSetfcapOverExec()) &&
         prctl(PR_SET_SECUREBITS, kSecureBits, 0, 0, 0) == 0 && DropBoundingSet() &&
         SetCapabilities(kept);
}

}  // namespace

Step DropPrivileges(const FrozenPlan& plan, const StandardStreams& streams, Truncation truncation,
                    Closing closing) {
  if (!DropCapabilities(plan.may_map_root) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      // The command has this process's user id: without this it could trace init and lie to the
      // supervisor through it.
      prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return FailedAt(ChildStage::kPrivileges);
  }
  const Step restricted = RestrictWithLandlock(plan, streams, truncation, closing);
  if (!restricted.ok()) return restricted;
  sock_fprog program = {static_cast<unsigned short>(plan.filter_size),
                        const_cast<sock_filter*>(plan.filter)};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
    return FailedAt(ChildStage::kSeccomp);
  }
  return Done();
}

Step DropLastCapability() {
  constexpr CapabilitySets kNone = {};
  return SetCapabilities(kNone) ? Done() : FailedAt(ChildStage::kPrivileges);
}

}  // namespace mini::child
