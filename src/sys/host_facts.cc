#include "sys/host_facts.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/paths.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "sys/landlock_version.h"
#include "sys/mountinfo.h"
#include "sys/passwd.h"
#include "sys/read_file.h"
#include "sys/unix_sockets.h"

namespace mini {
namespace {

// Far more than any such file needs; what is larger is an error, not cut off.
constexpr size_t kMaxAccountFile = 64 << 20;

Result<std::vector<MountFact>> ReadMounts() {
  Result<std::string> text = ReadProcFile("/proc/self/mountinfo", Stage::kProbe);
  if (!text.ok()) {
    return std::move(text).status().WithHint(
        "/proc must be mounted: the plan needs to know every mount");
  }
  MINI_ASSIGN_OR_RETURN(std::vector<MountFact> mounts, ParseMountinfo(*text));
  if (mounts.empty()) {
    return Status(StatusCode::kUnsupported, Stage::kProbe, "/proc/self/mountinfo is empty")
        .WithHint("/proc must be mounted: the plan needs to know every mount");
  }
  return mounts;
}

// Appends `home` when it is a directory other than "/", and not there yet.
Status AddHome(const std::string& home, PathFactReader& paths, std::vector<std::string>& homes) {
  if (!IsAbsolutePath(home)) return OkStatus();
  MINI_ASSIGN_OR_RETURN(PathFact fact, paths.Read(home));
  if (fact.kind != PathKind::kDirectory || fact.canonical.empty() || fact.canonical == "/") {
    return OkStatus();
  }
  if (std::find(homes.begin(), homes.end(), fact.canonical) == homes.end()) {
    homes.push_back(std::move(fact.canonical));
  }
  return OkStatus();
}

// For accounts that only a directory service knows: what of /home belongs to this user.
void AddOwnedHomes(uid_t uid, std::vector<std::string>& homes) {
  const std::unique_ptr<DIR, int (*)(DIR*)> home(opendir("/home"), &closedir);
  if (home == nullptr) return;
  while (const dirent* entry = readdir(home.get())) {
    struct stat status;
    if (entry->d_name[0] == '.' ||
        fstatat(dirfd(home.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      continue;
    }
    std::string path = JoinPath("/home", entry->d_name);
    if (S_ISDIR(status.st_mode) && status.st_uid == uid &&
        std::find(homes.begin(), homes.end(), path) == homes.end()) {
      homes.push_back(std::move(path));
    }
  }
}

Result<std::vector<std::string>> ReadHomes(uid_t uid, PathFactReader& paths) {
  std::vector<std::string> homes;
  Result<std::string> passwd = ReadTextFile("/etc/passwd", kMaxAccountFile, Stage::kProbe);
  // Without the file there are no accounts; one that cannot be read would hide where home is.
  if (!passwd.ok() && passwd.status().error_number() != ENOENT) return std::move(passwd).status();
  const std::optional<std::string> account_home =
      passwd.ok() ? HomeFromPasswd(*passwd, uid) : std::nullopt;
  if (account_home) {
    MINI_RETURN_IF_ERROR(AddHome(*account_home, paths, homes));
  }
  const char* variable = getenv("HOME");
  if (variable != nullptr && variable != account_home) {
    MINI_RETURN_IF_ERROR(AddHome(variable, paths, homes));
  }
  if (!account_home) AddOwnedHomes(uid, homes);
  return homes;
}

bool IsEmptyOrUnreadable(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), &closedir);
  if (directory == nullptr) return true;
  while (const dirent* entry = readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") return false;
  }
  return true;
}

std::vector<std::string> ReadEnvironment() {
  std::vector<std::string> environment;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    environment.emplace_back(*variable);
  }
  return environment;
}

// landlock(7): the scopes came with ABI 6. child/landlock.cc uses what is found here.
bool LandlockScopesAbstractSockets() {
  constexpr int kAbiWithScopes = 6;
  return ReadLandlockVersion() >= kAbiWithScopes;
}

Result<DirectoryEntry> ReadEntry(int directory, const std::string& path, const dirent& raw) {
  DirectoryEntry entry;
  entry.name = raw.d_name;
  unsigned char type = raw.d_type;
  if (type == DT_UNKNOWN) {  // some file systems do not say (readdir(3))
    struct stat status;
    if (fstatat(directory, raw.d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return SystemError(Stage::kProbe, errno,
                         StrCat("stat ", EscapeForTerminal(JoinPath(path, entry.name))));
    }
    type = static_cast<unsigned char>(IFTODT(status.st_mode));
  }
  if (type == DT_DIR) {
    entry.kind = DirectoryEntry::Kind::kDirectory;
  } else if (type == DT_LNK) {
    entry.kind = DirectoryEntry::Kind::kSymlink;
    std::array<char, PATH_MAX> target;
    const ssize_t length = readlinkat(directory, raw.d_name, target.data(), target.size());
    if (length < 0) {
      return SystemError(Stage::kProbe, errno,
                         StrCat("readlink ", EscapeForTerminal(JoinPath(path, entry.name))));
    }
    entry.symlink_target.assign(target.data(), static_cast<size_t>(length));
  }
  return entry;
}

}  // namespace

Result<std::string> ReadWorkingDirectory() {
  // The system call itself: glibc's getcwd(3) would walk upwards where the kernel says that the
  // directory cannot be reached, and name a directory that is not the one meant.
  std::array<char, PATH_MAX> buffer;
  const long length = syscall(SYS_getcwd, buffer.data(), buffer.size());
  if (length < 0) {
    const int error = errno;
    if (error == ENOENT) {
      return Status(StatusCode::kNotFound, Stage::kProbe, "the working directory was deleted")
          .WithHint("cd to one that exists");
    }
    return SystemError(Stage::kProbe, error, "find the working directory");
  }
  std::string path(buffer.data());
  if (!IsAbsolutePath(path)) {  // "(unreachable)/..." (getcwd(3))
    return Status(StatusCode::kNotFound, Stage::kProbe,
                  "the working directory lies outside of the root directory")
        .WithHint("cd to one that can be reached");
  }
  return path;
}

Result<std::string> SymlinkBeforeDotDot(std::string_view path) {
  // Without ".." as far as it was walked, and so far it leads where the kernel is: no symlink's
  // directory entry was taken for the directory that it leads to.
  std::string walked = "/";
  for (const std::string_view component : StrSplit(path, '/')) {
    if (component != "..") {
      walked = JoinPath(walked, component);
      continue;
    }
    walked = NormalizePath(walked);
    struct stat status;
    if (lstat(walked.c_str(), &status) != 0) {
      // Nothing is above what is not there.
      if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return std::string();
      return SystemError(Stage::kProbe, errno, StrCat("look at ", EscapeForTerminal(walked)));
    }
    if (S_ISLNK(status.st_mode)) return walked;
    walked = NormalizePath(JoinPath(walked, ".."));
  }
  return std::string();
}

bool IsWritableDirectory(const std::string& path) {
  // Most callers may not write: one system call then answers.
  struct stat status;
  return faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0 &&
         lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::string OutermostWritable(std::span<const std::string> parents) {
  std::string found;
  if (parents.empty()) return found;
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  for (size_t i = parents.size(); i-- > 0;) {
    if (IsWritableDirectory(parents[i])) found = parents[i];
    struct stat status;
    const bool is_own =
        lstat(parents[i].c_str(), &status) == 0 && status.st_uid == uid && status.st_gid == gid;
    if (!is_own) break;
  }
  return found;
}

Result<std::vector<DirectoryEntry>> ReadDirectoryEntries(const std::string& path, size_t limit) {
  const std::string shown = EscapeForTerminal(path);
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), &closedir);
  if (directory == nullptr) {
    return SystemError(Stage::kProbe, errno, StrCat("open the directory ", shown));
  }
  std::vector<DirectoryEntry> entries;
  while (entries.size() <= limit) {
    errno = 0;
    const dirent* raw = readdir(directory.get());
    if (raw == nullptr) {
      if (errno == 0) break;
      return SystemError(Stage::kProbe, errno, StrCat("read the directory ", shown));
    }
    const std::string_view name = raw->d_name;
    if (name == "." || name == "..") continue;
    MINI_ASSIGN_OR_RETURN(DirectoryEntry entry, ReadEntry(dirfd(directory.get()), path, *raw));
    entries.push_back(std::move(entry));
  }
  return entries;
}

