#include "sys/host_facts.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/strings.h"
#include "sys/mountinfo.h"
#include "sys/passwd.h"
#include "sys/read_file.h"
#include "sys/unix_sockets.h"
#include "tests/unit/child_process.h"

namespace mini {
namespace {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = std::filesystem::temp_directory_path() / "host_facts_test.XXXXXX";
    path_ = std::filesystem::canonical(mkdtemp(pattern.data()));
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Nobody's rights; root sees everything, and then there is nothing to refuse.
bool BecomeUnprivileged() {
  constexpr id_t kNobody = 65534;
  return geteuid() != 0 ||
         (setresgid(kNobody, kNobody, kNobody) == 0 && setresuid(kNobody, kNobody, kNobody) == 0);
}

TEST(Mountinfo, ReadsTheManualPagesExample) {
  const auto mounts = ParseMountinfo(
      "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n");
  ASSERT_TRUE(mounts.ok()) << mounts.status().ToString();
  ASSERT_EQ(mounts->size(), 1u);
  EXPECT_EQ((*mounts)[0], (MountFact{98, 0, "/mnt1", "/mnt2", "ext3"}));
}

TEST(Mountinfo, TakesAnyNumberOfOptionalFields) {
  const auto mounts = ParseMountinfo(
      "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
      "2 1 0:5 / /proc rw shared:5 master:3 propagate_from:2 unbindable - proc proc rw\n");
  ASSERT_TRUE(mounts.ok()) << mounts.status().ToString();
  ASSERT_EQ(mounts->size(), 2u);
  EXPECT_EQ((*mounts)[1], (MountFact{0, 5, "/", "/proc", "proc"}));
}

TEST(Mountinfo, UndoesOctalEscapesAndKeepsUtf8) {
  const auto mounts = ParseMountinfo(
      "1 0 8:1 /a\\040b /mnt/with\\040space\\011tab\\134back\\012line rw - fuse.x\\040y none rw\n"
      "2 1 8:1 / /mnt/\xc3\xa4\xe2\x82\xac rw - ext4 none rw\n");
  ASSERT_TRUE(mounts.ok()) << mounts.status().ToString();
  ASSERT_EQ(mounts->size(), 2u);
  EXPECT_EQ((*mounts)[0].root, "/a b");
  EXPECT_EQ((*mounts)[0].mount_point, "/mnt/with space\ttab\\back\nline");
  EXPECT_EQ((*mounts)[0].filesystem, "fuse.x y");
  EXPECT_EQ((*mounts)[1].mount_point, "/mnt/\xc3\xa4\xe2\x82\xac");
}

TEST(Mountinfo, AnUnescapedBackslashSequenceIsNotUndoneTwice) {
  // A directory called `\040`, which the kernel writes as \134040.
  EXPECT_EQ(UnescapeMountField("\\134040"), "\\040");
  EXPECT_EQ(UnescapeMountField("\\04"), "\\04") << "an escape has three digits";
  EXPECT_EQ(UnescapeMountField("\\089"), "\\089") << "and they are octal";
}

TEST(Mountinfo, KeepsTheOrderOfAThousandMounts) {
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    text += StrCat(i + 20, " 1 0:", i, " / /mnt/", i, " rw,relatime shared:", i, " - tmpfs t rw\n");
  }
  const auto mounts = ParseMountinfo(text);
  ASSERT_TRUE(mounts.ok()) << mounts.status().ToString();
  ASSERT_EQ(mounts->size(), 1000u);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ((*mounts)[static_cast<size_t>(i)].mount_point, StrCat("/mnt/", i));
    EXPECT_EQ((*mounts)[static_cast<size_t>(i)].device_minor, static_cast<uint32_t>(i));
  }
}

TEST(Mountinfo, ALineItDoesNotUnderstandIsAnError) {
  for (const char* bad : {"garbage\n", "1 0 8:1 / /mnt rw\n", "1 0 8:1 / /mnt rw shared:1\n",
                          "1 0 81 / /mnt rw - a b\n", "1 0 8:x / /mnt rw - ext4 b c\n",
                          "1 0 8:1 / relative rw - ext4 b c\n", "1 0 8:1 / /m rw - \n"}) {
    EXPECT_FALSE(ParseMountinfo(bad).ok()) << bad;
  }
}

