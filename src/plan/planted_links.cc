#include "plan/planted_links.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/paths.h"
#include "base/strings.h"
#include "plan/host_layout.h"

namespace mini {
namespace {

struct NamedPath {
  std::string_view setting;
  const std::string& path;
};

std::vector<NamedPath> NamedPaths(const Policy& policy) {
  std::vector<NamedPath> named;
  for (const BindRequest& bind : policy.binds) {
    named.push_back(
        {bind.access == Access::kWritable ? policy.names.writable : policy.names.read_only,
         bind.source});
  }
  for (const std::string& path : policy.overlays) named.push_back({policy.names.overlay, path});
  for (const std::string& path : policy.empty_directories)
    named.push_back({policy.names.empty_directory, path});
  if (policy.working_directory)
    named.push_back({policy.names.working_directory, *policy.working_directory});
  if (policy.scratch_directory)
    named.push_back({policy.names.scratch_directory, *policy.scratch_directory});
  return named;
}

bool IsInAny(std::string_view path, const std::vector<std::string>& places) {
  return std::any_of(places.begin(), places.end(),
                     [&](const std::string& place) { return IsSameOrBelow(path, place); });
}

// Whether a directory on the way is one of the places, or lies in one, by whatever name.
bool LeadsThrough(const std::vector<std::string>& places, const std::string& path,
                  const HostFacts& facts) {
  for (size_t end = path.rfind('/'); end != std::string::npos && end > 0;
       end = path.rfind('/', end - 1)) {
    const std::string parent = path.substr(0, end);
    const auto fact = facts.paths.find(parent);
    const bool is_known = fact != facts.paths.end() && !fact->second.canonical.empty();
    if (IsInAny(is_known ? fact->second.canonical : parent, places)) return true;
  }
  return false;
}

// The directories of -w: by their true path, and as they were named.
std::vector<std::pair<std::string, std::string>> WritableDirectories(const Policy& policy,
                                                                     const HostFacts& facts) {
  std::vector<std::pair<std::string, std::string>> directories;
  for (const BindRequest& bind : policy.binds) {
    const auto fact = facts.paths.find(bind.source);
    if (bind.access != Access::kWritable || fact == facts.paths.end()) continue;
    if (fact->second.kind == PathKind::kDirectory) {
      directories.emplace_back(fact->second.canonical, bind.source);
    }
  }
  return directories;
}

// Where commands write, this one or an earlier one: the working directory, unless it is HOME or a
// system's, which are never written through as such, and what -w names, unless a planted link
// leads there. (OpenLogFile() knows them by their inodes.)
std::vector<std::string> PlacesOfCommands(const Policy& policy, const HostFacts& facts) {
  std::vector<std::string> places;
  const std::string& here = facts.working_directory;
  const bool is_home = std::find(facts.homes.begin(), facts.homes.end(), here) != facts.homes.end();
  if (!IsSystemDirectory(here) && !is_home) places.push_back(here);
  const auto directories = WritableDirectories(policy, facts);
  std::vector<std::string> all = places;
  for (const auto& [canonical, name] : directories) all.push_back(canonical);
  for (const auto& [canonical, name] : directories) {
    if (canonical == name || !LeadsThrough(all, name, facts)) places.push_back(canonical);
  }
  return places;
}

}  // namespace

Status CheckPlantedLinks(const Policy& policy, const HostFacts& facts) {
  const std::vector<std::string> places = PlacesOfCommands(policy, facts);
  if (places.empty()) return OkStatus();
  const std::vector<NamedPath> all = NamedPaths(policy);
  // What is named by its true path is meant.
  const auto is_meant = [&](const std::string& path) {
    return std::any_of(all.begin(), all.end(), [&](const NamedPath& named) {
      return IsSameOrBelow(path, named.path) && !LeadsThrough(places, named.path, facts);
    });
  };
  for (const NamedPath& named : all) {
    const auto fact = facts.paths.find(named.path);
    if (fact == facts.paths.end()) continue;
    const std::string& truth = fact->second.canonical;
    if (truth.empty() || truth == named.path || IsInAny(truth, places)) continue;
    if (!LeadsThrough(places, named.path, facts) || is_meant(truth)) continue;
    return Status(StatusCode::kInvalidArgument, Stage::kPlan,
                  StrCat(named.setting, " ", EscapeForTerminal(named.path), " leads to ",
                         EscapeForTerminal(truth),
                         ", out of a directory that commands may write: an earlier one may have "
                         "made the link"))
        .WithHint(StrCat("if it is meant: ", named.setting, " ", ShellWord(truth)));
  }
  return OkStatus();
}

}  // namespace mini
