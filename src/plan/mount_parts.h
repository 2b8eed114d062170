// The parts of a file-system plan, each in a file of its own. They are called in the order in which
// mount_plan.cc lists them: a later one may look at the covers of an earlier one.
#ifndef MINI_SANDBOX_PLAN_MOUNT_PARTS_H_
#define MINI_SANDBOX_PLAN_MOUNT_PARTS_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "plan/mount_draft.h"

namespace mini {

// root_plan.cc: what "/" is, with /proc, /dev and the scratch file system.
void PlanHostRoot(MountDraft& draft);
Status PlanEmptyRoot(MountDraft& draft);
void PlanKernelFilesystems(MountDraft& draft);
// The symlinks of the host's root that lead to something that shows in an empty one.
void PlanTopLevelLinks(MountDraft& draft);

// private_plan.cc: directories that are empty inside.
struct PrivatePaths {
  std::vector<std::string> directories;  // canonical, none below another
  std::vector<std::string> nested;       // below one of those, wanted inside
  bool Contains(std::string_view path) const;
};
PrivatePaths FindPrivateDirectories(const MountDraft& draft);
void PlanPrivateDirectories(const PrivatePaths& paths, MountDraft& draft);
// Every home, and every other place where one shows.
void PlanPrivateHomes(const PrivatePaths& paths, MountDraft& draft);
// In an empty root: homes that nothing named so far shows.
void PlanHomesNotNamed(MountDraft& draft);

// overlay_plan.cc: directories whose changes vanish.
// False when `path` cannot be overlaid because of mounts in it; nothing is planned then. Where that
// holds for a directory below it only, that one stays read-only, with a notice.
[[nodiscard]] bool AddOverlay(const std::string& path, MountDraft& draft);
void PlanSystemOverlays(MountDraft& draft);
void PlanParents(MountDraft& draft);

// scratch_plan.cc: uppers on disk.
Status CheckScratchDirectory(const MountDraft& draft);
// Before the first overlay: from here on uppers are on disk, when the user wants that.
void UseUppers(MountDraft& draft);
// After all binds.
Status HideScratchDirectory(MountDraft& draft);

// working_directory_plan.cc: where the command starts, and in the host's tree how that directory
// shows.
Status FindWorkingDirectory(MountDraft& draft);
Status PlanWorkingDirectory(const PrivatePaths& paths, MountDraft& draft);
// In an empty root: the working directory if it shows, or "/".
Status PlanStart(MountDraft& draft);

// bind_plan.cc: what the user names.
Status PlanNamedOverlays(MountDraft& draft);
Status PlanBinds(MountDraft& draft);
Status PlanEmptyDirectories(MountDraft& draft);
// What of the host may show at `path`, when binds to another place decide.
std::vector<std::string> PathsBehind(const std::string& path, const Policy& policy);

// mask_plan.cc: what of the host the command must not see as it is.
void PlanSecrets(MountDraft& draft);
void PlanForeignProc(MountDraft& draft);
void PlanNameFiles(MountDraft& draft);
// On the host's network: what the host has, where it would not show.
void PlanHiddenNameFiles(MountDraft& draft);
void PlanSockets(MountDraft& draft);
// The file of --log: an error where the command could put another one in its place.
Status HideVerdictLog(MountDraft& draft);
// How the command may write where the host's `path` lies, by what has been planned so far.
struct WritableReach {
  std::string root;  // the deepest tree of those with `path` in them by its name; empty: none
  bool by_another_mount = false;
};
WritableReach WritableReachOf(const std::string& path, const MountDraft& draft);
// Covers what lies there, wherever it shows.
void MaskEverywhere(const std::string& path, MountDraft& draft);

}  // namespace mini

#endif  // MINI_SANDBOX_PLAN_MOUNT_PARTS_H_
