#include <algorithm>
#include <optional>

#include "base/paths.h"
#include "base/strings.h"
#include "plan/host_layout.h"
#include "plan/mount_ops.h"
#include "plan/mount_parts.h"

namespace mini {
namespace {

// Whether `directory` shows at all at `path` inside, or something empty lies between them.
bool IsHiddenBetween(std::string_view directory, std::string_view path, const MountDraft& draft) {
  const std::vector<std::string>& named = draft.policy.empty_directories;
  const auto hides = [&](const std::string& empty) {
    return IsBelow(empty, directory) && IsSameOrBelow(path, empty);
  };
  return std::any_of(draft.covers().begin(), draft.covers().end(),
                     [&](const Cover& cover) {
                       return cover.kind == CoverKind::kPrivate && hides(cover.target);
                     }) ||
         std::any_of(named.begin(), named.end(),
                     [&](const std::string& empty) { return hides(draft.Resolve(empty)); });
}

// Whether the user has already decided about the working directory: by naming it, or with a
// writable bind above it.
bool IsDecidedByUser(const std::string& path, const MountDraft& draft) {
  const std::vector<BindRequest>& binds = draft.policy.binds;
  const std::vector<std::string>& empty = draft.policy.empty_directories;
  return std::any_of(binds.begin(), binds.end(),
                     [&](const BindRequest& bind) {
                       const std::string target = draft.Resolve(bind.target);
                       return path == target ||
                              (bind.access == Access::kWritable && bind.source == bind.target &&
                               IsBelow(path, target) && !IsHiddenBetween(target, path, draft));
                     }) ||
         std::any_of(empty.begin(), empty.end(),
                     [&](const std::string& named) { return path == draft.Resolve(named); });
}

// What of any home the path is: by its name, or by way of another mount. As PartOf().
std::vector<std::string> PartsOfHomes(const std::string& path, const HostFacts& facts) {
  std::vector<std::string> parts;
  for (const std::string& home : facts.homes) {
    if (IsSameOrBelow(path, home)) parts.push_back(path.substr(home.size()));
    if (auto part = PartOf(path, home, facts.mounts)) parts.push_back(std::move(*part));
  }
  return parts;
}

Status RefuseToWorkAmongCredentials(const std::string& path, const MountDraft& draft) {
  return Status(StatusCode::kInvalidArgument, Stage::kPlan,
                StrCat("the working directory ", path, " holds credentials"))
      .WithHint(StrCat("run from another directory, or open it with ", draft.policy.names.writable,
                       " ", ShellWord(path)));
}

// Whether a name for credentials in a home is a symlink that leads there, or above. Known in the
// modes in which HOME shows.
bool IsWhereASecretLies(const std::string& path, const MountDraft& draft) {
  const auto secrets = SecretsOfHome();
  return std::any_of(
      draft.facts.homes.begin(), draft.facts.homes.end(), [&](const std::string& home) {
        return std::any_of(secrets.begin(), secrets.end(), [&](std::string_view name) {
          const std::string& place = draft.Fact(JoinPath(home, name)).canonical;
          return !place.empty() && !IsSystemTree(place) && IsSameOrBelow(path, place);
        });
      });
}

// The secrets below the working directory; an error when it is one itself.
Result<std::vector<std::string>> SecretsInWorkingDirectory(const MountDraft& draft) {
  const std::string& path = draft.working_directory;
  if (IsWhereASecretLies(path, draft)) return RefuseToWorkAmongCredentials(path, draft);
  std::vector<std::string> secrets;
  for (const std::string& part : PartsOfHomes(path, draft.facts)) {
    for (const std::string_view name : SecretsOfHome()) {
      const std::string secret = JoinPath("/", name);
      if (!part.empty() && IsSameOrBelow(part, secret)) {
        return RefuseToWorkAmongCredentials(path, draft);
      }
      if (IsBelow(secret, part.empty() ? "/" : part)) {
        secrets.push_back(path + secret.substr(part.size()));
      }
    }
  }
  std::sort(secrets.begin(), secrets.end());
  secrets.erase(std::unique(secrets.begin(), secrets.end()), secrets.end());
  return secrets;
}

std::string SystemDirectoryNotice(const std::string& path, const MountDraft& draft) {
  const std::string_view opens = draft.policy.names.writable;
  const std::string notice =
      StrCat("the working directory ", path, " belongs to the system: nothing is written through");
  const bool can_be_opened = path != "/" && !IsSameOrBelow(path, "/proc") &&
                             !IsSameOrBelow(path, "/sys") && !IsSameOrBelow(path, "/dev");
  return can_be_opened
             ? StrCat(notice, "; ", opens, " ", ShellWord(path), " opens what you may write there")
             : StrCat(notice, "; run from the directory you want to change, or name it with ",
                      opens);
}

void PlanWorkingInHome(const std::vector<std::string>& secrets, MountDraft& draft) {
  const std::string& path = draft.working_directory;
  if (!AddOverlay(path, draft)) {
    draft.AddBind(path, path, true, kReadOnly);
    draft.Notice(StrCat("the working directory ", path,
                        " holds credentials and a mount: it is read-only, and files that hold "
                        "credentials are hidden; work in a directory below"));
  } else {
    draft.Notice(StrCat("the working directory ", path,
                        " may hold credentials: those are hidden and changes are discarded; work "
                        "in a directory below it to keep them"));
  }
  draft.secrets_in_working_directory = secrets;
}

// Whether the command can start at `path`, once everything else is planned.
bool ShowsDirectory(const std::string& path, const MountDraft& draft) {
  const Cover* cover = draft.CoverAtOrAbove(path);
  if (cover && cover->target == path) return cover->is_directory;
  if (cover && cover->kind == CoverKind::kBind && !cover->shows_host()) {
    const auto behind = PathsBehind(draft.policy.working_directory.value_or(path), draft.policy);
    return std::any_of(behind.begin(), behind.end(), [&](const std::string& source) {
      return draft.Fact(source).kind == PathKind::kDirectory;
    });
  }
  if (cover && cover->shows_host()) {
    return path == draft.facts.working_directory || draft.Fact(path).kind == PathKind::kDirectory;
  }
  // Mount points are made with the directories above them.
  return path == "/" ||
         std::any_of(draft.covers().begin(), draft.covers().end(),
                     [&](const Cover& below) { return IsBelow(below.target, path); });
}

std::string PrivateDirectoryNotice(const std::string& path) {
  return StrCat("the working directory ", path,
                " is private and empty inside; run from a directory below it to see your files");
}

}  // namespace

Status FindWorkingDirectory(MountDraft& draft) {
  draft.working_directory = draft.facts.working_directory;
  if (!draft.policy.working_directory) return OkStatus();
  const PathFact& fact = draft.Fact(*draft.policy.working_directory);
  if (fact.kind != PathKind::kDirectory) {
    return Status(StatusCode::kNotFound, Stage::kPlan,
                  StrCat(draft.policy.names.working_directory, " ", *draft.policy.working_directory,
                         ": not a directory that exists"));
  }
  draft.working_directory = fact.canonical;
  return OkStatus();
}

Status PlanWorkingDirectory(const PrivatePaths& paths, MountDraft& draft) {
  const std::string& path = draft.working_directory;
  draft.plan.working_directory = path;
  if (IsDecidedByUser(path, draft)) return OkStatus();
  MINI_ASSIGN_OR_RETURN(const std::vector<std::string> secrets, SecretsInWorkingDirectory(draft));
  if (paths.Contains(path)) {
    draft.Notice(PrivateDirectoryNotice(path));
  } else if (!secrets.empty()) {
    PlanWorkingInHome(secrets, draft);
  } else if (IsSystemDirectory(path)) {
    draft.Notice(SystemDirectoryNotice(path, draft));
  } else {
    draft.AddBind(path, path, true, kUntrusted);
  }
  return OkStatus();
}

Status PlanStart(MountDraft& draft) {
  const SettingNames& names = draft.policy.names;
  const std::optional<std::string>& named = draft.policy.working_directory;
  const std::string path = named ? draft.Resolve(*named) : draft.facts.working_directory;
  const Cover* cover = draft.CoverAtOrAbove(path);
  if (ShowsDirectory(path, draft)) {
    draft.working_directory = path;
    const bool is_private = cover && cover->target == path && cover->kind == CoverKind::kPrivate;
    if (is_private && !named) {
      draft.Notice(StrCat("the working directory ", path, " is private and empty inside; ",
                          names.writable, " PATH shows what you need of it, and ", names.read_only,
                          " PATH without writing to it"));
    }
  } else if (named) {
    return Status(StatusCode::kNotFound, Stage::kPlan,
                  StrCat(names.working_directory, " ", EscapeForTerminal(*named),
                         ": no such directory inside"))
        .WithHint(StrCat("show it with ", names.read_only, ", or with ", names.writable,
                         " to write to it"));
  } else {
    draft.working_directory = "/";
    draft.Notice(StrCat("the working directory ", path,
                        " does not show inside, so the command starts in /; ", names.writable, " ",
                        ShellWord(path), " shows it, and ", names.read_only, " ", ShellWord(path),
                        " without writing to it"));
  }
  draft.plan.working_directory = draft.working_directory;
  return OkStatus();
}

}  // namespace mini
