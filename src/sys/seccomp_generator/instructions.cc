#include "sys/seccomp_generator/instructions.h"

#include <linux/seccomp.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace mini::seccomp {

void Fail(std::string_view what, int error) {
  std::fprintf(stderr, "generate_seccomp_filter: %.*s: %s\n", static_cast<int>(what.size()),
               what.data(), std::strerror(error));
  std::exit(1);
}

sock_filter Statement(int code, uint32_t k) { return {static_cast<uint16_t>(code), 0, 0, k}; }
sock_filter Jump(int code, uint32_t k, size_t if_true, size_t if_false) {
  if (if_true > UINT8_MAX || if_false > UINT8_MAX) Fail("a jump is too long", EOVERFLOW);
  return {static_cast<uint16_t>(BPF_JMP | BPF_K | code), static_cast<uint8_t>(if_true),
          static_cast<uint8_t>(if_false), k};
}
sock_filter Return(uint32_t action) { return Statement(BPF_RET | BPF_K, action); }
sock_filter ReturnErrno(int error) {
  return Return(SECCOMP_RET_ERRNO | static_cast<uint32_t>(error));
}
sock_filter Allow() { return Return(SECCOMP_RET_ALLOW); }
sock_filter Load(size_t offset) {
  return Statement(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}
sock_filter LoadArgument(size_t index) {
  return Load(offsetof(seccomp_data, args) + index * sizeof(uint64_t));
}

bool IsSame(const sock_filter& a, const sock_filter& b) {
  return a.code == b.code && a.jt == b.jt && a.jf == b.jf && a.k == b.k;
}
bool IsSameCode(const Code& a, const Code& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), IsSame);
}

}  // namespace mini::seccomp
