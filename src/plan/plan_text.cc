// The text of a plan: what --print-plan shows and golden tests compare.
#include <sys/mount.h>

#include "base/strings.h"
#include "plan/plan.h"

namespace mini {
namespace {

std::string_view KindName(MountOpKind kind) {
  switch (kind) {
    case MountOpKind::kCloneTree:
      return "clone-tree";
    case MountOpKind::kCloneNode:
      return "clone-node";
    case MountOpKind::kCloneOwnDirectory:
      return "clone-own-directory";
    case MountOpKind::kNewFilesystem:
      return "new-filesystem";
    case MountOpKind::kMountIn:
      return "mount-in";
    case MountOpKind::kPivotRoot:
      return "pivot-root";
    case MountOpKind::kOpenFile:
      return "open-file";
    case MountOpKind::kOpenLower:
      return "open-lower";
    case MountOpKind::kScratch:
      return "scratch";
    case MountOpKind::kDirectoryIn:
      return "directory-in";
    case MountOpKind::kFileIn:
      return "file-in";
    case MountOpKind::kSymlinkIn:
      return "symlink-in";
    case MountOpKind::kAttachIn:
      return "attach-in";
    case MountOpKind::kCloneScratch:
      return "clone-scratch";
    case MountOpKind::kTestOverlay:
      return "test-overlay";
    case MountOpKind::kOverlay:
      return "overlay";
    case MountOpKind::kCopyMode:
      return "copy-mode";
    case MountOpKind::kShowFile:
      return "show-file";
    case MountOpKind::kMakeDirectories:
      return "make-directories";
    case MountOpKind::kMakeFile:
      return "make-file";
    case MountOpKind::kMakeSymlink:
      return "make-symlink";
    case MountOpKind::kAttach:
      return "attach";
    case MountOpKind::kDetach:
      return "detach";
    case MountOpKind::kMask:
      return "mask";
    case MountOpKind::kReadOnlyBind:
      return "read-only-bind";
    case MountOpKind::kSetAttributes:
      return "set-attributes";
    case MountOpKind::kSetTreeAttributes:
      return "set-tree-attributes";
  }
  return "unknown";
}

std::string AttributesText(uint64_t attributes) {
  static constexpr struct {
    uint64_t bit;
    const char* name;
  } kNames[] = {{MOUNT_ATTR_RDONLY, "ro"},
                {MOUNT_ATTR_NOSUID, "nosuid"},
                {MOUNT_ATTR_NODEV, "nodev"},
                {MOUNT_ATTR_NOEXEC, "noexec"}};
  std::string text;
  for (const auto& [bit, name] : kNames) {
    if (attributes & bit) text += StrCat(text.empty() ? "" : ",", name);
  }
  return text;
}

std::string ModeText(mode_t mode) {
  std::string digits;
  for (int shift = 9; shift >= 0; shift -= 3) {
    digits += static_cast<char>('0' + (mode >> shift & 7));
  }
  return digits;
}

// Quoted only where it has to be, so that golden plans stay readable.
std::string Word(std::string_view text) {
  const std::string escaped = EscapeForTerminal(text, text.size());
  const bool plain =
      !text.empty() && escaped == text && text.find_first_of(" \"'\\") == std::string_view::npos;
  return plain ? escaped : StrCat("\"", escaped, "\"");
}

// The operands, in the order of a sentence.
std::string Operands(const MountOp& op) {
  switch (op.kind) {
    case MountOpKind::kNewFilesystem:
      return op.source.empty() ? op.data : StrCat(op.data, " ", op.source);
    case MountOpKind::kMountIn:
      return StrCat(op.data, op.source.empty() ? "" : " ", op.source, " on ", Word(op.target));
    case MountOpKind::kPivotRoot:
      return StrCat("#", op.slot);
    case MountOpKind::kScratch:
    case MountOpKind::kAttach:
      return StrCat("#", op.slot, " on ", Word(op.target));
    case MountOpKind::kAttachIn:
      return StrCat("#", op.slot, " on #", op.lower_slot, " ", Word(op.source));
    case MountOpKind::kCopyMode:
      return StrCat("#", op.lower_slot, " to ", Word(op.source));
    case MountOpKind::kShowFile:
      return StrCat("#", op.slot, " on ", Word(op.target));
    case MountOpKind::kTestOverlay:
      return StrCat("in ", Word(op.target));
    case MountOpKind::kOverlay:
      return StrCat(Word(op.target), " lower #", op.lower_slot, " upper ", Word(op.source));
    case MountOpKind::kDirectoryIn:
      return StrCat("#", op.slot, " ", Word(op.source), " mode ", ModeText(op.mode));
    case MountOpKind::kFileIn:
      return StrCat("#", op.slot, " ", Word(op.source), " mode ", ModeText(op.mode),
                    op.data.empty() ? "" : " ", op.data.empty() ? "" : Word(op.data));
    case MountOpKind::kSymlinkIn:
      return StrCat("#", op.slot, " ", Word(op.source), " to ", Word(op.data));
    case MountOpKind::kMakeSymlink:
      return StrCat(Word(op.target), " to ", Word(op.source));
    case MountOpKind::kMask:
      return StrCat(Word(op.target), " by ", op.source);
    default:
      return Word(op.source.empty() ? op.target : op.source);
  }
}

// The caller's own ids need no arrow.
std::string IdMapText(const IdMap& map) {
  return map.inside == map.outside ? StrCat(map.inside) : StrCat(map.outside, "->", map.inside);
}

std::string NetworkText(Network network) {
  switch (network) {
    case Network::kLoopback:
      return "loopback";
    case Network::kUnconfigured:
      return "unconfigured";
    case Network::kHost:
      return "of the host";
    case Network::kStack:
      break;
  }
  return StrCat("stack ", kSandboxAddressV4, " ", kSandboxAddressV6, " resolver ",
                kSandboxResolver);
}

// Every rule, however many: a plan is read to see what a run would allow.
std::string StackText(const Plan& plan) {
  std::string text = "rules none, public addresses are open\n";
  if (plan.rules) {
    text = StrCat("rules ", plan.rules->size(), "\n");
    for (const netstack::Rule& rule : *plan.rules) {
      text += StrCat("rule ", rule.ToString(), " (", Word(rule.source), ":", rule.line, ")\n");
    }
  }
  if (plan.server_names == ServerNames::kRequired) text += "strict-names\n";
  if (plan.max_connections) text += StrCat("max-connections ", *plan.max_connections, "\n");
  for (const PortRequest& port : plan.published) text += StrCat("publish ", port.ToString(), "\n");
  return text;
}

// Whether the step makes its slot rather than uses it.
bool MakesSlot(MountOpKind kind) {
  switch (kind) {
    case MountOpKind::kCloneTree:
    case MountOpKind::kCloneNode:
    case MountOpKind::kCloneOwnDirectory:
    case MountOpKind::kNewFilesystem:
    case MountOpKind::kOpenFile:
    case MountOpKind::kOpenLower:
    case MountOpKind::kCloneScratch:
    case MountOpKind::kOverlay:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string MountOp::ToString() const {
  std::string text = StrCat(KindName(kind), " ", Operands(*this));
  if (attributes != 0) text += StrCat(" [", AttributesText(attributes), "]");
  if (MakesSlot(kind)) text += StrCat(" -> #", slot);
  return text;
}

namespace {

std::string_view RightsName(PathRights rights) {
  switch (rights) {
    case PathRights::kRead:
      return "read";
    case PathRights::kDevice:
      return "device";
    case PathRights::kWrite:
      return "write";
  }
  return "unknown";
}

// In place of namespaces, id maps, network and mounts.
std::string DegradedText(const DegradedPlan& plan) {
  std::string text = StrCat("no namespaces, landlock ", plan.landlock_abi, "\n");
  for (const PathRule& rule : plan.rules) {
    text += StrCat("allow ", RightsName(rule.rights), " ", Word(rule.path), "\n");
  }
  return text + "refuse sockets\n";
}

}  // namespace

std::string Plan::ToString() const {
  std::string text = StrCat("namespaces user mount pid ipc uts cgroup",
                            network == Network::kHost ? "" : " net", "\n");
  text += StrCat("map uid ", IdMapText(uid), " gid ", IdMapText(gid), "\n");
  if (host_name) text += StrCat("host-name ", Word(*host_name), "\n");
  text += StrCat("network ", NetworkText(network), "\n");
  if (network == Network::kStack) text += StackText(*this);
  if (nesting == Nesting::kAllowed) text += "nesting allowed\n";
  for (const Sysctl& sysctl : sysctls) {
    text += StrCat("sysctl ", sysctl.path, " ", Word(sysctl.value), "\n");
  }
  for (const MountOp& op : mounts) text += StrCat("mount ", op.ToString(), "\n");
  if (degraded) text = DegradedText(*degraded);
  text += "write below";
  for (const std::string& root : writable_roots) text += StrCat(" ", Word(root));
  text += "\n";
  text += StrCat("chdir ", Word(working_directory), "\n");
  if (terminal) text += "terminal of its own\n";
  if (time_limit) {
    text += StrCat("time-limit ", time_limit->count(), " ms, SIGKILL after ", kill_delay.count(),
                   " ms\n");
  }
  if (interrupt_terminates) {
    text += StrCat("interrupt SIGTERM, SIGKILL after ", kill_delay.count(), " ms\n");
  }
  // Names only: a plan is printed and pasted into reports.
  for (const std::string& name : removed_variables) text += StrCat("unset ", Word(name), "\n");
  text += "exec";
  for (const std::string& argument : argv) text += StrCat(" ", Word(argument));
  text += "\n";
  for (const std::string& notice : notices) text += StrCat("notice ", notice, "\n");
  return text;
}

}  // namespace mini
