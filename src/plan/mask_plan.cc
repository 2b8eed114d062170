#include "base/paths.h"
#include "base/strings.h"
#include "plan/host_layout.h"
#include "plan/mount_parts.h"
#include "plan/name_files.h"

namespace mini {
namespace {

void PlanNameFile(const char* path, std::string text, MountDraft& draft) {
  const PathFact& fact = draft.Fact(path);
  if (fact.kind == PathKind::kMissing) {
    draft.Notice(StrCat("this host has no ", path, ", so names may not resolve inside"));
    return;
  }
  draft.AddFile(fact.canonical, std::move(text));
}

void Mask(const std::string& path, MountDraft& draft) {
  const Cover* above = draft.CoverAbove(path);
  if (!above || above->kind != CoverKind::kPrivate) draft.AddMask(path, kEmptyDirectory);
}

}  // namespace

void PlanNameFiles(MountDraft& draft) {
  PlanNameFile(kResolvConf, ResolvConfInside(draft.facts.resolv_conf), draft);
  PlanNameFile(kHosts, HostsInside(draft.facts.hosts), draft);
}

// Connecting to a socket needs no write access to the mount it lies on (unix(7): only to the
// socket itself), so read-only does not keep the command from a program that listens there.
void PlanSockets(MountDraft& draft) {
  for (const std::string& socket : draft.facts.unix_sockets) MaskEverywhere(socket, draft);
}

void MaskEverywhere(const std::string& path, MountDraft& draft) {
  Mask(path, draft);
  for (const std::string& alias : AliasesOf(path, Parts::kLeftOut, draft.facts.mounts)) {
    Mask(alias, draft);
  }
  for (const BindRequest& bind : draft.policy.binds) {
    // Where the bind of a directory shows it under another name. One that is bound by itself is
    // meant to be used.
    const std::string& source = draft.Fact(bind.source).canonical;
    const std::string target = TargetOf(bind, draft);
    if (source == target || !IsBelow(path, source)) continue;
    Mask(JoinPath(target, path.substr(source == "/" ? 1 : source.size() + 1)), draft);
  }
}

}  // namespace mini
