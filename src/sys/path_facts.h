// What paths lead to, symlinks followed, without opening anything.
#ifndef MINI_SANDBOX_SYS_PATH_FACTS_H_
#define MINI_SANDBOX_SYS_PATH_FACTS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/status.h"
#include "plan/host_facts.h"

namespace mini {

// One path's fact. When the caller may not look there (EACCES), kOther with an empty `canonical`.
Result<PathFact> ReadPathFact(const std::string& path);

// The same for many paths, which share the most of their ways: what was found on one is not looked
// at again, so what changes meanwhile may not be seen.
class PathFactReader {
 public:
  Result<PathFact> Read(const std::string& path);

 private:
  enum class Found { kDirectory, kMissing };  // a directory with no symlink on the way

  // How many components at the end nothing is known of.
  size_t UnknownSteps(const std::string& path) const;
  // nullopt where only the kernel can say where a symlink leads.
  Result<std::optional<PathFact>> Walk(std::string path);
  void Remember(const std::string& path, PathKind kind);

  std::unordered_map<std::string, Found> known_;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_PATH_FACTS_H_
