#include "base/paths.h"
#include "base/strings.h"
#include "plan/host_layout.h"
#include "plan/mount_ops.h"
#include "plan/mount_parts.h"

namespace mini {
namespace {

// What would undo the sandbox, or cannot be mounted.
Status CheckBind(const BindRequest& bind, const PathFact& fact, const std::string& target,
                 const MountDraft& draft) {
  const bool writable = bind.access == Access::kWritable;
  const auto refuse = [&](std::string_view why) {
    return InvalidArgument(Stage::kArguments,
                           StrCat(writable ? "-w " : "-M ", bind.source, ": ", why));
  };
  const std::string& source = fact.canonical;
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
  const PathKind there = bind.source == bind.target ? fact.kind : draft.Fact(bind.target).kind;
  const bool is_directory = fact.kind == PathKind::kDirectory;
  if (there != PathKind::kMissing && (there == PathKind::kDirectory) != is_directory) {
    return refuse(is_directory ? StrCat("a directory cannot lie on ", target, ", which is none")
                               : StrCat("a file cannot lie on ", target, ", a directory"));
  }
  return OkStatus();
}

Status PlanBind(const BindRequest& bind, MountDraft& draft) {
  const bool writable = bind.access == Access::kWritable;
  const PathFact& fact = draft.Fact(bind.source);
  if (fact.kind == PathKind::kMissing) {
    return Status(StatusCode::kNotFound, Stage::kPlan,
                  StrCat(writable ? "-w " : "-M ", bind.source, ": no such file or directory"))
        .WithHint(writable ? "make it first: mkdir -p or touch" : "");
  }
  if (fact.canonical.empty()) {
    return Status(StatusCode::kPermissionDenied, Stage::kPlan,
                  StrCat(writable ? "-w " : "-M ", bind.source, ": permission denied"));
  }
  const bool renamed = bind.target != bind.source;
  const std::string target = renamed ? TargetOf(bind, draft) : fact.canonical;
  MINI_RETURN_IF_ERROR(CheckBind(bind, fact, target, draft));
  uint64_t attributes = writable ? kUntrusted : kReadOnly;
  // A device that the user names is meant to be used.
  if (IsDevice(fact.canonical)) attributes &= ~uint64_t{MOUNT_ATTR_NODEV};
  draft.AddBind(fact.canonical, target, fact.kind == PathKind::kDirectory, attributes);
  // The name the user typed may be a symlink in a directory that is private inside.
  if (!renamed && bind.source != fact.canonical) draft.AddLink(bind.source, target);
  return OkStatus();
}

}  // namespace

std::string TargetOf(const BindRequest& bind, const MountDraft& draft) {
  const std::string& known = draft.Fact(bind.target).canonical;
  return known.empty() ? bind.target : known;
}

Status PlanBinds(MountDraft& draft) {
  for (const BindRequest& bind : draft.policy.binds) {
    MINI_RETURN_IF_ERROR(PlanBind(bind, draft));
  }
  return OkStatus();
}

}  // namespace mini
