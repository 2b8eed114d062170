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

class ScratchDirectory {
 public:
  // Makes the directory `name` in `parent`, a canonical path, for this user alone, after
  // removing those that earlier runs had no chance to remove. Starts the cleaner: the calling
  // thread has to be the process's only one.
  static Result<ScratchDirectory> Create(const std::string& parent, const std::string& name);

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

 private:
  ScratchDirectory(std::string path, std::string name, UniqueFd parent, UniqueFd directory);
  Status StartCleaner();

  std::string path_;
  std::string name_;
  UniqueFd parent_;
  UniqueFd directory_;  // locked (flock(2)) while the run lives
  UniqueFd cleaner_socket_;
  pid_t cleaner_ = -1;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_SCRATCH_DIRECTORY_H_
