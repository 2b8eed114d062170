#include <algorithm>

#include "base/paths.h"
#include "base/strings.h"
#include "plan/host_layout.h"
#include "plan/mount_ops.h"
#include "plan/mount_parts.h"

namespace mini {
namespace {

// A setting with its path, as messages name it.
std::string Named(std::string_view setting, std::string_view path) {
  return StrCat(setting, " ", EscapeForTerminal(path));
}

std::string Named(const BindRequest& bind, const MountDraft& draft) {
  const SettingNames& names = draft.policy.names;
  return Named(bind.access == Access::kWritable ? names.writable : names.read_only, bind.source);
}

// A mistake on any machine.
Status Refused(const std::string& named, std::string_view why) {
  return InvalidArgument(Stage::kArguments, StrCat(named, ": ", why));
}

// What this machine has there is of the wrong kind.
Status Unfit(const std::string& named, std::string_view why) {
  return InvalidArgument(Stage::kPlan, StrCat(named, ": ", why));
}

Status CheckExists(const std::string& named, const PathFact& fact, std::string_view hint) {
  if (fact.kind == PathKind::kMissing) {
    return Status(StatusCode::kNotFound, Stage::kPlan, StrCat(named, ": no such file or directory"))
        .WithHint(std::string(hint));
  }
  if (fact.canonical.empty()) {
    return Status(StatusCode::kPermissionDenied, Stage::kPlan,
                  StrCat(named, ": permission denied"));
  }
  return OkStatus();
}

// "/proc" and "/dev" by their own names are there anyway, as the sandbox's own.
bool IsOursAlready(std::string_view source, std::string_view target) {
  return source == target && (source == "/proc" || source == "/dev");
}

// What would undo the sandbox, or cannot be mounted.
Status CheckBind(const BindRequest& bind, const PathFact& fact, const std::string& target,
                 const MountDraft& draft) {
  const bool writable = bind.access == Access::kWritable;
  const std::string& source = fact.canonical;
  const auto refuse = [&](std::string_view why) { return Refused(Named(bind, draft), why); };
  if (source == "/" && writable) return refuse("the whole system cannot be writable");
  if (IsSameOrBelow(source, "/proc") || IsSameOrBelow(target, "/proc")) {
    return refuse("the sandbox has a /proc of its own");
  }
  if (writable && IsSameOrBelow(source, "/sys")) {
    return refuse("what is in /sys belongs to the whole machine");
  }
  if (source == "/dev" || target == "/dev") {
    return refuse("the sandbox has a /dev of its own; name single devices");
  }
  // In an empty root the host's entry of that name does not show.
  const PathKind there = source == target      ? fact.kind
                         : draft.root_is_empty ? PathKind::kMissing
                                               : draft.Fact(bind.target).kind;
  const bool is_directory = fact.kind == PathKind::kDirectory;
  if (there != PathKind::kMissing && (there == PathKind::kDirectory) != is_directory) {
    return Unfit(Named(bind, draft),
                 is_directory ? StrCat("a directory cannot lie on ", target, ", which is none")
                              : StrCat("a file cannot lie on ", target, ", a directory"));
  }
  return OkStatus();
}

// Writable and read-only at once, at its own path: whichever was meant, the other was a mistake.
Status CheckContradiction(const BindRequest& bind, const std::string& source,
                          const MountDraft& draft) {
  const std::vector<BindRequest>& binds = draft.policy.binds;
  const bool contradicted = std::any_of(binds.begin(), binds.end(), [&](const BindRequest& other) {
    return other.access == Access::kReadOnly && other.source == other.target &&
           draft.Fact(other.source).canonical == source;
  });
  if (bind.access == Access::kReadOnly || !contradicted) return OkStatus();
  return Refused(Named(bind, draft), StrCat("named by ", draft.policy.names.read_only,
                                            " as well; it is either writable or read-only"));
}

Status PlanBind(const BindRequest& bind, MountDraft& draft) {
  const bool writable = bind.access == Access::kWritable;
  const PathFact& fact = draft.Fact(bind.source);
  MINI_RETURN_IF_ERROR(
      CheckExists(Named(bind, draft), fact, writable ? "make it first: mkdir -p or touch" : ""));
  const bool renamed = bind.target != bind.source;
  const std::string target = renamed ? draft.Resolve(bind.target) : fact.canonical;
  if (!writable && IsOursAlready(fact.canonical, target)) return OkStatus();
  MINI_RETURN_IF_ERROR(CheckBind(bind, fact, target, draft));
  MINI_RETURN_IF_ERROR(CheckContradiction(bind, fact.canonical, draft));
  uint64_t attributes = writable ? kUntrusted : kReadOnly;
  // A device that the user names is meant to be used.
  if (IsDevice(fact.canonical)) attributes &= ~uint64_t{MOUNT_ATTR_NODEV};
  draft.AddBind(fact.canonical, target, fact.kind == PathKind::kDirectory, attributes);
  // The name the user typed may go through symlinks that do not show inside.
  draft.AddLinksOnTheWayTo(bind.target);
  return OkStatus();
}

Status CheckOverlay(const std::string& named, const PathFact& fact, const MountDraft& draft) {
  const std::string_view shows = draft.policy.names.read_only;
  const std::string& path = fact.canonical;
  if (IsBelow(path, "/proc")) return Refused(named, "the sandbox has a /proc of its own");
  if (IsBelow(path, "/dev")) return Refused(named, "the sandbox has a /dev of its own");
  if (IsSameOrBelow(path, "/sys")) {
    return Refused(named,
                   StrCat("what is in /sys belongs to the whole machine; ", shows, " shows it"));
  }
  if (fact.kind != PathKind::kDirectory) {
    return Unfit(named, StrCat("not a directory, so it cannot be overlaid; ", shows, " shows it"));
  }
  return OkStatus();
}

// Whether something else that the user named lies between an overlay and a path in it.
bool IsNamedBetween(const std::string& overlay, const std::string& path, const MountDraft& draft) {
  const auto lies_between = [&](const std::string& named) {
    const std::string place = draft.Resolve(named);
    return IsBelow(place, overlay) && IsBelow(path, place);
  };
  const Policy& policy = draft.policy;
  return std::any_of(policy.binds.begin(), policy.binds.end(),
                     [&](const BindRequest& bind) { return lies_between(bind.target); }) ||
         std::any_of(policy.empty_directories.begin(), policy.empty_directories.end(),
                     lies_between);
}

}  // namespace

Status PlanNamedOverlays(MountDraft& draft) {
  std::vector<std::string> paths;
  for (const std::string& named : draft.policy.overlays) {
    const PathFact& fact = draft.Fact(named);
    MINI_RETURN_IF_ERROR(CheckExists(Named(draft.policy.names.overlay, named), fact, ""));
    if (IsOursAlready(fact.canonical, fact.canonical)) continue;
    MINI_RETURN_IF_ERROR(CheckOverlay(Named(draft.policy.names.overlay, named), fact, draft));
    paths.push_back(fact.canonical);
    draft.AddLinksOnTheWayTo(named);
  }
  // With /usr, /bin is there already where it leads into it. One overlay instead of two: between
  // two, files could not be renamed.
  std::sort(paths.begin(), paths.end());
  std::string last;
  for (const std::string& path : paths) {
    const bool is_there = !last.empty() && IsSameOrBelow(path, last);
    if (is_there && !IsNamedBetween(last, path, draft)) continue;
    if (!AddOverlay(path, draft)) {
      // As where the kernel cannot: stricter than what was asked for, and said.
      draft.AddBind(path, path, true, kReadOnly);
      draft.Notice(StrCat(Named(draft.policy.names.overlay, path),
                          ": read-only inside, because mounts in it cannot be overlaid; name "
                          "directories in it that hold none"));
    }
    last = path;
  }
  return OkStatus();
}

Status PlanBinds(MountDraft& draft) {
  for (const BindRequest& bind : draft.policy.binds) {
    MINI_RETURN_IF_ERROR(PlanBind(bind, draft));
  }
  return OkStatus();
}

std::vector<std::string> PathsBehind(const std::string& path, const Policy& policy) {
  std::vector<std::string> paths;
  for (const BindRequest& bind : policy.binds) {
    if (bind.source == bind.target || !IsBelow(path, bind.target)) continue;
    paths.push_back(JoinPath(bind.source, path.substr(bind.target.size() + 1)));
  }
  return paths;
}

Status PlanEmptyDirectories(MountDraft& draft) {
  for (const std::string& path : draft.policy.empty_directories) {
    const std::string named = Named(draft.policy.names.empty_directory, path);
    const PathFact& fact = draft.Fact(path);
    const std::string target = draft.Resolve(path);
    const Cover* above = draft.CoverAbove(target);
    const bool in_renamed_bind = above && above->kind == CoverKind::kBind && !above->shows_host();
    if (IsSameOrBelow(target, "/proc")) return Refused(named, "the sandbox has a /proc of its own");
    if (target == "/dev" || IsDevice(target)) {
      return Refused(named, "the sandbox has a /dev of its own");
    }
    if (!draft.CanMakePointsAt(target) && !in_renamed_bind) {
      MINI_RETURN_IF_ERROR(CheckExists(named, fact, "make it first: mkdir -p"));
      if (fact.kind != PathKind::kDirectory) return Unfit(named, "not a directory");
    }
    draft.AddEmpty(target);
    draft.AddLinksOnTheWayTo(path);
  }
  return OkStatus();
}

}  // namespace mini
