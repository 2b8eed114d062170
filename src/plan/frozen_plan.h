// The plan as plain C data: what the child executes between clone and exec.
//
// The child may not allocate, lock or throw, so everything it needs lies ready in one arena that
// was filled before the clone. Pointers stay valid because the child runs on a copy of the
// parent's memory. This is the only header of another room that child/ includes.
#ifndef MINI_SANDBOX_PLAN_FROZEN_PLAN_H_
#define MINI_SANDBOX_PLAN_FROZEN_PLAN_H_

#include <linux/filter.h>
#include <signal.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace mini {

// Every step of the mounts stage. "Slot" is a numbered descriptor that one step makes and a later
// one uses. Sources are paths of the host before kPivotRoot, of the new root after it.
enum class MountOpKind : uint8_t {
  kCloneTree,          // slot = detached recursive private copy of `source`, with `attributes`
  kCloneNode,          // slot = detached copy of the one file `source`; skipped when it is missing
  kCloneOwnDirectory,  // the same for a directory that has to belong to this user alone
  kNewFilesystem,      // slot = new detached instance of type `data`, with options "a=b,c=d"; one
                       // of the form "?a=b" is left out where the kernel does not know it
  kMountIn,            // mounts a new file system, named and with options "a=b,c=d",
                       // on `target`, which is in a file system of our own
  kPivotRoot,          // slot becomes "/", the host's tree is gone
  kOpenFile,           // slot = the file `source` for reading, if it is a small one of this user;
                       // else a detached copy of its mount; skipped when it is missing
  kOpenLower,          // slot = O_PATH descriptor of `source`, for an overlay made later
  kScratch,            // attaches slot on `target`; it is the scratch file system from now on
  kTestOverlay,        // fails where `source` and `data` in slot cannot be an upper and its work
  kOverlay,            // slot = overlay: lower `lower_slot`, upper `source`, work `data`
  kCloneScratch,       // slot = detached copy of the scratch directory `source`, with `attributes`
  kCopyMode,           // gives the directory `source` the mode of `lower_slot`
  kDirectoryIn,        // makes the directory `source` in the root of slot's file system, `mode`
  kFileIn,             // makes the file `source` there, filled with `data`, `mode`
  kSymlinkIn,          // makes the symlink `source` there, pointing to `data`
  kAttachIn,           // moves slot on the entry `source` of the root of `lower_slot`
  kMakeDirectories,    // makes the missing directories of `target`, all inside a private one
  kMakeFile,           // makes `target` as an empty file, parents included
  kMakeSymlink,        // makes `target` point to `source`
  kAttach,             // moves slot on `target`
  kShowFile,           // makes `target` of what kOpenFile left in slot: a copy, or a bind
  kDetach,             // unmounts `target` with all mounts below it
  kMask,               // covers `target`: a directory by a copy of the scratch directory `source`,
                       // anything else by one of the scratch file `data`; missing or unseen: skip
  kReadOnlyBind,       // covers `target` by a read-only copy of itself; missing: skip
  kSetAttributes,      // adds `attributes` to the mount on `target`
  kSetTreeAttributes,  // the same for every mount below it, too
};

struct FrozenMountOp {
  MountOpKind kind;
  const char* source;
  const char* target;
  const char* data;
  size_t data_size;
  int slot;             // -1: none
  int lower_slot;       // -1: none
  uint64_t attributes;  // MOUNT_ATTR_* to set
  mode_t mode;
  // `target` is `below_base` in what this slot holds, if it holds something then; -1: no such.
  int base_slot;
  const char* below_base;
};

struct FrozenSysctl {
  bool is_required;
  const char* path;
  const char* value;
  size_t value_size;
};

// Whose session (setsid(2)) init and the command are in.
enum class FrozenSession : uint8_t {
  kCallers,
  kOwn,              // without a terminal: none of the caller's reaches the command by itself
  kOwnWithTerminal,  // and a terminal of its own in place of the streams
};

enum class FrozenNetwork : uint8_t {
  kHost,
  kUnconfigured,  // a new one whose loopback is down
  kLoopback,
  kTap,
};

// What landlock(7) allows below a path, in a run without namespaces.
enum class PathRights : uint8_t {
  kRead,    // reading and executing
  kDevice,  // reading, writing and ioctl(2)
  kWrite,   // everything
};

struct FrozenPathRule {
  const char* path;
  PathRights rights;
};

// A path inside, and the slot whose mount lies there; -1: whatever does.
struct FrozenRoot {
  const char* path;
  int slot;
};

struct FrozenPlan {
  // Written to /proc/self/{uid,gid}_map.
  const char* uid_map;
  size_t uid_map_size;
  const char* gid_map;
  size_t gid_map_size;

  const char* host_name;  // null: as it is
  size_t host_name_size;

  FrozenNetwork network;
  const FrozenSysctl* sysctls;
  size_t sysctl_count;

  const FrozenMountOp* mounts;
  size_t mount_count;
  int* slots;  // slot_count entries, all -1
  size_t slot_count;
  const char* scratch_point;  // where the scratch file system lies while mounts are made
  const char* scratch_view;   // a path inside where it shows to the end; empty: none

  // Paths inside, none below another, that may be written below.
  const FrozenRoot* writable_roots;
  size_t writable_root_count;

  bool nesting;  // the command may make mounts in namespaces of its own, which landlock would deny
  bool may_map_root;  // see child/privileges.h
  // Only without namespaces.
  const FrozenPathRule* path_rules;
  size_t path_rule_count;
  int landlock_abi;
  const char* scratch_directory;

  const sock_filter* filter;
  size_t filter_size;

  const char* working_directory;
  // Tried in this order, as execvp(3) walks PATH.
  char* const* candidates;
  size_t candidate_count;
  char* const* argv;
  char* const* envp;
  // argv for a script without "#!" (ENOEXEC): "/bin/sh", the candidate (filled in), the arguments.
  char** shell_argv;

  sigset_t command_signal_mask;
  FrozenSession session;
};

}  // namespace mini

#endif  // MINI_SANDBOX_PLAN_FROZEN_PLAN_H_
