#include "plan/overlay_facts.h"

#include <algorithm>
#include <set>

#include "base/paths.h"
#include "plan/host_layout.h"
#include "plan/plan.h"

namespace mini {
namespace {

const PathFact* FindFact(std::string_view path, const HostFacts& facts) {
  const auto found = facts.paths.find(path);
  return found == facts.paths.end() ? nullptr : &found->second;
}

std::string WorkingDirectoryOf(const Policy& policy, const HostFacts& facts) {
  if (!policy.working_directory) return facts.working_directory;
  const PathFact* fact = FindFact(*policy.working_directory, facts);
  return fact ? fact->canonical : "";
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Below "/", the topmost first.
std::vector<std::string> ParentsOf(const std::string& path) {
  std::vector<std::string> parents;
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    parents.push_back(path.substr(0, slash));
  }
  return parents;
}

bool IsPartOfAHome(std::string_view path, const HostFacts& facts) {
  return std::any_of(facts.homes.begin(), facts.homes.end(), [&](const std::string& home) {
    return IsSameOrBelow(path, home) || PartOf(path, home, facts.mounts);
  });
}

bool IsPrivatePlace(std::string_view path, const HostFacts& facts) {
  const auto directories = PrivateDirectories();
  return IsPartOfAHome(path, facts) ||
         std::any_of(directories.begin(), directories.end(), [&](std::string_view name) {
           const PathFact* fact = FindFact(name, facts);
           return fact && !fact->canonical.empty() && IsSameOrBelow(path, fact->canonical);
         });
}

// What the plan may want to overlay.
std::vector<std::string> OverlayRoots(const Policy& policy, const HostFacts& facts) {
  std::vector<std::string> roots;
  for (const std::string& path : policy.overlays) {
    const PathFact* fact = FindFact(path, facts);
    if (fact && !fact->canonical.empty()) roots.push_back(fact->canonical);
  }
  if (HasEmptyRoot(policy)) return roots;
  roots.insert(roots.end(), facts.writable_system_directories.begin(),
               facts.writable_system_directories.end());
  std::string working_directory = WorkingDirectoryOf(policy, facts);
  if (IsPartOfAHome(working_directory, facts)) roots.push_back(std::move(working_directory));
  if (!facts.writable_parent.empty()) roots.push_back(facts.writable_parent);
  return roots;
}

}  // namespace

std::string ScratchDirectoryOf(const Policy& policy, const HostFacts& facts) {
  if (!policy.scratch_directory) return "";
  const PathFact* fact = FindFact(*policy.scratch_directory, facts);
  return fact && fact->kind == PathKind::kDirectory ? JoinPath(fact->canonical, facts.scratch_name)
                                                    : "";
}

std::vector<std::string> OverlayObstacles(std::string_view directory, const Policy& policy,
                                          const HostFacts& facts) {
  std::vector<std::string> obstacles;
  for (const MountFact& mount : facts.mounts) {
    if (IsBelow(mount.mount_point, directory)) obstacles.push_back(mount.mount_point);
  }
  std::string scratch = ScratchDirectoryOf(policy, facts);
  if (IsBelow(scratch, directory)) obstacles.push_back(std::move(scratch));
  std::sort(obstacles.begin(), obstacles.end());
  return obstacles;
}

bool HasObstacleBelow(std::string_view directory, const std::vector<std::string>& obstacles) {
  return std::any_of(obstacles.begin(), obstacles.end(),
                     [&](const std::string& obstacle) { return IsBelow(obstacle, directory); });
}

std::vector<std::string> ParentsToProbe(const Policy& policy, const HostFacts& facts) {
  const std::string path = WorkingDirectoryOf(policy, facts);
  if (policy.mode != Mode::kDefault || path.empty() || IsSystemDirectory(path)) return {};
  // Above a mount point lies somebody else's tree: only the one that holds the working directory
  // counts as its surroundings.
  const std::string nearest = ParentOf(path);
  std::vector<std::string> parents;
  for (std::string& parent : ParentsOf(path)) {
    if (IsPrivatePlace(parent, facts)) return {};  // and so is what lies below
    if (IsSystemTree(parent) || MayHang(parent, facts.mounts) ||
        !SameMount(parent, nearest, facts.mounts)) {
      continue;
    }
    parents.push_back(std::move(parent));
  }
  return parents;
}

std::vector<std::string> DirectoriesToList(const Policy& policy, const HostFacts& facts) {
  std::set<std::string> directories;
  for (const std::string& root : OverlayRoots(policy, facts)) {
    const std::vector<std::string> obstacles = OverlayObstacles(root, policy, facts);
    const auto is_obstacle = [&](const std::string& path) {
      return std::binary_search(obstacles.begin(), obstacles.end(), path);
    };
    for (const std::string& obstacle : obstacles) {
      std::vector<std::string> way;
      for (std::string path = ParentOf(obstacle);; path = ParentOf(path)) {
        way.push_back(path);
        if (path == root) break;
        if (is_obstacle(path)) way.clear();  // a mount in a mount, which stays as it is whole
      }
      for (std::string& path : way) {
        if (!MayHang(path, facts.mounts)) directories.insert(std::move(path));
      }
    }
  }
  return {directories.begin(), directories.end()};
}

}  // namespace mini