TEST(Passwd, FindsTheFirstAccountWithTheUid) {
  const char* text =
      "root:x:0:0:root:/root:/bin/bash\n"
      "broken line\n"
      "u:x:1000:1000:U,,,:/home/u:/bin/sh\n"
      "alias:x:1000:1000::/home/alias:/bin/sh";
  EXPECT_EQ(HomeFromPasswd(text, 1000), "/home/u");
  EXPECT_EQ(HomeFromPasswd(text, 0), "/root");
  EXPECT_FALSE(HomeFromPasswd(text, 100)) << "100 is a prefix of 1000, not the same";
  EXPECT_FALSE(HomeFromPasswd("", 0));
}

TEST(Passwd, TheLastLineNeedsNoNewlineAndNoShell) {
  EXPECT_EQ(HomeFromPasswd("u:x:7:7::/home/u", 7), "/home/u");
  EXPECT_FALSE(HomeFromPasswd("u:x:7:7:", 7));
}

TEST(ReadTextFile, RefusesWhatIsNoRegularFileWithoutBlocking) {
  const TemporaryDirectory directory;
  ASSERT_EQ(mkfifo((directory / "fifo").c_str(), 0600), 0);
  EXPECT_NE(ReadTextFile(directory / "fifo", 100, Stage::kRules).status().message().find("FIFO"),
            std::string::npos);
  EXPECT_NE(ReadTextFile(directory.path(), 100, Stage::kRules).status().message().find("directory"),
            std::string::npos);
  EXPECT_NE(ReadTextFile("/dev/zero", 100, Stage::kRules).status().message().find("device"),
            std::string::npos);
  EXPECT_EQ(ReadTextFile(directory / "none", 100, Stage::kRules).status().error_number(), ENOENT);
}

TEST(ReadTextFile, ReadsAllBytesOrNone) {
  const TemporaryDirectory directory;
  const std::string text = std::string(100'000, 'a') + std::string("\0b", 2);
  std::ofstream(directory / "file") << text;
  const auto whole = ReadTextFile(directory / "file", text.size(), Stage::kRules);
  ASSERT_TRUE(whole.ok()) << whole.status().ToString();
  EXPECT_EQ(*whole, text);
  EXPECT_FALSE(ReadTextFile(directory / "file", text.size() - 1, Stage::kRules).ok());
}

TEST(ParseUnixSockets, TakesAbsolutePathsOnceAndNothingElse) {
  EXPECT_EQ(
      ParseUnixSockets("Num       RefCount Protocol Flags    Type St Inode Path\n"
                       "0000000000000000: 00000002 00000000 00010000 0001 01 20453 /run/b c\n"
                       "0000000000000000: 00000003 00000000 00000000 0001 03 20454 /run/b c\n"
                       "0000000000000000: 00000003 00000000 00000000 0001 03 20455\n"
                       "0000000000000000: 00000002 00000000 00010000 0001 01 20456 @/abstract\n"
                       "0000000000000000: 00000002 00000000 00010000 0001 01 20457 relative\n"
                       "0000000000000000: 00000002 00000000 00010000 0001 01 20458 /a\n"),
      (std::vector<std::string>{"/a", "/run/b c"}));
}

TEST(ReadPathFact, FollowsSymlinksToTheCanonicalPath) {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "with space \xc3\xa4");
  std::filesystem::create_symlink("with space \xc3\xa4", directory / "link");
  const auto fact = ReadPathFact(directory / "link/../link");
  ASSERT_TRUE(fact.ok()) << fact.status().ToString();
  EXPECT_EQ(fact->kind, PathKind::kDirectory);
  EXPECT_EQ(fact->canonical, directory / "with space \xc3\xa4");
}

TEST(ReadPathFact, SaysWhatIsMissing) {
  const TemporaryDirectory directory;
  std::ofstream(directory / "file") << "x";
  std::filesystem::create_symlink("loop", directory / "loop");
  for (const char* name : {"none", "file/below", "loop"}) {
    const auto fact = ReadPathFact(directory / name);
    ASSERT_TRUE(fact.ok()) << fact.status().ToString();
    EXPECT_EQ(fact->kind, PathKind::kMissing) << name;
    EXPECT_EQ(fact->canonical, "");
  }
}

