// A directory on disk that lasts as long as a run, whatever ends it.
#ifndef MINI_SANDBOX_SYS_SCRATCH_DIRECTORY_H_
#define MINI_SANDBOX_SYS_SCRATCH_DIRECTORY_H_

#include <sys/types.h>

#include <string>

#include "base/status.h"
#include "base/unique_fd.h"

namespace mini {

// "mini-sandbox-" and 32 hexadecimal digits that nobody can guess.
Result<std::string> NewScratchDirectoryName();

// Borrowed from a ScratchDirectory, or to be owned by one.
struct ScratchDescriptors {
  int parent;
  int directory;
  int cleaner_socket;
};

class ScratchDirectory {
 public:
  // Makes the directory `name` in `parent`, a canonical path, for this user alone, after
  // removing those that earlier runs had no chance to remove. Starts the cleaner: a copy of this
  // process, or `cleaner_program` (SpawnCleaner() in scratch_cleaner.h).
  static Result<ScratchDirectory> Create(const std::string& parent, const std::string& name,
                                         int cleaner_program = -1);

  // One that another program of this process has made and left to this one, by exec: with the
  // cleaner, its child.
  static ScratchDirectory Adopt(std::string path, std::string name,
                                const ScratchDescriptors& descriptors, pid_t cleaner);

  // An error of removing is not reported here: call Remove().
  ~ScratchDirectory();
  ScratchDirectory(ScratchDirectory&&) noexcept;
  ScratchDirectory& operator=(ScratchDirectory&&) = delete;

  // The directory is not removed before the process that `pidfd` refers to has ended, even when
  // this one is killed.
  Status KeepUntilEndOf(int pidfd) const;

  // Removes it now. The process of KeepUntilEndOf() has to have ended.
  Status Remove();

  pid_t cleaner() const { return cleaner_; }
  const std::string& path() const { return path_; }  // for messages
  const std::string& name() const { return name_; }
  ScratchDescriptors descriptors() const {
    return {parent_.get(), directory_.get(), cleaner_socket_.get()};
  }

 private:
  ScratchDirectory(std::string path, std::string name, UniqueFd parent, UniqueFd directory);
  Status StartCleaner(int program);

  std::string path_;
  std::string name_;
  UniqueFd parent_;
  UniqueFd directory_;  // locked (flock(2)) while the run lives
  UniqueFd cleaner_socket_;
  pid_t cleaner_ = -1;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_SCRATCH_DIRECTORY_H_
