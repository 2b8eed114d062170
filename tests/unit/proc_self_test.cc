#include "child/proc_self.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "base/unique_fd.h"

namespace mini::child {
namespace {

uint64_t AddressOf(const void* object) { return reinterpret_cast<uintptr_t>(object); }

class ProcSelf : public testing::Test {
 protected:
  void TearDown() override {
    if (place_ != MAP_FAILED) munmap(place_, size_);
  }

  // Between two pages that cannot be accessed, so that it is a mapping of its own.
  void* Map(int protection, int flags, const std::string& name, size_t offset) {
    std::string path = "/tmp/" + name + "-XXXXXX";
    file_ = UniqueFd(mkstemp(path.data()));
    unlink(path.c_str());
    EXPECT_EQ(ftruncate(file_.get(), static_cast<off_t>(offset + page_)), 0);
    place_ = mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void* const middle = static_cast<char*>(place_) + page_;
    return mmap(middle, page_, protection, flags | MAP_FIXED, file_.get(),
                static_cast<off_t>(offset));
  }

  const size_t page_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const UniqueFd self_{open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC)};

 private:
  const size_t size_ = 3 * page_;
  UniqueFd file_;
  void* place_ = MAP_FAILED;
};

TEST_F(ProcSelf, FindsAMappingByAnyAddressInIt) {
  void* const place = Map(PROT_READ, MAP_PRIVATE, "mapping", 4 * page_);
  Mapping mapping;
  ASSERT_TRUE(FindMapping(self_.get(), AddressOf(place) + page_ - 1, mapping));
  EXPECT_EQ(mapping.start, AddressOf(place));
  EXPECT_EQ(mapping.end, AddressOf(place) + page_);
  EXPECT_EQ(mapping.protection, PROT_READ);
  EXPECT_EQ(mapping.offset, 4 * page_);
  EXPECT_FALSE(mapping.is_shared);
  EXPECT_NE(mapping.file, FileIdentity());
}

TEST_F(ProcSelf, SaysWhatMayBeDoneWithAMappingAndWhetherItIsShared) {
  void* const place = Map(PROT_READ | PROT_WRITE, MAP_SHARED, "shared", 0);
  Mapping mapping;
  ASSERT_TRUE(FindMapping(self_.get(), AddressOf(place), mapping));
  EXPECT_EQ(mapping.protection, PROT_READ | PROT_WRITE);
  EXPECT_TRUE(mapping.is_shared);
}

TEST_F(ProcSelf, IsNotConfusedByWhatANameHolds) {
  void* const place = Map(PROT_READ, MAP_PRIVATE, "a\n0-1 rw-p 0 0:0 0 ) b (deleted)", 0);
  Mapping mapping;
  ASSERT_TRUE(FindMapping(self_.get(), AddressOf(place), mapping));
  const FileIdentity file = mapping.file;
  ASSERT_TRUE(FindMapping(self_.get(), mapping.end, mapping));
  EXPECT_EQ(mapping.start, AddressOf(place) + page_);
  EXPECT_NE(mapping.file, file);
}

TEST_F(ProcSelf, KnowsTheEndOfTheTable) {
  Mapping mapping;
  EXPECT_FALSE(FindMapping(self_.get(), ~uint64_t{0}, mapping));
  EXPECT_EQ(errno, ENOENT);
}

TEST_F(ProcSelf, TellsWhereTheProgramLiesWhateverItsNameIs) {
  ASSERT_EQ(prctl(PR_SET_NAME, "a) R 1 (2 3)", 0, 0, 0), 0);
  prctl_mm_map layout = {};
  ASSERT_TRUE(ReadMemoryLayout(self_.get(), layout));
  const uint64_t function = AddressOf(reinterpret_cast<const void*>(&AddressOf));
  EXPECT_LE(layout.start_code, function);
  EXPECT_GT(layout.end_code, function);
  static int variable = 1;
  EXPECT_LE(layout.start_data, AddressOf(&variable));
  EXPECT_GT(layout.end_data, AddressOf(&variable));
  EXPECT_EQ(layout.brk, AddressOf(sbrk(0)));
  EXPECT_LE(layout.start_brk, layout.brk);
  EXPECT_LT(layout.arg_start, layout.arg_end);
  EXPECT_LE(layout.env_start, layout.env_end);
  EXPECT_GT(layout.arg_start, layout.start_stack);
}

}  // namespace
}  // namespace mini::child
