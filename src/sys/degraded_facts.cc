#include "sys/degraded_facts.h"

#include <dirent.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string_view>

namespace mini {

int ReadLandlockVersion() {
  const long version =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version < 0 ? 0 : static_cast<int>(version);
}

std::vector<DirectoryEntry> ListDirectory(const std::string& path) {
  std::vector<DirectoryEntry> entries;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), &closedir);
  if (directory == nullptr) return entries;
  while (const dirent* raw = readdir(directory.get())) {
    const std::string_view name = raw->d_name;
    if (name == "." || name == "..") continue;
    DirectoryEntry entry;
    entry.name = name;
    // Of a kind that is not told, a rule is tried: landlock refuses what it cannot guard.
    if (raw->d_type == DT_DIR) entry.kind = DirectoryEntry::Kind::kDirectory;
    if (raw->d_type == DT_LNK) entry.kind = DirectoryEntry::Kind::kSymlink;
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return entries;
}

}  // namespace mini
