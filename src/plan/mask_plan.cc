#include <sys/mount.h>

#include <algorithm>

#include "base/paths.h"
#include "base/strings.h"
#include "plan/host_layout.h"
#include "plan/mount_parts.h"
#include "plan/name_files.h"

namespace mini {
namespace {

// Every path at which the host's object `path` shows inside, by its own name, by way of another
// mount, or below a bind to another place.
std::vector<std::string> PlacesOf(const std::string& path, Parts parts, const MountDraft& draft) {
  std::vector<std::string> names = AliasesOf(path, parts, draft.facts.mounts);
  names.insert(names.begin(), path);
  std::vector<std::string> places;
  for (const std::string& name : names) {
    if (draft.ShowsHostAt(name)) places.push_back(name);
    for (const Cover& cover : draft.covers()) {
      if (cover.kind != CoverKind::kBind || cover.shows_host() || !IsBelow(name, cover.source)) {
        continue;
      }
      const size_t prefix = cover.source == "/" ? 1 : cover.source.size() + 1;
      places.push_back(JoinPath(cover.target, name.substr(prefix)));
    }
  }
  return places;
}

// Hides a place that holds credentials, unless the user named it: then the later kind of cover is
// on top. Returns whether it did.
bool HideSecret(const std::string& place, MountDraft& draft) {
  const std::vector<Cover>& covers = draft.covers();
  const bool is_named = std::any_of(covers.begin(), covers.end(), [&](const Cover& cover) {
    return cover.target == place &&
           (cover.kind == CoverKind::kBind || cover.kind == CoverKind::kOverlay);
  });
  if (is_named) return false;
  const bool holds_named = std::any_of(covers.begin(), covers.end(), [&](const Cover& cover) {
    return IsBelow(cover.target, place) && cover.kind != CoverKind::kMask &&
           cover.kind != CoverKind::kKept && cover.kind != CoverKind::kPart;
  });
  holds_named ? draft.AddPrivateMask(place, 0700) : draft.AddMask(place);
  return true;
}

// ".netrc, .ssh and 4 more"
std::string FirstOf(const std::vector<std::string_view>& names) {
  constexpr size_t kShown = 3;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    text += StrCat(i == 0 ? "" : ", ", names[i]);
  }
  return names.size() <= kShown ? text : StrCat(text, " and ", names.size() - kShown, " more");
}

void PlanNameFile(const char* path, std::string text, MountDraft& draft) {
  const PathFact& fact = draft.Fact(path);
  const bool can_be_made = draft.root_is_empty && draft.CoverAbove(path) == nullptr;
  if (fact.kind == PathKind::kMissing && !can_be_made) {
    draft.Notice(StrCat("this host has no ", path, ", so names may not resolve inside"));
    return;
  }
  draft.AddFile(draft.Resolve(path), std::move(text));
  draft.AddLinksOnTheWayTo(path);
}

}  // namespace

// In -x, HOME is hidden but for what the user's binds show. In the other modes it shows, in whole
// or as far as it is named.
void PlanSecrets(MountDraft& draft) {
  for (const std::string& place : draft.secrets_in_working_directory) HideSecret(place, draft);
  std::vector<std::string_view> hidden;
  for (const std::string& home : draft.facts.homes) {
    for (const std::string_view name : SecretsOfHome()) {
      const std::string& path = draft.Fact(JoinPath(home, name)).canonical;
      // Some lead to /dev/null, or to what a system keeps for everybody.
      if (path.empty() || IsSystemTree(path)) continue;
      bool is_hidden = false;
      bool is_named = false;
      for (const std::string& place : PlacesOf(path, Parts::kIncluded, draft)) {
        if (IsSystemTree(place)) continue;
        HideSecret(place, draft) ? is_hidden = true : is_named = true;
      }
      // What was typed to shells is hidden, and no reason for a line on every run.
      const bool is_history = name.find("history") != std::string_view::npos;
      if (is_hidden && !is_named && !is_history) hidden.push_back(name);
    }
  }
  if (hidden.empty()) return;
  draft.Notice(StrCat("what may hold credentials in HOME is hidden (", FirstOf(hidden), "); ",
                      draft.policy.names.read_only, " PATH shows one"));
}

