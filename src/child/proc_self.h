// What the kernel says of this process's memory, read without allocating.
#ifndef MINI_SANDBOX_CHILD_PROC_SELF_H_
#define MINI_SANDBOX_CHILD_PROC_SELF_H_

#include <linux/prctl.h>

#include <cstdint>

namespace mini::child {

// 0 and 0: no file.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

// A line of /proc/PID/maps (proc(5)).
struct Mapping {
  uint64_t start = 0;
  uint64_t end = 0;
  int protection = 0;  // of mmap(2)
  bool is_shared = false;
  uint64_t offset = 0;
  FileIdentity file;
};

// The first mapping that ends behind `address`; false with ENOENT when there is none. `self` is a
// descriptor of /proc/self.
bool FindMapping(int self, uint64_t address, Mapping& mapping);

// Where code, data, heap and stack lie, as PR_SET_MM_MAP takes it (prctl(2)).
bool ReadMemoryLayout(int self, prctl_mm_map& layout);

}  // namespace mini::child

#endif  // MINI_SANDBOX_CHILD_PROC_SELF_H_
