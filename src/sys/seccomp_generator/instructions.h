// Instructions of a seccomp filter: bpf(4)'s classic machine, as
// Documentation/userspace-api/seccomp_filter.rst of the kernel uses it.
#ifndef MINI_SANDBOX_SYS_SECCOMP_GENERATOR_INSTRUCTIONS_H_
#define MINI_SANDBOX_SYS_SECCOMP_GENERATOR_INSTRUCTIONS_H_

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace mini::seccomp {

using Code = std::vector<sock_filter>;

// Ends the generator.
[[noreturn]] void Fail(std::string_view what, int error);

sock_filter Statement(int code, uint32_t k);
// Over as many instructions.
sock_filter Jump(int code, uint32_t k, size_t if_true, size_t if_false);
sock_filter Return(uint32_t action);
sock_filter ReturnErrno(int error);
sock_filter Allow();
// What lies there in the kernel's struct seccomp_data.
sock_filter Load(size_t offset);
// The lower half of an argument, of little-endian machines. All arguments looked at are 32 bits
// wide to the kernel, or have all their flags there, so a set upper half changes nothing.
sock_filter LoadArgument(size_t index);

bool IsSame(const sock_filter& a, const sock_filter& b);
bool IsSameCode(const Code& a, const Code& b);

}  // namespace mini::seccomp

#endif  // MINI_SANDBOX_SYS_SECCOMP_GENERATOR_INSTRUCTIONS_H_
