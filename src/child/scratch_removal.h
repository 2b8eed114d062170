// Removes the scratch directory of a run without namespaces, whatever the command left in it.
#ifndef MINI_SANDBOX_CHILD_SCRATCH_REMOVAL_H_
#define MINI_SANDBOX_CHILD_SCRATCH_REMOVAL_H_

namespace mini::child {

// The directory and all below it; nothing where it is missing. No symlink is followed and no
// mount is entered, nothing is allocated, and the depth does not matter. No other process may be at
// work in it. False: errno says why something is left.
bool RemoveScratch(const char* directory);

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_SCRATCH_REMOVAL_H_