// A chroot or a container's root has one, and a bind of "/" to another place brings the host's own:
// it tells about the host's processes.
void PlanForeignProc(MountDraft& draft) {
  for (const MountFact& mount : draft.facts.mounts) {
    if (mount.filesystem != "proc") continue;
    for (const std::string& place : PlacesOf(mount.mount_point, Parts::kLeftOut, draft)) {
      if (!IsSameOrBelow(place, "/proc")) draft.AddMask(place);
    }
  }
}

void PlanNameFiles(MountDraft& draft) {
  PlanNameFile(kResolvConf, ResolvConfInside(draft.facts.resolv_conf), draft);
  PlanNameFile(kHosts,
               HostsInside(draft.facts.hosts, draft.plan.host_name.value_or(draft.facts.host_name)),
               draft);
}

void PlanHiddenNameFiles(MountDraft& draft) {
  // /etc/resolv.conf is often a symlink into /run, which is empty inside.
  const auto show = [&](const char* path, const std::string& text) {
    const std::string& canonical = draft.Fact(path).canonical;
    if (canonical.empty() || draft.ShowsHostAt(canonical)) return;
    PlanNameFile(path, text, draft);
  };
  show(kResolvConf, draft.facts.resolv_conf);
  show(kHosts, draft.facts.hosts);
}

// Connecting to a socket needs no write access to the mount it lies on (unix(7): only to the
// socket itself), so read-only does not keep the command from a program that listens there. One
// that is bound by itself is meant to be used.
void PlanSockets(MountDraft& draft) {
  for (const std::string& socket : draft.facts.unix_sockets) MaskEverywhere(socket, draft);
}

// Covered, it can be neither read nor written nor renamed. A directory above it could be renamed,
// unless that is the root of what may be written: a mount point cannot (rename(2), EBUSY). That
// holds within its own mount namespace only: in a nested one that has left the sandbox's root, what
// is covered is no mount point, and can be renamed.
Status HideVerdictLog(MountDraft& draft) {
  const std::string& path = draft.facts.verdict_log;
  if (path.empty()) return OkStatus();
  const WritableReach reach = WritableReachOf(path, draft);
  const bool is_nested = draft.policy.nesting == Nesting::kAllowed;
  const bool is_in_root = JoinPath(reach.root, path.substr(path.rfind('/') + 1)) == path;
  if (reach.by_another_mount || (!reach.root.empty() && (is_nested || !is_in_root))) {
    return InvalidArgument(Stage::kPlan,
                           StrCat("--log ", EscapeForTerminal(path),
                                  ": the command could put another file in its place"))
        .WithHint(is_nested
                      ? "with --nested, name one outside of what is writable"
                      : "name one in the working directory itself, or outside of what is writable");
  }
  MaskEverywhere(path, draft);
  return OkStatus();
}

WritableReach WritableReachOf(const std::string& path, const MountDraft& draft) {
  WritableReach reach;
  for (const MountOp& op : draft.phases.on_host) {
    if (op.kind != MountOpKind::kCloneTree || (op.attributes & MOUNT_ATTR_RDONLY) != 0) continue;
    if (IsSameOrBelow(path, op.source)) {
      if (op.source.size() > reach.root.size()) reach.root = op.source;
    } else if (PartOf(path, op.source, draft.facts.mounts)) {
      reach.by_another_mount = true;
    }
  }
  return reach;
}

void MaskEverywhere(const std::string& path, MountDraft& draft) {
  for (const std::string& place : PlacesOf(path, Parts::kLeftOut, draft)) draft.AddMask(place);
}

}  // namespace mini
