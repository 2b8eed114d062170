// The seccomp filters that commands run under. Computed at build time by
// generate_seccomp_filter.cc, which says what is refused and why.
#ifndef MINI_SANDBOX_SYS_SECCOMP_FILTER_H_
#define MINI_SANDBOX_SYS_SECCOMP_FILTER_H_

#include <linux/filter.h>

#include <span>

namespace mini {

// A classic BPF program for SECCOMP_SET_MODE_FILTER (seccomp(2)); static storage.
std::span<const sock_filter> CommandFilter();

// The same for a command that may make sandboxes of its own: user namespaces and the calls that
// make and change mounts are let through, all else is refused as by CommandFilter().
std::span<const sock_filter> NestingCommandFilter();

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_SECCOMP_FILTER_H_
