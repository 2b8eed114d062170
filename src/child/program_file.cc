// Theory of operation
//
// The file is opened on a detached read-only mount (reopen.cc), or where the same file shows inside
// under its name, there: then /proc/self/exe is the name that it has inside, and may be changed as
// far as the sandbox may change it. PR_SET_MM_MAP (prctl(2)) makes it the file of this process; the
// user namespace's CAP_SYS_ADMIN is enough for that (checkpoint_restore_ns_capable() in the kernel)
// where nothing of the old one is mapped any more. So each of its mappings is replaced by one of
// the new file: the same bytes, the pages that have been changed copied, and moved over the old one
// by mremap(2), in one step as to what is executed from it. That holds for this very code.
//
// The file is found among the mappings as /proc/self/maps calls it, by the device and inode of a
// mapping just made: what stat(2) says of them differs on some file systems.
#include "child/program_file.h"

#include <fcntl.h>
#include <linux/prctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "child/proc_self.h"
#include "child/reopen.h"

namespace mini::child {
namespace {

void* Address(uint64_t value) {
  return reinterpret_cast<void*>(value);  // NOLINT(performance-no-int-to-ptr)
}

size_t PageSize() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

// Page by page without memcmp(3) and memcpy(3), which may be the caller's own: those of a sanitizer
// want to know of every byte whose it is. Volatile, so that no loop becomes such a call.
// Our own are told not to ask.
using Word [[gnu::may_alias]] = uint64_t;

__attribute__((no_sanitize("address"))) bool IsSamePage(const volatile Word* one,
                                                        const volatile Word* other, size_t words) {
  for (size_t i = 0; i < words; ++i) {
    if (one[i] != other[i]) return false;
  }
  return true;
}

__attribute__((no_sanitize("address"))) void CopyPage(volatile Word* to, const volatile Word* from,
                                                      size_t words) {
  for (size_t i = 0; i < words; ++i) to[i] = from[i];
}

// Copies the pages that differ. `to` is readable, and its protection is `protection` in the end.
bool CopyChangedPages(void* to, const void* from, size_t size, int protection) {
  const size_t words = PageSize() / sizeof(Word);
  const bool was_writable = (protection & PROT_WRITE) != 0;
  bool is_writable = was_writable;
  auto* target = static_cast<volatile Word*>(to);
  const auto* source = static_cast<const volatile Word*>(from);
  for (size_t left = size / PageSize(); left > 0; --left, target += words, source += words) {
    if (IsSamePage(target, source, words)) continue;
    if (!is_writable && mprotect(to, size, PROT_READ | PROT_WRITE) != 0) return false;
    is_writable = true;
    CopyPage(target, source, words);
  }
  return is_writable == was_writable || mprotect(to, size, protection) == 0;
}

bool ReplaceMapping(const Mapping& old, int file, uint64_t file_size) {
  void* const place = Address(old.start);
  const size_t size = old.end - old.start;
  const auto offset = static_cast<off_t>(old.offset);
  if (old.is_shared) {
    return mmap(place, size, old.protection, MAP_SHARED | MAP_FIXED, file, offset) != MAP_FAILED;
  }
  const int readable = old.protection | PROT_READ;
  if (readable != old.protection && mprotect(place, size, readable) != 0) return false;
  void* const copy = mmap(nullptr, size, readable, MAP_PRIVATE, file, offset);
  if (copy == MAP_FAILED) return false;
  // Whole pages behind the end of the file are there in neither.
  const size_t page = PageSize();
  const uint64_t last = (file_size + page - 1) / page * page;
  const uint64_t present = last > old.offset ? last - old.offset : 0;
  if (!CopyChangedPages(copy, place, std::min<size_t>(size, present), readable)) return false;
  if (readable != old.protection && mprotect(copy, size, old.protection) != 0) return false;
  return mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place) != MAP_FAILED;
}

// As /proc/self/maps has it.
bool IdentityOf(int self, int file, FileIdentity& identity) {
  const size_t page = PageSize();
  void* const sample = mmap(nullptr, page, PROT_READ, MAP_PRIVATE, file, 0);
  if (sample == MAP_FAILED) return false;
  Mapping mapping;
  const bool found = FindMapping(self, reinterpret_cast<uintptr_t>(sample), mapping);
  const int error = errno;
  munmap(sample, page);
  errno = error;
  identity = mapping.file;
  return found;
}

// Each one is looked for anew, since replacing one changes the table.
bool ReplaceMappings(int self, int file, uint64_t file_size) {
  FileIdentity identity;
  if (!IdentityOf(self, file, identity)) return false;
  Mapping mapping;
  for (uint64_t from = 0; FindMapping(self, from, mapping); from = mapping.end) {
    if (mapping.file == identity && !ReplaceMapping(mapping, file, file_size)) return false;
  }
  return errno == ENOENT;
}

bool BecomeFile(int self, int file) {
  prctl_mm_map layout = {};
  if (!ReadMemoryLayout(self, layout)) return false;
  layout.exe_fd = static_cast<uint32_t>(file);
  return prctl(PR_SET_MM, PR_SET_MM_MAP, &layout, sizeof layout, 0) == 0;
}

}  // namespace

Step ProgramFile::Open() {
  self_.reset(open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd program(open("/proc/self/exe", O_PATH | O_CLOEXEC));
  if (!self_ || !program || fstat(program.get(), &status_) != 0) {
    return FailedAt(ChildStage::kProgram);
  }
  if (!MayBeChanged(program.get(), status_, status_.st_uid == geteuid())) return Done();
  const ssize_t length = readlink(DescriptorPath(program.get()).get(), name_, sizeof name_ - 1);
  if (length < 0) return FailedAt(ChildStage::kProgram);
  name_[length] = '\0';
  file_.reset(OpenReadOnly(program.get(), status_, O_RDONLY));
  return file_ ? Done() : FailedAt(ChildStage::kProgram);
}

void ProgramFile::PreferWhatShows() {
  const UniqueFd object(OpenExpected(name_, status_));
  struct statvfs mount;
  if (!object || fstatvfs(object.get(), &mount) != 0 || (mount.f_flag & ST_NOEXEC) != 0) return;
  UniqueFd file(openat(self_.get(), DescriptorPath(object.get()).below_self(),
                       O_RDONLY | O_NOCTTY | O_CLOEXEC));
  if (file) file_ = std::move(file);
}

Step ProgramFile::Replace() {
  if (file_) {
    PreferWhatShows();
    if (!ReplaceMappings(self_.get(), file_.get(), static_cast<uint64_t>(status_.st_size)) ||
        !BecomeFile(self_.get(), file_.get())) {
      return FailedAt(ChildStage::kProgram);
    }
  }
  file_.reset();
  self_.reset();
  return Done();
}

}  // namespace mini::child
