#include "sys/resolver_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace mini {
namespace {

class ResolverWatchTest : public testing::Test {
 protected:
  ResolverWatchTest() {
    char name[] = "/tmp/resolver-files-XXXXXX";
    directory_ = mkdtemp(name);
    Write("resolv.conf", "nameserver 192.0.2.1\n");
    Write("hosts", "192.0.2.7 a.example\n");
  }
  ~ResolverWatchTest() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  // As most writers do it: a new file, renamed over the old one.
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path("new")) << text;
    ASSERT_EQ(rename(Path("new").c_str(), Path(name).c_str()), 0);
  }
  ResolverWatch Files() const {
    return {Path("resolv.conf"), "nameserver 192.0.2.1\n", Path("hosts"), "192.0.2.7 a.example\n"};
  }

  std::string directory_;
};

TEST_F(ResolverWatchTest, AreUnchangedUntilTheyChange) {
  ResolverWatch files = Files();
  EXPECT_FALSE(files.ReadIfChanged());
  EXPECT_FALSE(files.ReadIfChanged());
  Write("resolv.conf", "nameserver 192.0.2.2\n");
  EXPECT_TRUE(files.ReadIfChanged());
  EXPECT_EQ(files.resolv_conf(), "nameserver 192.0.2.2\n");
  EXPECT_EQ(files.hosts(), "192.0.2.7 a.example\n");
  EXPECT_FALSE(files.ReadIfChanged());
  Write("hosts", "");
  EXPECT_TRUE(files.ReadIfChanged());
  EXPECT_EQ(files.hosts(), "");
}

TEST_F(ResolverWatchTest, NoticeWhatChangedBeforeTheFirstLook) {
  ResolverWatch files(Path("resolv.conf"), "nameserver 192.0.2.9\n", Path("hosts"), "");
  EXPECT_TRUE(files.ReadIfChanged());
  EXPECT_EQ(files.resolv_conf(), "nameserver 192.0.2.1\n");
}

TEST_F(ResolverWatchTest, NoticeAnotherFileOfTheSameSizeWithItsTimesSetBack) {
  ResolverWatch files = Files();
  EXPECT_FALSE(files.ReadIfChanged());
  struct stat before;
  ASSERT_EQ(stat(Path("resolv.conf").c_str(), &before), 0);
  Write("resolv.conf", "nameserver 192.0.2.3\n");
  const timespec times[] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, Path("resolv.conf").c_str(), times, 0), 0);
  EXPECT_TRUE(files.ReadIfChanged());
}

TEST_F(ResolverWatchTest, FollowASymlinkToWhereverItLeadsNow) {
  Write("other", "nameserver 192.0.2.4\n");
  ResolverWatch files = Files();
  EXPECT_FALSE(files.ReadIfChanged());
  ASSERT_EQ(unlink(Path("resolv.conf").c_str()), 0);
  ASSERT_EQ(symlink("other", Path("resolv.conf").c_str()), 0);
  EXPECT_TRUE(files.ReadIfChanged());
  EXPECT_EQ(files.resolv_conf(), "nameserver 192.0.2.4\n");
}

TEST_F(ResolverWatchTest, KeepTheTextOfAFileThatIsGoneOrNoFile) {
  ResolverWatch files = Files();
  ASSERT_EQ(unlink(Path("resolv.conf").c_str()), 0);
  EXPECT_FALSE(files.ReadIfChanged());
  ASSERT_EQ(mkfifo(Path("resolv.conf").c_str(), 0600), 0);
  EXPECT_FALSE(files.ReadIfChanged()) << "and it did not wait for a writer";
  EXPECT_EQ(files.resolv_conf(), "nameserver 192.0.2.1\n");
  Write("resolv.conf", "nameserver 192.0.2.5\n");
  EXPECT_TRUE(files.ReadIfChanged());
}

}  // namespace
}  // namespace mini