Result<HostFacts> ReadHostFacts(std::span<const std::string> paths,
                                const HostFactsOptions& options) {
  HostFacts facts;
  facts.uid = geteuid();
  facts.gid = getegid();
  MINI_ASSIGN_OR_RETURN(facts.working_directory, ReadWorkingDirectory());
  MINI_ASSIGN_OR_RETURN(facts.mounts, ReadMounts());
  PathFactReader reader;
  MINI_ASSIGN_OR_RETURN(facts.homes, ReadHomes(facts.uid, reader));
  facts.environment = ReadEnvironment();
  for (const std::string& path : paths) {
    MINI_ASSIGN_OR_RETURN(PathFact fact, reader.Read(path));
    facts.paths.insert_or_assign(path, std::move(fact));
  }
  for (const std::string& home : facts.homes) {
    for (const std::string_view name : options.below_homes) {
      std::string path = JoinPath(home, name);
      Result<PathFact> fact = reader.Read(path);
      // What cannot even be looked at (below a dead FUSE mount: ENOTCONN) nobody else reads.
      if (!fact.ok() || fact->kind == PathKind::kMissing) continue;
      facts.paths.insert_or_assign(std::move(path), *std::move(fact));
    }
  }
  for (const std::string_view directory : options.system_directories) {
    std::string path(directory);
    if (options.may_hang && options.may_hang(path, facts.mounts)) continue;
    if (IsWritableDirectory(path)) facts.writable_system_directories.push_back(std::move(path));
  }
  MINI_ASSIGN_OR_RETURN(facts.unix_sockets, ReadUnixSockets());
  if (options.landlock) facts.scopes_abstract_sockets = LandlockScopesAbstractSockets();
  if (options.root_entries) {
    MINI_ASSIGN_OR_RETURN(facts.root_entries, ReadRootEntries());
  }
  if (options.listed_directory) {
    facts.listed_directory_is_empty = IsEmptyOrUnreadable(*options.listed_directory);
  }
  if (options.resolver_files) {
    ResolverFiles files;
    if (options.known_resolver_files) {
      files = *options.known_resolver_files;
    } else {
      MINI_ASSIGN_OR_RETURN(files, ReadResolverFiles());
    }
    facts.resolv_conf = std::move(files.resolv_conf);
    facts.hosts = std::move(files.hosts);
    utsname system = {};
    if (uname(&system) == 0) facts.host_name = system.nodename;
  }
  return facts;
}

}  // namespace mini
