// What is true of this machine and this caller, as far as a plan needs it. Read by
// sys/ReadHostFacts without changing anything; tests write it by hand.
#ifndef MINI_SANDBOX_PLAN_HOST_FACTS_H_
#define MINI_SANDBOX_PLAN_HOST_FACTS_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mini {

// One line of /proc/self/mountinfo (proc_pid_mountinfo(5)), escapes undone.
struct MountFact {
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  std::string root;         // the directory of the file system that shows at mount_point
  std::string mount_point;  // normalized
  std::string filesystem;   // "ext4"
  friend bool operator==(const MountFact&, const MountFact&) = default;
};

enum class PathKind : uint8_t { kMissing, kDirectory, kFile, kOther };

// What a path leads to, symlinks followed.
struct PathFact {
  PathKind kind =
      PathKind::kMissing;  // kOther: a device, socket, FIFO; also when it cannot be seen
  std::string canonical;   // absolute, no symlink left; empty when kMissing
  bool writable = false;   // by this caller (faccessat(2) with AT_EACCESS)
};

struct DirectoryEntry {
  enum class Kind : uint8_t { kDirectory, kSymlink, kOther } kind = Kind::kOther;
  std::string name;
  std::string symlink_target;  // kSymlink
};

// What the names of directories begin with that runs make in the scratch directory of -d.
inline constexpr std::string_view kScratchPrefix = "mini-sandbox-";

// Only where namespaces are refused and the user allows to do without.
struct DegradedFacts {
  std::string refusal;            // what refuses them, for the user
  int landlock_abi = 0;           // 0: none
  std::string scratch_directory;  // fresh and empty; becomes TMPDIR
  // The entries of the directories that DirectoriesAboveHidden() names, sorted.
  std::map<std::string, std::vector<DirectoryEntry>, std::less<>> listings;
};

struct HostFacts {
  uid_t uid = 0;  // effective, as seen in this user namespace
  gid_t gid = 0;
  // The account's home (passwd(5)), then $HOME when it differs: canonical directories that exist,
  // without "/". Empty when there is none. The first is what HOME means.
  std::vector<std::string> homes;
  std::string working_directory;         // canonical (getcwd(3))
  std::vector<MountFact> mounts;         // in the order of mountinfo: later ones lie on top
  std::vector<std::string> environment;  // "K=V"
  // Answers to exactly the paths that were asked for.
  std::map<std::string, PathFact, std::less<>> paths;
  // Those of the directories asked for that exist, are no symlinks, and may be written by this
  // caller (faccessat(2), AT_EACCESS).
  std::vector<std::string> writable_system_directories;
  // The paths of sockets that programs of the host are bound to.
  std::vector<std::string> unix_sockets;
  // Whether landlock keeps the command from abstract UNIX sockets of the host (ABI 6, Linux 6.12);
  // asked for only where the network namespace does not.
  bool scopes_abstract_sockets = false;
  // The outermost of ParentsToProbe() that an overlay of this caller can stand for
  // (OutermostWritable()); empty when there is none.
  std::string writable_parent;
  // The entries of DirectoriesToList(); when there are more than kMaxSplitEntries, one more than
  // that. A directory that could not be read is not here.
  std::map<std::string, std::vector<DirectoryEntry>, std::less<>> listings;
  // The name that a run's own directory in the scratch directory of -d will have.
  std::string scratch_name;
  // The entries of "/", asked for only when the root is put together from them; else empty.
  std::vector<DirectoryEntry> root_entries;
  // Of the one directory that was asked about; true when its entries cannot be seen.
  bool listed_directory_is_empty = true;
  std::optional<DegradedFacts> degraded;
  // Where --log writes: canonical, whether it exists or not; empty: nowhere.
  std::string verdict_log;
  // The texts that shape name resolution inside; empty when unreadable.
  std::string resolv_conf;
  std::string hosts;
  std::string host_name;  // uname(2); asked for with them
};

}  // namespace mini

#endif  // MINI_SANDBOX_PLAN_HOST_FACTS_H_
