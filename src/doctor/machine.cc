#include "doctor/machine.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/paths.h"
#include "base/strings.h"
#include "doctor/bounded.h"
#include "plan/mount_ops.h"
#include "sys/landlock_version.h"
#include "sys/mountinfo.h"
#include "sys/read_file.h"

namespace mini {
namespace {

constexpr size_t kMaxResolvConf = 1 << 20;

// Without the newline at its end; nothing when it cannot be read.
std::optional<std::string> ReadSetting(const std::string& path) {
  Result<std::string> text = ReadProcFile(path, Stage::kProbe);
  if (!text.ok()) return std::nullopt;
  while (text->ends_with('\n') || text->ends_with('\0')) text->pop_back();
  return std::move(*text);
}

std::string ReadKernel() {
  utsname name;
  if (uname(&name) != 0) return "unknown";
  return StrCat(name.sysname, " ", name.release, " ", name.machine);
}

std::string ReadExecutable() {
  std::string path(PATH_MAX, '\0');
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  path.resize(length < 0 ? 0 : static_cast<size_t>(length));
  return path;
}

// --- Where we are ---

// What container managers leave for programs to see. Good for words only: anybody can set it.
std::string FindContainer() {
  // https://systemd.io/CONTAINER_INTERFACE/
  if (const auto name = ReadSetting("/run/host/container-manager")) return *name;
  if (access("/run/.containerenv", F_OK) == 0) return "podman";
  if (access("/.dockerenv", F_OK) == 0) return "docker";
  if (getenv("KUBERNETES_SERVICE_HOST") != nullptr) return "kubernetes";
  const char* variable = getenv("container");
  return variable ? variable : "";
}

// The first user namespace maps every id to itself (user_namespaces(7)).
bool IsInUserNamespace() {
  const std::optional<std::string> map = ReadSetting("/proc/self/uid_map");
  if (!map) return false;
  std::vector<std::string_view> words = StrSplit(*map, ' ');
  std::erase(words, "");
  return words != std::vector<std::string_view>{"0", "0", "4294967295"};
}

bool IsInOwnSandbox() {
  const std::optional<std::string> init = ReadSetting("/proc/1/comm");
  return init == "mini-sandbox" || init == "mini-tapbox";
}

bool IsUnderSeccompFilter() {
  const std::optional<std::string> status = ReadSetting("/proc/self/status");
  return status && status->find("\nSeccomp:\t2") != std::string::npos;
}

std::vector<std::string> FindForbiddenNamespaces() {
  std::vector<std::string> found;
  for (const char* kind : {"user", "mnt", "pid", "ipc", "uts", "cgroup", "net"}) {
    const std::string name = StrCat("max_", kind, "_namespaces");
    if (ReadSetting(StrCat("/proc/sys/user/", name)) == "0") found.push_back(StrCat("user.", name));
  }
  return found;
}

// "docker-default (enforce)"; empty for none. The generic file may belong to another security
// module, or to none (EINVAL).
std::string FindApparmorProfile() {
  if (access("/sys/kernel/security/apparmor", F_OK) != 0 &&
      access("/sys/module/apparmor", F_OK) != 0) {
    return "";
  }
  const std::optional<std::string> specific = ReadSetting("/proc/self/attr/apparmor/current");
  const std::string label =
      specific ? *specific : ReadSetting("/proc/self/attr/current").value_or("");
  return label == "unconfined" ? "" : label;
}

// --- The kernel's offers ---

// Those that a run makes and that a kernel or a filter may lack; each with arguments that it
// refuses, so that nothing comes of it.
std::string NamesOfMissingCalls() {
  constexpr long kBad = -1;
  const std::pair<const char*, long> calls[] = {
      {"clone3", SYS_clone3},         {"close_range", SYS_close_range},
      {"fsconfig", SYS_fsconfig},     {"fsmount", SYS_fsmount},
      {"fsopen", SYS_fsopen},         {"mount_setattr", SYS_mount_setattr},
      {"move_mount", SYS_move_mount}, {"open_tree", SYS_open_tree},
      {"openat2", SYS_openat2},       {"pidfd_send_signal", SYS_pidfd_send_signal},
      {"seccomp", SYS_seccomp},
  };
  std::string names;
  for (const auto& [name, number] : calls) {
    // clone3: a size of 0 is refused first; close_range: the flags are.
    const long result = number == SYS_clone3 ? syscall(number, nullptr, 0)
                                             : syscall(number, kBad, kBad, kBad, kBad, kBad);
    if (result < 0 && errno == ENOSYS) names += StrCat(names.empty() ? "" : " ", name);
  }
  return names;
}

std::optional<std::vector<std::string>> FindMissingCalls() {
  const auto names = RunBounded(std::chrono::seconds(5), NamesOfMissingCalls);
  if (!names) return std::nullopt;
  std::vector<std::string> missing;
  for (const std::string_view name : StrSplit(*names, ' ')) {
    if (!name.empty()) missing.emplace_back(name);
  }
  return missing;
}

bool HasSeccompFilters() {
  const uint32_t action = SECCOMP_RET_ERRNO;
  return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

// Where the own cgroup of version 2 shows; empty when it does not (cgroups(7)).
std::string FindCgroupDirectory() {
  const std::optional<std::string> text = ReadSetting("/proc/self/cgroup");
  const std::optional<std::string> mounts_text = ReadSetting("/proc/self/mountinfo");
  if (!text || !mounts_text) return "";
  const Result<std::vector<MountFact>> mounts = ParseMountinfo(StrCat(*mounts_text, "\n"));
  if (!mounts.ok()) return "";
  for (const std::string_view line : StrSplit(*text, '\n')) {
    if (!line.starts_with("0::/")) continue;
    const std::string_view path = line.substr(3);
    for (const MountFact& mount : *mounts) {
      if (mount.filesystem != "cgroup2" || !IsSameOrBelow(path, mount.root)) continue;
      const size_t shared = mount.root == "/" ? 1 : std::min(path.size(), mount.root.size() + 1);
      return JoinPath(mount.mount_point, path.substr(shared));
    }
  }
  return "";
}

CgroupAccess ExamineCgroup() {
  const std::string directory = FindCgroupDirectory();
  if (directory.empty()) return CgroupAccess::kNoVersion2;
  const auto writable = [](const std::string& path) {
    return faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0;
  };
  return writable(directory) && writable(JoinPath(directory, "cgroup.procs"))
             ? CgroupAccess::kWritable
             : CgroupAccess::kReadOnly;
}

// --- Trials ---

constexpr const char* kScratch = "/proc";  // a directory that is everywhere; covered inside only

// A tmpfs with the directories that an overlay is made of.
std::vector<MountOp> ScratchSteps(std::initializer_list<const char*> directories) {
  std::vector<MountOp> steps = {
      NewFilesystem("tmpfs", "mode", "700", 0, kUntrusted),
      {.kind = MountOpKind::kScratch, .target = kScratch, .slot = 0},
  };
  for (const char* name : directories) steps.push_back(DirectoryIn(0, name, 0700));
  return steps;
}

Plan MountsPlan() {
  Plan plan;
  plan.slot_count = 1;
  plan.mounts = {CloneTree("/", 0, kReadOnly)};
  return plan;
}

Plan ProcPlan() {
  Plan plan;
  plan.slot_count = 1;
  plan.mounts = {NewFilesystem("proc", "", "", 0, kUntrusted | MOUNT_ATTR_NOEXEC)};
  return plan;
}

// Two lower directories and nothing to write to.
Plan OverlayPlan() {
  Plan plan;
  plan.slot_count = 2;
  plan.scratch_point = kScratch;
  plan.mounts = ScratchSteps({"a", "b"});
  plan.mounts.push_back(
      NewFilesystem("overlay", "lowerdir", StrCat(kScratch, "/a:", kScratch, "/b"), 1, kReadOnly));
  return plan;
}

Plan MemoryOverlayPlan() {
  Plan plan;
  plan.slot_count = 3;
  plan.scratch_point = kScratch;
  plan.mounts = ScratchSteps({"lower", "upper", "work"});
  plan.mounts.push_back(
      {.kind = MountOpKind::kOpenLower, .source = JoinPath(kScratch, "lower"), .slot = 1});
  plan.mounts.push_back({.kind = MountOpKind::kOverlay,
                         .source = JoinPath(kScratch, "upper"),
                         .target = JoinPath(kScratch, "lower"),
                         .data = JoinPath(kScratch, "work"),
                         .slot = 2,
                         .lower_slot = 1,
                         .attributes = kUntrusted});
  return plan;
}

Plan TapPlan() {
  Plan plan;
  plan.network = Network::kStack;
  return plan;
}

}  // namespace

Machine ExamineMachine(StackStarter start_stack) {
  Machine machine;
  machine.kernel = ReadKernel();
  machine.executable = ReadExecutable();
  machine.uid = geteuid();
  machine.container = FindContainer();
  machine.in_own_sandbox = IsInOwnSandbox();
  machine.in_user_namespace = IsInUserNamespace();
  machine.under_seccomp_filter = IsUnderSeccompFilter();
  machine.userns_clone = ReadSetting("/proc/sys/kernel/unprivileged_userns_clone");
  machine.apparmor_restriction =
      ReadSetting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
  machine.forbidden_namespaces = FindForbiddenNamespaces();
  machine.apparmor_profile = FindApparmorProfile();
  machine.missing_calls = FindMissingCalls();
  machine.seccomp_filters = HasSeccompFilters();
  machine.landlock_abi = ReadLandlockVersion();
  machine.cgroup = ExamineCgroup();
  if (start_stack) {
    Result<std::string> text = ReadTextFile("/etc/resolv.conf", kMaxResolvConf, Stage::kProbe);
    if (text.ok()) machine.resolv_conf = std::move(*text);
  }

  machine.namespaces = TryPlanBounded(Plan());
  if (machine.namespaces.set_up()) {
    machine.mounts = TryPlanBounded(MountsPlan());
    machine.proc = TryPlanBounded(ProcPlan());
    machine.overlay = TryPlanBounded(OverlayPlan());
    machine.memory_overlay = TryPlanBounded(MemoryOverlayPlan());
    if (start_stack) machine.tap = TryPlanBounded(TapPlan());
  }
  machine.default_mode = TryDefaultMode(start_stack);
  return machine;
}

}  // namespace mini
