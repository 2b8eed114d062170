// Removes a directory with all that a hostile command may have put into it.
#ifndef MINI_SANDBOX_SYS_REMOVE_TREE_H_
#define MINI_SANDBOX_SYS_REMOVE_TREE_H_

namespace mini {

// Removes the directory `name` in `parent` and everything below: no symlink is followed, no mount
// is entered, directories without permissions are opened up. Takes a fixed number of descriptors,
// no stack and no heap however deep the tree is, so it may run after a fork. Zero, or an errno.
int RemoveTree(int parent, const char* name);

// A directory for reading; one that this user owns and closed to himself is opened up first.
// Negative: errno says why.
int OpenDirectoryBeneath(int parent, const char* name);

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_REMOVE_TREE_H_
