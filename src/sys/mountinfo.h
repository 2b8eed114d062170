// The text of /proc/PID/mountinfo (proc_pid_mountinfo(5)) as values. Pure: no I/O.
#ifndef MINI_SANDBOX_SYS_MOUNTINFO_H_
#define MINI_SANDBOX_SYS_MOUNTINFO_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "plan/host_facts.h"

namespace mini {

// One MountFact a line, in the order of the text. A line that is not of the documented form is an
// error: a mount that went unseen would be a hole in the plan.
Result<std::vector<MountFact>> ParseMountinfo(std::string_view text);

// Undoes the kernel's escapes: it writes space, tab, newline, backslash (and '#' in some fields) as
// \ooo, three octal digits. Anything else is left as it stands.
std::string UnescapeMountField(std::string_view field);

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_MOUNTINFO_H_
