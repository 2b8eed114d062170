// The resolv.conf(5) and hosts(5) that the sandbox behind the network stack sees.
#ifndef MINI_SANDBOX_PLAN_NAME_FILES_H_
#define MINI_SANDBOX_PLAN_NAME_FILES_H_

#include <string>
#include <string_view>

namespace mini {

inline constexpr const char* kResolvConf = "/etc/resolv.conf";
inline constexpr const char* kHosts = "/etc/hosts";

// The stack as the only name server; search list and ndots stay the host's, since search is the
// client's job.
std::string ResolvConfInside(std::string_view host_text);

// Only the loopback lines: a name that the host's file maps to an address elsewhere has to be asked
// of the stack, which reads the same file, or the firewall would not know whose address that is.
// `host_name` inside leads to loopback where no line says so: servers ask for their own name as
// they start, and nobody but the machine itself knows it.
std::string HostsInside(std::string_view host_text, std::string_view host_name);

}  // namespace mini

#endif  // MINI_SANDBOX_PLAN_NAME_FILES_H_
