#include "sys/scratch_directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "sys/remove_tree.h"
#include "tests/unit/child_process.h"

namespace mini {
namespace {

namespace fs = std::filesystem;

class ScratchTest : public testing::Test {
 protected:
  ScratchTest() {
    std::string pattern = fs::temp_directory_path() / "scratch_test.XXXXXX";
    path_ = fs::canonical(mkdtemp(pattern.data()));
    parent_ = UniqueFd(open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~ScratchTest() override {
    (void)RemoveTree(AT_FDCWD, path_.c_str() + path_.rfind('/') + 1);
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string In(const std::string& name) const { return path_ + "/" + name; }
  bool Exists(const std::string& name) const { return fs::exists(fs::symlink_status(In(name))); }

  std::string path_;
  UniqueFd parent_;
};

std::string NewName() {
  const Result<std::string> name = NewScratchDirectoryName();
  return name.ok() ? *name : "";
}

// The process has ended, or the test waits for its end.
bool EndsSoon(int pidfd) {
  pollfd descriptor = {pidfd, POLLIN, 0};
  return poll(&descriptor, 1, 10'000) == 1;
}

bool BecomesTrue(const std::function<bool()>& condition) {
  for (int turn = 0; turn < 1000; ++turn) {
    if (condition()) return true;
    poll(nullptr, 0, 10);
  }
  return false;
}

long OpenCount(pid_t pid) {
  return std::distance(fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd"),
                       fs::directory_iterator());
}

UniqueFd OpenPidfd(pid_t pid) {
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

TEST_F(ScratchTest, RemovesATreeThatIsDeeperThanItsDescriptors) {
  const std::string result = RunInChild([&]() -> std::string {
    constexpr int kDepth = 600;
    if (chdir(path_.c_str()) != 0 || mkdir("top", 0700) != 0 || chdir("top") != 0) return "chdir";
    for (int i = 0; i < kDepth; ++i) {
      if (mkdir("deeper", 0700) != 0 || mknod("file", S_IFREG | 0600, 0) != 0 ||
          chdir("deeper") != 0) {
        return "make";
      }
    }
    const rlimit few = {12, 12};
    setrlimit(RLIMIT_NOFILE, &few);
    return RemoveTree(parent_.get(), "top") == 0 ? "removed"
                                                 : std::string("errno ") + strerror(errno);
  });
  EXPECT_EQ(result, "removed");
  EXPECT_FALSE(Exists("top"));
}

TEST_F(ScratchTest, RemovesDirectoriesThatTheirOwnerMayNotEnter) {
  const std::string result = RunInChild([&]() -> std::string {
    chmod(path_.c_str(), 0777);
    constexpr id_t kNobody = 65534;
    if (geteuid() == 0 &&
        (setresgid(kNobody, kNobody, kNobody) != 0 || setresuid(kNobody, kNobody, kNobody) != 0)) {
      return "become nobody";
    }
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);  // /proc/self/fd belongs to us again
    fs::create_directories(In("top/work/work/incompat/volatile"));
    std::ofstream(In("top/work/work/incompat/volatile/dirty")) << "";
    for (const char* name :
         {"top/work/work/incompat/volatile", "top/work/work/incompat", "top/work/work"}) {
      chmod(In(name).c_str(), 0);
    }
    const int error = RemoveTree(parent_.get(), "top");
    return error == 0 ? "removed" : strerror(error);
  });
  EXPECT_EQ(result, "removed");
  EXPECT_FALSE(Exists("top"));
}

TEST_F(ScratchTest, FollowsNoSymlinkWhileRemoving) {
  fs::create_directory(In("kept"));
  std::ofstream(In("kept/file")) << "as it was";
  fs::create_directory(In("top"));
  fs::create_symlink(In("kept"), In("top/link"));
  fs::create_directory(In("top/below"));
  fs::create_symlink("../../kept/file", In("top/below/link"));
  EXPECT_EQ(RemoveTree(parent_.get(), "top"), 0);
  EXPECT_FALSE(Exists("top"));
  EXPECT_TRUE(Exists("kept/file"));

  fs::create_directory_symlink("kept", In("top"));
  EXPECT_NE(RemoveTree(parent_.get(), "top"), 0) << "the root itself is a symlink";
  EXPECT_TRUE(Exists("kept/file"));
}

TEST_F(ScratchTest, IsClosedToOthersAndGoneAfterwards) {
  const std::string name = NewName();
  Result<ScratchDirectory> scratch = ScratchDirectory::Create(path_, name);
  ASSERT_TRUE(scratch.ok()) << scratch.status().ToString();
  struct stat status;
  ASSERT_EQ(stat(In(name).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700u);
  fs::create_directories(In(name + "/a/b"));
  const UniqueFd cleaner = OpenPidfd(scratch->cleaner());
  EXPECT_TRUE(scratch->Remove().ok());
  EXPECT_FALSE(Exists(name));
  EXPECT_TRUE(EndsSoon(cleaner.get()));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "no child is left";
}

TEST_F(ScratchTest, NamesAreNotGuessable) {
  const std::string name = NewName();
  EXPECT_EQ(name.size(), std::string("mini-sandbox-").size() + 32);
  EXPECT_NE(name, NewName());
}

TEST_F(ScratchTest, IsRemovedWhenTheSupervisorIsKilledButNotBeforeTheSandboxEnds) {
  const std::string name = NewName();
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);  // the cleaner becomes our child
  int sandbox_pipe[2];
  ASSERT_EQ(pipe(sandbox_pipe), 0);
  const pid_t sandbox = fork();
  if (sandbox == 0) {
    close(sandbox_pipe[1]);
    char byte;
    (void)!read(sandbox_pipe[0], &byte, 1);
    _exit(0);
  }
  close(sandbox_pipe[0]);
  const UniqueFd sandbox_pidfd = OpenPidfd(sandbox);
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t supervisor = fork();
  if (supervisor == 0) {
    Result<ScratchDirectory> scratch = ScratchDirectory::Create(path_, name);
    if (!scratch.ok() || !scratch->KeepUntilEndOf(sandbox_pidfd.get()).ok()) _exit(1);
    const pid_t cleaner = scratch->cleaner();
    (void)!write(ready[1], &cleaner, sizeof cleaner);
    raise(SIGKILL);
  }
  pid_t cleaner = -1;
  ASSERT_EQ(read(ready[0], &cleaner, sizeof cleaner), static_cast<ssize_t>(sizeof cleaner));
  const UniqueFd cleaner_pidfd = OpenPidfd(cleaner);
  int status = 0;
  ASSERT_EQ(waitpid(supervisor, &status, 0), supervisor);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(Exists(name));
  // Its socket, two directories, the sandbox's pidfd.
  EXPECT_TRUE(BecomesTrue([&] { return getsid(cleaner) == cleaner && OpenCount(cleaner) == 4; }))
      << "a terminal's signals do not reach it, and it holds nothing of the supervisor's";

  close(sandbox_pipe[1]);
  ASSERT_EQ(waitpid(sandbox, nullptr, 0), sandbox);
  EXPECT_TRUE(EndsSoon(cleaner_pidfd.get()));
  EXPECT_EQ(waitpid(cleaner, &status, 0), cleaner);
  EXPECT_FALSE(Exists(name));
  close(ready[0]);
  close(ready[1]);
  prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

TEST_F(ScratchTest, IsRemovedByTheSupervisorWhenSomebodyKillsTheCleaner) {
  const std::string name = NewName();
  Result<ScratchDirectory> scratch = ScratchDirectory::Create(path_, name);
  ASSERT_TRUE(scratch.ok()) << scratch.status().ToString();
  kill(scratch->cleaner(), SIGKILL);
  EXPECT_TRUE(scratch->Remove().ok());
  EXPECT_FALSE(Exists(name));
}

TEST_F(ScratchTest, TheNextRunRemovesWhatNobodyHoldsAndNothingElse) {
  const std::string abandoned = NewName(), held = NewName(), name = NewName();
  fs::create_directories(In(abandoned + "/overlay-0/upper"));
  fs::create_directory(In(held));
  const UniqueFd holder(open(In(held).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(flock(holder.get(), LOCK_EX), 0);
  fs::create_directory(In("mini-sandbox-notes"));
  fs::create_directory_symlink(In("mini-sandbox-notes"), In(NewName()));
  {
    const Result<ScratchDirectory> scratch = ScratchDirectory::Create(path_, name);
    ASSERT_TRUE(scratch.ok()) << scratch.status().ToString();
    EXPECT_FALSE(Exists(abandoned));
    EXPECT_TRUE(Exists(held));
    EXPECT_TRUE(Exists("mini-sandbox-notes"));
    const Result<ScratchDirectory> second = ScratchDirectory::Create(path_, NewName());
    EXPECT_TRUE(second.ok());
    EXPECT_TRUE(Exists(name)) << "a run that lives keeps its directory";
  }
  EXPECT_FALSE(Exists(name));
}

TEST_F(ScratchTest, RefusesASymlinkAndWhatIsNoDirectory) {
  fs::create_directory(In("real"));
  fs::create_directory_symlink(In("real"), In("link"));
  std::ofstream(In("file")) << "";
  EXPECT_EQ(ScratchDirectory::Create(In("link"), NewName()).status().error_number(), ELOOP);
  EXPECT_EQ(ScratchDirectory::Create(In("file"), NewName()).status().error_number(), ENOTDIR);
  EXPECT_EQ(ScratchDirectory::Create(In("none"), NewName()).status().error_number(), ENOENT);
}

}  // namespace
}  // namespace mini
