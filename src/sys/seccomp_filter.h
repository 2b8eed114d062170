// The seccomp filter that every command runs under. Computed at build time by
// generate_seccomp_filter.cc, which says what is refused and why.
#ifndef MINI_SANDBOX_SYS_SECCOMP_FILTER_H_
#define MINI_SANDBOX_SYS_SECCOMP_FILTER_H_

#include <linux/filter.h>

#include <span>

namespace mini {

// A classic BPF program for SECCOMP_SET_MODE_FILTER (seccomp(2)); static storage.
std::span<const sock_filter> CommandFilter();

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_SECCOMP_FILTER_H_