TEST(ReadPathFact, TellsFilesFromTheRestWithoutOpeningThem) {
  const TemporaryDirectory directory;
  std::ofstream(directory / "file") << "x";
  ASSERT_EQ(mkfifo((directory / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(ReadPathFact(directory / "file")->kind, PathKind::kFile);
  EXPECT_EQ(ReadPathFact(directory / "fifo")->kind, PathKind::kOther);
  EXPECT_EQ(ReadPathFact("/dev/null")->kind, PathKind::kOther);
}

TEST(ReadPathFact, JudgesByTheCallersRights) {
  const TemporaryDirectory directory;
  ASSERT_EQ(chmod(directory.path().c_str(), 0755), 0);
  std::filesystem::create_directories(directory / "closed/inside");
  std::ofstream(directory / "file") << "x";
  ASSERT_EQ(chmod((directory / "file").c_str(), 0444), 0);
  ASSERT_EQ(chmod((directory / "closed").c_str(), 0), 0);
  const std::string seen = RunInChild([&]() -> std::string {
    if (!BecomeUnprivileged()) return "setresuid failed";
    const auto file = ReadPathFact(directory / "file");
    const auto inside = ReadPathFact(directory / "closed/inside");
    if (!file.ok() || !inside.ok()) return "an error";
    return StrCat(file->kind == PathKind::kFile ? "file, " : "unseen, ",
                  inside->kind == PathKind::kOther ? "other" : "seen", " ",
                  inside->canonical.empty() ? "unnamed" : "named");
  });
  ASSERT_EQ(chmod((directory / "closed").c_str(), 0700), 0);
  EXPECT_EQ(seen, "file, other unnamed");
}

// Every path twice and in both orders, so that what is known of one is used for another.
std::string WhereReaderAndKernelDiffer(const std::vector<std::string>& paths) {
  std::vector<std::string> asked = paths;
  asked.insert(asked.end(), paths.rbegin(), paths.rend());
  PathFactReader reader;
  std::string differing;
  for (const std::string& path : asked) {
    const auto fact = reader.Read(path);
    const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr),
                                                           &std::free);
    if (!fact.ok() || fact->canonical != (real ? real.get() : "")) {
      differing += StrCat(path, ": ", fact.ok() ? fact->canonical : "error", "\n");
    }
  }
  return differing;
}

TEST(PathFactReader, AgreesWithTheKernelWhereverPathsLead) {
  const TemporaryDirectory directory;
  ASSERT_EQ(chmod(directory.path().c_str(), 0755), 0);
  std::filesystem::create_directories(directory / "a/b/c/d");
  std::ofstream(directory / "a/file") << "x";
  std::filesystem::create_symlink("a/b", directory / "below");
  std::filesystem::create_symlink(directory / "below/c", directory / "through");
  std::filesystem::create_symlink("../a/b", directory / "a/up");
  std::filesystem::create_symlink("/", directory / "top");
  std::filesystem::create_symlink("none", directory / "dangling");
  std::filesystem::create_symlink("loop", directory / "loop");
  std::filesystem::create_symlink("a/file", directory / "to-file");
  std::filesystem::create_symlink("/proc/self", directory / "self");
  const std::vector<std::string> paths = {directory / "a",          directory / "a/b/c/d",
                                          directory / "a/b/none/e", directory / "a/file",
                                          directory / "below",      directory / "below/c/d",
                                          directory / "through/d",  directory / "a/up/c",
                                          directory / "top/etc",    directory / "dangling",
                                          directory / "dangling/x", directory / "loop/x",
                                          directory / "to-file",    directory / "a/file/x",
                                          directory / "self/fd",    "/",
                                          "/proc/self/cwd",         "/etc/..",
                                          directory / "a/../below", "/none/such"};
  EXPECT_EQ(WhereReaderAndKernelDiffer(paths), "");
  // Links of another user's.
  EXPECT_EQ(RunInChild([&] {
              return BecomeUnprivileged() ? WhereReaderAndKernelDiffer(paths) : "setresuid failed";
            }),
            "");
}

TEST(PathFactReader, RemembersADirectoryAndThatOneIsMissing) {
  const TemporaryDirectory directory;
  std::filesystem::create_directories(directory / "there");
  PathFactReader reader;
  EXPECT_EQ(reader.Read(directory / "there")->kind, PathKind::kDirectory);
  EXPECT_EQ(reader.Read(directory / "none")->kind, PathKind::kMissing);
  std::filesystem::remove(directory / "there");
  std::filesystem::create_directories(directory / "none/below");
  EXPECT_EQ(reader.Read(directory / "there")->kind, PathKind::kDirectory);
  EXPECT_EQ(reader.Read(directory / "there/below")->kind, PathKind::kMissing);
  EXPECT_EQ(reader.Read(directory / "none/below")->kind, PathKind::kMissing);
  EXPECT_EQ(ReadPathFact(directory / "none/below")->kind, PathKind::kDirectory);
}

TEST(IsWritableDirectory, JudgesByTheCallersRightsAndTakesNoSymlink) {
  const TemporaryDirectory directory;
  ASSERT_EQ(chmod(directory.path().c_str(), 0755), 0);
  std::filesystem::create_directories(directory / "real");
  std::ofstream(directory / "file") << "x";
  std::filesystem::create_symlink("real", directory / "link");
  EXPECT_TRUE(IsWritableDirectory(directory / "real"));
  EXPECT_FALSE(IsWritableDirectory(directory / "link"));
  EXPECT_FALSE(IsWritableDirectory(directory / "file"));
  EXPECT_FALSE(IsWritableDirectory(directory / "none"));
  ASSERT_EQ(chmod((directory / "real").c_str(), 0555), 0);
  const std::string seen = RunInChild([&]() -> std::string {
    if (!BecomeUnprivileged()) return "setresuid failed";
    return IsWritableDirectory(directory / "real") ? "writable" : "closed";
  });
  EXPECT_EQ(seen, "closed");
}

TEST(ReadPathFact, APipeBehindDevStdinHasNoPath) {
  EXPECT_EQ(RunInChild([]() -> std::string {
              int ends[2];
              if (pipe(ends) != 0 || dup2(ends[0], 0) != 0) return "pipe failed";
              const auto fact = ReadPathFact("/dev/stdin");
              if (!fact.ok()) return fact.status().ToString();
              return StrCat(fact->kind == PathKind::kOther ? "other" : "?", fact->canonical);
            }),
            "other");
}

TEST(ReadWorkingDirectory, SaysThatItWasDeleted) {
  const TemporaryDirectory directory;
  EXPECT_EQ(RunInChild([&]() -> std::string {
              const std::string gone = directory / "gone";
              if (mkdir(gone.c_str(), 0700) != 0 || chdir(gone.c_str()) != 0 ||
                  rmdir(gone.c_str()) != 0) {
                return "setup failed";
              }
              return ReadWorkingDirectory().status().ToString();
            }),
            "the working directory was deleted: cd to one that exists");
}

TEST(ReadWorkingDirectory, SaysThatItIsOutsideOfTheRoot) {
  const TemporaryDirectory directory;
  EXPECT_EQ(RunInChild([&]() -> std::string {
              if (geteuid() != 0 && unshare(CLONE_NEWUSER) != 0) return "unshare failed";
              if (chdir("/") != 0 || chroot(directory.path().c_str()) != 0) return "chroot failed";
              return ReadWorkingDirectory().status().message();
            }),
            "the working directory lies outside of the root directory");
}

TEST(ReadHostFacts, TellsThisProcessAboutItself) {
  const std::vector<std::string> paths = {"/usr/bin", "/none such"};
  const auto facts = ReadHostFacts(paths, {.root_entries = true});
  ASSERT_TRUE(facts.ok()) << facts.status().ToString();
  EXPECT_EQ(facts->uid, geteuid());
  EXPECT_EQ(facts->gid, getegid());
  EXPECT_EQ(facts->working_directory, std::filesystem::current_path().string());
  ASSERT_EQ(facts->paths.size(), 2u);
  EXPECT_EQ(facts->paths.find("/usr/bin")->second.kind, PathKind::kDirectory);
  EXPECT_EQ(facts->paths.find("/none such")->second.kind, PathKind::kMissing);
  EXPECT_TRUE(std::any_of(facts->mounts.begin(), facts->mounts.end(), [](const MountFact& mount) {
    return mount.mount_point == "/proc" && mount.filesystem == "proc";
  }));
  EXPECT_TRUE(std::any_of(
      facts->root_entries.begin(), facts->root_entries.end(), [](const DirectoryEntry& entry) {
        return entry.name == "usr" && entry.kind == DirectoryEntry::Kind::kDirectory;
      }));
  EXPECT_TRUE(std::none_of(facts->root_entries.begin(), facts->root_entries.end(),
                           [](const DirectoryEntry& entry) { return entry.name == ".."; }));
}

TEST(ReadHostFacts, ReadsOnlyWhatIsAskedFor) {
  const auto facts = ReadHostFacts({}, {.root_entries = false, .resolver_files = false});
  ASSERT_TRUE(facts.ok()) << facts.status().ToString();
  EXPECT_TRUE(facts->root_entries.empty());
  EXPECT_EQ(facts->hosts, "");
  EXPECT_EQ(facts->resolv_conf, "");
}

TEST(ReadHostFacts, TakesHomeFromTheVariableToo) {
  const TemporaryDirectory directory;
  const std::string seen = RunInChild([&]() -> std::string {
    std::filesystem::create_symlink(directory.path(), directory / "link");
    setenv("HOME", (directory / "link").c_str(), 1);
    const auto facts = ReadHostFacts({}, {});
    if (!facts.ok()) return facts.status().ToString();
    return facts->homes.empty() ? "none" : facts->homes.back();
  });
  EXPECT_EQ(seen, directory.path());
}

TEST(ReadHostFacts, AHomeOfSlashOrNothingCountsForNothing) {
  for (const char* home : {"/", "/none such", "relative", "", "/etc/passwd"}) {
    const std::string seen = RunInChild([&]() -> std::string {
      // An account without a home: an unknown one, or the overflow uid of an empty uid map.
      if ((geteuid() == 0 ? setresuid(54321, 54321, 54321) : unshare(CLONE_NEWUSER)) != 0) {
        return "no other user";
      }
      setenv("HOME", home, 1);
      const auto facts = ReadHostFacts({}, {});
      if (!facts.ok()) return facts.status().ToString();
      return StrCat(facts->homes.size(), " homes");
    });
    EXPECT_EQ(seen, "0 homes") << home;
  }
}

TEST(ReadHostFacts, SaysThatProcIsNeeded) {
  const std::string seen = RunInChild([]() -> std::string {
    const int flags = geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;
    if (unshare(flags) != 0) return "unshare failed";
    if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return "private failed";
    if (mount("none", "/proc", "tmpfs", 0, nullptr) != 0) return "mount failed";
    return ReadHostFacts({}, {}).status().ToString();
  });
  EXPECT_EQ(seen,
            "open /proc/self/mountinfo: No such file or directory (ENOENT): /proc must be mounted: "
            "the plan needs to know every mount");
}

TEST(ReadDirectoryEntries, TellsKindsAndStopsAfterOneTooMany) {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "folder");
  std::ofstream(directory / "file") << "";
  std::filesystem::create_symlink("leads/nowhere", directory / "link");
  auto entries = ReadDirectoryEntries(directory.path(), 3);
  ASSERT_TRUE(entries.ok()) << entries.status().ToString();
  std::sort(entries->begin(), entries->end(),
            [](const DirectoryEntry& a, const DirectoryEntry& b) { return a.name < b.name; });
  using Kind = DirectoryEntry::Kind;
  ASSERT_EQ(entries->size(), 3u);
  EXPECT_EQ((*entries)[0].kind, Kind::kOther);
  EXPECT_EQ((*entries)[1].kind, Kind::kDirectory);
  EXPECT_EQ((*entries)[2].kind, Kind::kSymlink);
  EXPECT_EQ((*entries)[2].symlink_target, "leads/nowhere");
  EXPECT_EQ(ReadDirectoryEntries(directory.path(), 1)->size(), 2u);
  EXPECT_FALSE(ReadDirectoryEntries(directory / "file", 1).ok());
}

