// Facts that only a run without namespaces needs.
#ifndef MINI_SANDBOX_SYS_DEGRADED_FACTS_H_
#define MINI_SANDBOX_SYS_DEGRADED_FACTS_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "plan/host_facts.h"

namespace mini {

// The version of landlock(7); 0: none.
int ReadLandlockVersion();

// The entries of a directory, sorted by name; none where it cannot be read. Nothing is opened but
// the directory.
std::vector<DirectoryEntry> ListDirectory(const std::string& path);

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_DEGRADED_FACTS_H_
