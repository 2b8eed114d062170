// The seccomp filters that commands and the network stack run under. Computed at build time by
// seccomp_generator/, which says what is refused and why.
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

// What the network stack's process may do once it serves: a call that is not listed traps with
// SIGSYS. The second one lets files be opened for reading, too.
std::span<const sock_filter> StackFilter();
std::span<const sock_filter> StackFilterWithFiles();

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_SECCOMP_FILTER_H_
