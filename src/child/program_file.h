// The file that the caller's copy is executed from (Payload::kCaller).
#ifndef MINI_SANDBOX_CHILD_PROGRAM_FILE_H_
#define MINI_SANDBOX_CHILD_PROGRAM_FILE_H_

#include <limits.h>
#include <sys/stat.h>

#include "base/unique_fd.h"
#include "child/step.h"

namespace mini::child {

// Nothing is executed on the way in, so /proc/self/exe still leads to the file on the host's mount:
// its owner could change its mode or its times there. These two put it on a mount of the sandbox's.
// Where nothing of the file can be changed, nothing is done.
class ProgramFile {
 public:
  // While the host's file system is the root.
  Step Open();
  // While the sandbox's is, with all capabilities in the user namespace. Closes everything.
  Step Replace();

 private:
  void PreferWhatShows();

  UniqueFd self_;  // /proc/self
  UniqueFd file_;  // for reading
  struct stat status_ = {};
  char name_[PATH_MAX] = "";
};

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_PROGRAM_FILE_H_
