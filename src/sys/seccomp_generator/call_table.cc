#include "sys/seccomp_generator/call_table.h"

#include <seccomp.h>

#include <cerrno>
#include <string_view>

namespace mini::seccomp {

std::optional<uint32_t> CallTable::Number(const char* name) const {
  // libseccomp gives i386's socket calls numbers of its own, since they can also be made through
  // socketcall(2); these are the kernel's (asm/unistd_32.h).
  if (arch_ == SCMP_ARCH_X86 && std::string_view(name) == "socket") return 359;
  if (arch_ == SCMP_ARCH_X86 && std::string_view(name) == "socketpair") return 360;
  const int number = seccomp_syscall_resolve_name_arch(arch_, name);
  if (number == __NR_SCMP_ERROR) Fail(name, ENOSYS);
  if (number < 0) return std::nullopt;
  return static_cast<uint32_t>(number);
}

}  // namespace mini::seccomp
