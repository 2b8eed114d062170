#include "plan/planted_links.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/paths.h"
#include "base/strings.h"
#include "plan/host_layout.h"

namespace mini {
namespace {

struct NamedPath {
  std::string_view option;
  const std::string& path;
};

std::vector<NamedPath> NamedPaths(const Policy& policy) {
  std::vector<NamedPath> named;
  for (const BindRequest& bind : policy.binds) {
    named.push_back({bind.access == Access::kWritable ? "-w" : "-M", bind.source});
  }
  for (const std::string& path : policy.overlays) named.push_back({"-k", path});
  for (const std::string& path : policy.empty_directories) named.push_back({"-e", path});
  if (policy.working_directory) named.push_back({"-W", *policy.working_directory});
  if (policy.scratch_directory) named.push_back({"-d", *policy.scratch_directory});
  return named;
}

// Where a command may have made links: not in HOME or a system's directory, which are never written
// through as working directories.
bool MayHoldPlantedLinks(const HostFacts& facts) {
  const std::string& here = facts.working_directory;
  return !IsSystemDirectory(here) &&
         std::find(facts.homes.begin(), facts.homes.end(), here) == facts.homes.end();
}

}  // namespace

Status CheckPlantedLinks(const Policy& policy, const HostFacts& facts) {
  if (!MayHoldPlantedLinks(facts)) return OkStatus();
  const std::string& here = facts.working_directory;
  const std::vector<NamedPath> all = NamedPaths(policy);
  // What is named by its true path is meant.
  const auto is_meant = [&](const std::string& path) {
    return std::any_of(all.begin(), all.end(), [&](const NamedPath& named) {
      return !IsSameOrBelow(named.path, here) && IsSameOrBelow(path, named.path);
    });
  };
  for (const NamedPath& named : all) {
    const auto fact = facts.paths.find(named.path);
    if (fact == facts.paths.end() || !IsBelow(named.path, here)) continue;
    const std::string& truth = fact->second.canonical;
    if (truth.empty() || IsSameOrBelow(truth, here) || is_meant(truth)) continue;
    return Status(StatusCode::kInvalidArgument, Stage::kPlan,
                  StrCat(named.option, " ", EscapeForTerminal(named.path), " leads to ",
                         EscapeForTerminal(truth),
                         ", out of the working directory: a command that ran here may have made "
                         "the link"))
        .WithHint(StrCat("if it is meant: ", named.option, " ", EscapeForTerminal(truth)));
  }
  return OkStatus();
}

}  // namespace mini
