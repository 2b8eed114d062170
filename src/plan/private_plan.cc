#include <algorithm>

#include "base/paths.h"
#include "base/strings.h"
#include "plan/host_layout.h"
#include "plan/mount_parts.h"

namespace mini {
namespace {

// Another mount may show a directory that is private here under a second name.
void HideAliases(const std::string& directory, Parts parts, const PrivatePaths& paths,
                 MountDraft& draft) {
  for (const std::string& alias : AliasesOf(directory, parts, draft.facts.mounts)) {
    if (IsSystemTree(alias) || paths.Contains(alias)) continue;
    // In an empty root, where everything named is known by now, it rarely shows.
    if (draft.root_is_empty && !draft.ShowsHostAt(alias)) continue;
    draft.AddPrivateMask(alias, 0700);
  }
}

// Whether the user put another directory above: what is private by its path may be missing there.
bool IsInRenamedBind(const std::string& path, const MountDraft& draft) {
  const std::vector<BindRequest>& binds = draft.policy.binds;
  return std::any_of(binds.begin(), binds.end(), [&](const BindRequest& bind) {
    return bind.source != bind.target && IsBelow(path, draft.Resolve(bind.target));
  });
}

}  // namespace

bool PrivatePaths::Contains(std::string_view path) const {
  return path == "/dev/shm" ||
         std::find(directories.begin(), directories.end(), path) != directories.end();
}

PrivatePaths FindPrivateDirectories(const MountDraft& draft) {
  PrivatePaths paths;
  for (const std::string_view path : PrivateDirectories()) {
    const PathFact& fact = draft.Fact(path);
    const bool can_be_made = fact.kind == PathKind::kMissing && draft.CanMakePointsAt(path);
    if (fact.kind != PathKind::kDirectory && !can_be_made) continue;
    const std::string place = draft.Resolve(std::string(path));
    if (paths.Contains(place)) continue;
    const bool nested =
        std::any_of(paths.directories.begin(), paths.directories.end(),
                    [&](const std::string& known) { return IsBelow(place, known); });
    // /var/lock is often /run/lock.
    (nested ? paths.nested : paths.directories).push_back(place);
  }
  return paths;
}

void PlanPrivateDirectories(const PrivatePaths& paths, MountDraft& draft) {
  if (draft.root_is_empty) {
    for (const std::string_view path : PrivateDirectories()) draft.AddLinksOnTheWayTo(path);
  }
  std::vector<MountOp>& scratch = draft.phases.scratch;
  for (const std::string& path : paths.directories) {
    const bool shared = path.ends_with("/tmp") || path.ends_with("/lock");
    const mode_t mode = shared ? 01777 : 0755;
    if (IsInRenamedBind(path, draft)) {
      draft.AddPrivateMask(path, mode);
      continue;
    }
    const std::string name = draft.AddPrivate(path, mode);
    for (const std::string& nested : paths.nested) {
      if (!IsBelow(nested, path)) continue;
      scratch.push_back(draft.ScratchDirectory(name + nested.substr(path.size()), 01777));
    }
    // A part of it that was mounted elsewhere was put there to be seen; its sockets are covered.
    HideAliases(path, Parts::kLeftOut, paths, draft);
    if (path != "/run") continue;
    // What XDG_RUNTIME_DIR names on most hosts.
    scratch.push_back(draft.ScratchDirectory(StrCat(name, "/user"), 0755));
    scratch.push_back(draft.ScratchDirectory(StrCat(name, "/user/", draft.facts.uid), 0700));
  }
}

void PlanPrivateHomes(const PrivatePaths& paths, MountDraft& draft) {
  for (const std::string& home : draft.facts.homes) {
    if (paths.Contains(home)) continue;
    if (home != draft.working_directory) draft.AddPrivate(home, 0700);
    HideAliases(home, Parts::kIncluded, paths, draft);
  }
}

void PlanHomesNotNamed(MountDraft& draft) {
  // $HOME often leads there through a symlink ("/home" to "/export/home").
  for (const std::string_view variable : draft.facts.environment) {
    if (variable.starts_with("HOME=/")) draft.AddLinksOnTheWayTo(NormalizePath(variable.substr(5)));
  }
  for (const std::string& home : draft.facts.homes) {
    const Cover* cover = draft.CoverAtOrAbove(home);
    const bool is_in_a_fresh_one =
        cover && cover->target != home && cover->may_make_points() && !cover->shows_host();
    if (!cover || is_in_a_fresh_one) draft.AddPrivate(home, 0700);
  }
}

}  // namespace mini