TEST(OutermostWritable, GoesUpAsFarAsDirectoriesBelongToTheCaller) {
  const TemporaryDirectory directory;
  const std::string outer = directory / "outer", middle = directory / "outer/middle",
                    inner = directory / "outer/middle/inner";
  std::filesystem::create_directories(inner);
  const std::vector<std::string> parents = {outer, middle, inner};
  EXPECT_EQ(OutermostWritable(parents), outer);
  EXPECT_EQ(OutermostWritable({}), "");
  if (geteuid() != 0) return;  // only root can give a directory away
  // Somebody else's may be written to, but nothing through it can be copied up.
  ASSERT_EQ(chown(middle.c_str(), 65534, 65534), 0);
  EXPECT_EQ(OutermostWritable(parents), middle);
  ASSERT_EQ(chown(middle.c_str(), 0, 65534), 0) << "the group counts as well";
  EXPECT_EQ(OutermostWritable(parents), middle);
}

TEST(ReadHostFacts, AsksNothingAboutDirectoriesThatMayHang) {
  const TemporaryDirectory directory;
  const std::string path = directory.path();
  const std::string_view system[] = {path};
  HostFactsOptions options;
  options.system_directories = system;
  EXPECT_EQ(ReadHostFacts({}, options)->writable_system_directories.size(), 1u);
  options.may_hang = [](std::string_view, const std::vector<MountFact>&) { return true; };
  EXPECT_TRUE(ReadHostFacts({}, options)->writable_system_directories.empty());
}

}  // namespace
}  // namespace mini
