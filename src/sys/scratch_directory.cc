// Theory of operation
//
// Nothing that a supervisor does at its end happens when it is killed. So a second process, the
// cleaner (scratch_cleaner.cc), is started before the sandbox exists. It holds three descriptors
// only: one end of a socket, the parent directory and the directory. The other end of the socket is
// the supervisor's: when it closes, the supervisor has ended, or asks for the end. Then the cleaner
// waits for the sandbox's first process, whose pidfd it was sent, removes the directory and exits;
// the supervisor, if it is there, waits for that.
//
// The directory is locked (flock(2)) through an open file description that both share. Where both
// are killed, the lock is free, and the next run with the same parent removes what it finds
// unlocked under such a name. A run that is just making its directory may lose it that way before
// it holds the lock; it sees that and makes it again.
#include "sys/scratch_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "base/descriptor_passing.h"
#include "base/paths.h"
#include "base/strings.h"
#include "plan/host_facts.h"
#include "sys/remove_tree.h"
#include "sys/scratch_cleaner.h"

namespace mini {
namespace {

constexpr size_t kRandomBytes = 16;

bool IsScratchName(std::string_view name) {
  return name.starts_with(kScratchPrefix) &&
         name.size() == kScratchPrefix.size() + 2 * kRandomBytes &&
         name.find_first_not_of("0123456789abcdef", kScratchPrefix.size()) ==
             std::string_view::npos;
}

// Whether it is ours alone and nobody holds it; it is locked then.
bool IsAbandoned(int directory) {
  struct stat status;
  return fstat(directory, &status) == 0 && status.st_uid == geteuid() &&
         flock(directory, LOCK_EX | LOCK_NB) == 0;
}

// Failing is no reason not to run: what cannot be removed is tried again next time.
void RemoveAbandoned(int parent) {
  const int copy = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(fdopendir(copy), &closedir);
  if (entries == nullptr) {
    close(copy);
    return;
  }
  while (const dirent* entry = readdir(entries.get())) {
    if (!IsScratchName(entry->d_name)) continue;
    const UniqueFd directory(
        openat(parent, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (directory && IsAbandoned(directory.get())) (void)RemoveTree(parent, entry->d_name);
  }
}

Result<UniqueFd> MakeLocked(int parent, const std::string& name, const std::string& path) {
  // Each turn but the last lost a race against another run's RemoveAbandoned().
  for (int turn = 0; turn < 100; ++turn) {
    if (mkdirat(parent, name.c_str(), 0700) != 0) {
      return SystemError(Stage::kProbe, errno, StrCat("make a directory in ", path));
    }
    UniqueFd directory(
        openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat status;
    if (directory && flock(directory.get(), LOCK_EX) == 0 && fstat(directory.get(), &status) == 0 &&
        status.st_nlink > 0) {
      return directory;
    }
    if (!directory && errno != ENOENT) {
      return SystemError(Stage::kProbe, errno, StrCat("open the new directory in ", path));
    }
  }
  return Status(StatusCode::kSystem, Stage::kProbe,
                StrCat("a directory just made in ", path, " vanishes again and again"));
}

}  // namespace

Result<std::string> NewScratchDirectoryName() {
  std::array<unsigned char, kRandomBytes> bytes;
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return SystemError(Stage::kProbe, errno, "get random bytes");
  }
  std::string name(kScratchPrefix);
  for (const unsigned char byte : bytes) {
    name += "0123456789abcdef"[byte >> 4];
    name += "0123456789abcdef"[byte & 15];
  }
  return name;
}

Result<ScratchDirectory> ScratchDirectory::Create(const std::string& parent,
                                                  const std::string& name, int cleaner_program) {
  const std::string shown = EscapeForTerminal(parent);
  open_how how = {};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;  // `parent` is canonical, so one has just been put there
  UniqueFd parent_fd(
      static_cast<int>(syscall(SYS_openat2, AT_FDCWD, parent.c_str(), &how, sizeof how)));
  if (!parent_fd) return SystemError(Stage::kProbe, errno, StrCat("open ", shown));
  RemoveAbandoned(parent_fd.get());
  MINI_ASSIGN_OR_RETURN(UniqueFd directory, MakeLocked(parent_fd.get(), name, shown));
  ScratchDirectory scratch(JoinPath(shown, name), name, std::move(parent_fd), std::move(directory));
  MINI_RETURN_IF_ERROR(scratch.StartCleaner(cleaner_program));
  return scratch;
}

ScratchDirectory::ScratchDirectory(std::string path, std::string name, UniqueFd parent,
                                   UniqueFd directory)
    : path_(std::move(path)),
      name_(std::move(name)),
      parent_(std::move(parent)),
      directory_(std::move(directory)) {}

ScratchDirectory ScratchDirectory::Adopt(std::string path, std::string name,
                                         const ScratchDescriptors& descriptors, pid_t cleaner) {
  ScratchDirectory scratch(std::move(path), std::move(name), UniqueFd(descriptors.parent),
                           UniqueFd(descriptors.directory));
  scratch.cleaner_socket_.reset(descriptors.cleaner_socket);
  scratch.cleaner_ = cleaner;
  return scratch;
}

ScratchDirectory::ScratchDirectory(ScratchDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      name_(std::move(other.name_)),
      parent_(std::move(other.parent_)),
      directory_(std::move(other.directory_)),
      cleaner_socket_(std::move(other.cleaner_socket_)),
      cleaner_(std::exchange(other.cleaner_, -1)) {}

ScratchDirectory::~ScratchDirectory() { (void)Remove(); }

Status ScratchDirectory::StartCleaner(int program) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return SystemError(Stage::kProbe, errno, "make a socket for the cleaner");
  }
  cleaner_socket_.reset(ends[0]);
  const UniqueFd others_end(ends[1]);
  const CleanerDescriptors descriptors = {others_end.get(), parent_.get(), directory_.get()};
  MINI_ASSIGN_OR_RETURN(cleaner_, program < 0 ? ForkCleaner(descriptors, name_)
                                              : SpawnCleaner(program, descriptors, name_));
  return OkStatus();
}

Status ScratchDirectory::KeepUntilEndOf(int pidfd) const {
  if (!SendWithDescriptors(cleaner_socket_.get(), "", 1, &pidfd, 1)) {
    return SystemError(Stage::kClone, errno, "tell the cleaner of the sandbox");
  }
  return OkStatus();
}

Status ScratchDirectory::Remove() {
  if (!directory_) return OkStatus();
  cleaner_socket_.reset();
  int wait_status = -1;
  while (cleaner_ > 0 && waitpid(cleaner_, &wait_status, 0) < 0 && errno == EINTR) {
  }
  cleaner_ = -1;
  directory_.reset();
  // Killed by somebody, or never started.
  const int error = wait_status == 0 ? 0 : RemoveTree(parent_.get(), name_.c_str());
  if (error == 0 || error == ENOENT) return OkStatus();
  return SystemError(Stage::kSupervise, error, StrCat("remove ", path_));
}

}  // namespace mini
