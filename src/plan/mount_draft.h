// A file-system plan while it is being made: the steps of each phase so far, and the covers.
//
// The parts of the plan (mount_parts.h) decide what goes where and say it here; only here is known
// in which order it has to happen.
#ifndef MINI_SANDBOX_PLAN_MOUNT_DRAFT_H_
#define MINI_SANDBOX_PLAN_MOUNT_DRAFT_H_

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plan/host_facts.h"
#include "plan/plan.h"
#include "policy/policy.h"

namespace mini {

// On the same path the later kind lies on top, whatever order the user named things in.
enum class CoverKind {
  kKept,  // the host's as it is, in a directory that was split for an overlay
  kPart,  // an overlay, or split, in such a directory
  kPrivate,
  kOverlay,
  kMask,
  kEmpty,
  kBind,
};

// Something that is put on a path of the new root.
struct Cover {
  std::string target;
  CoverKind kind;
  bool is_directory;
  bool is_writable;
  std::vector<MountOp> ops;
  std::string source = {};  // kBind: the path of the host that shows
  // What lies below may be made freely: it is ours and vanishes.
  bool may_make_points() const {
    return kind == CoverKind::kPart || kind == CoverKind::kPrivate || kind == CoverKind::kOverlay ||
           kind == CoverKind::kEmpty;
  }
  // Whether what lies below is what the host has there.
  bool shows_host() const {
    return kind == CoverKind::kKept || kind == CoverKind::kPart || kind == CoverKind::kOverlay ||
           (kind == CoverKind::kBind && source == target);
  }
};

// In the order in which they happen.
struct MountPhases {
  std::vector<MountOp> on_host;        // while the host's paths resolve, as the host has them
  std::vector<MountOp> root_change;    // "/" becomes read-only, or another one
  std::vector<MountOp> root;           // what is put into it when it is a skeleton
  std::vector<MountOp> lowers;         // before anything covers them
  std::vector<MountOp> scratch;        // the scratch file system and what lies in it
  std::vector<MountOp> kernel;         // /proc and /dev
  std::vector<MountOp> device_points;  // while /dev may be written
  std::vector<MountOp> sealed;         // /dev is closed
  std::vector<MountOp> covers;         // parents before children; written by Emit()
  std::vector<MountOp> last;
};

class MountDraft {
 public:
  MountDraft(const Policy& asked, const HostFacts& known, Plan& result)
      : policy(asked), facts(known), plan(result) {}

  const Policy& policy;
  const HostFacts& facts;
  Plan& plan;
  MountPhases phases;
  std::string working_directory;
  // Where uppers of overlays are made: a slot, and where that is mounted meanwhile.
  int upper_slot = -1;
  int dev_slot = -1;  // what lies on /dev
  std::string upper_point;
  // The root is an empty one of ours: whatever is put in it gets its mount point made.
  bool root_is_empty = false;
  // What in the working directory holds credentials; PlanSecrets() hides it.
  std::vector<std::string> secrets_in_working_directory;

  // What is known about one of PathsToProbe(); kMissing for other paths.
  const PathFact& Fact(std::string_view path) const;
  // The path without symlinks as far as it exists: where something named so has to be put.
  std::string Resolve(const std::string& path) const;
  void Notice(std::string sentence) { plan.notices.push_back(std::move(sentence)); }

  int NewSlot() { return plan.slot_count++; }
  // "private-0", "private-1": an entry of the scratch file system that nobody else uses.
  std::string NewScratchName(const std::string& kind);
  MountOp ScratchDirectory(std::string name, mode_t mode) const;
  MountOp ScratchFile(std::string name, std::string text, mode_t mode) const;
  void MakeScratch();

  // The fresh directory `name` of the scratch file system on `target`.
  void AddFresh(const std::string& target, const std::string& name, mode_t mode, CoverKind kind);
  // The same under a name of its own, which is returned.
  std::string AddPrivate(const std::string& target, mode_t mode);
  // The same for a directory that the user named.
  void AddEmpty(const std::string& target);
  // Hides whatever lies at `target`, symlinks followed: a directory by an empty one, anything else
  // by an empty file. What is missing is skipped.
  void AddMask(const std::string& target);
  // The same, but a place like a private directory: binds go into it.
  void AddPrivateMask(const std::string& target, mode_t mode);
  // A file of ours on `target`, read-only.
  void AddFile(const std::string& target, std::string text);
  // The host's `source` on `target`, with all mounts below.
  void AddBind(const std::string& source, const std::string& target, bool is_directory,
               uint64_t attributes);
  void AddCover(Cover cover) { covers_.push_back(std::move(cover)); }
  // A name that leads to `target`, if `link` comes to lie where points may be made.
  void AddLink(std::string link, std::string target);
  // One for every symlink on the way to `path`, the last component included.
  void AddLinksOnTheWayTo(std::string_view path);

  // The deepest cover, of those on one path the uppermost, if any: strictly above `path`, or also
  // on it.
  const Cover* CoverAbove(std::string_view path) const;
  const Cover* CoverAtOrAbove(std::string_view path) const;
  // Whether mount points can be made there: it is ours and vanishes.
  bool CanMakePointsAt(std::string_view path) const;
  // Whether what the host has at `path` shows at `path`, unless it is itself covered.
  bool ShowsHostAt(std::string_view path) const;
  const std::vector<Cover>& covers() const { return covers_; }

  // Puts everything in order into the plan. Nothing may be added afterwards.
  void Emit();

 private:
  void AddMaskBy(const std::string& target, const std::string& directory, CoverKind kind);
  void LendHostTree();
  void EmitCovers();
  void NameBase(MountOp& op) const;
  void EmitLinks();
  void ListWritableRoots();
  void FindScratchView();

  std::vector<Cover> covers_;
  std::map<std::string, std::string> links_;
  std::set<std::string> masked_;
  std::map<std::string, int> scratch_names_;
  int scratch_slot_ = -1;
};

}  // namespace mini

#endif  // MINI_SANDBOX_PLAN_MOUNT_DRAFT_H_
