// The system calls of the mounts stage, each with the flags that this stage always wants. What
// fails leaves errno.
#ifndef MINI_SANDBOX_CHILD_MOUNT_CALLS_H_
#define MINI_SANDBOX_CHILD_MOUNT_CALLS_H_

#include <sys/types.h>

#include <cstdint>

#include "child/temporary_fd.h"

namespace mini::child {

// A descriptor, or -1. No path is followed through a symlink of /proc; `resolve` is openat2(2)'s.
int OpenAt2(int directory, const char* path, uint64_t flags, uint64_t resolve);

// Where something is, or is to be: below a descriptor of a directory, or by an absolute path.
struct Place {
  int directory;  // AT_FDCWD with an absolute path
  const char* path;

  // No directory lies between: the flags that do not follow the last component then say all that
  // RESOLVE_NO_SYMLINKS would, and nothing has to be opened first.
  bool is_one_step() const;
};

// The object there, with no symlink on the way and as it is.
int OpenObject(const Place& place);

int CloneMount(int descriptor, bool recursive);
// The same of an object that is named, with no symlink on the way.
int CloneMountAt(const Place& place, bool recursive, Closing closing);
// With all mounts below, and SetAttributes() of them all.
int CloneTreeAt(const Place& place, uint64_t attributes, Closing closing);

// Private, so that what the host mounts later does not appear inside, with the host's flags.
bool SetAttributes(int descriptor, uint64_t attributes, bool recursive);
bool SetAttributesAt(const Place& place, uint64_t attributes, bool recursive, Closing closing);

bool MoveMount(int mount, int target);

// Over the object there.
bool AttachTo(int mount, const Place& place, Closing closing);

// A new file system's, as in "mode=755,size=4096". One of the form "?huge=always" is left out where
// the kernel does not know it.
bool SetOptions(int filesystem, const char* options);

// The lower is named by the working directory, because overlayfs takes paths, and this one may
// be covered by now or hold characters that its option syntax gives a meaning.
int CreateOverlay(int lower, const char* upper, const char* work, uint64_t attributes);

// Makes what is missing on the way, and the last. Called only where everything missing belongs to a
// file system of our own.
bool MakePoint(const Place& place, bool directory, Closing closing);

// With mode and times; `to` is new.
bool CopyFile(int from, const char* to);

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_MOUNT_CALLS_H_
