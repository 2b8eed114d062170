#include "supervise/debug_log.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "child_process.h"
#include "supervise/log_file.h"

namespace mini {
namespace {

class DebugLogTest : public testing::Test {
 protected:
  DebugLogTest() { EXPECT_NE(mkdtemp(directory_.data()), nullptr); }
  ~DebugLogTest() override { std::filesystem::remove_all(directory_); }
  std::string Path() const { return directory_ + "/log"; }
  static Result<DebugLog> Open(const std::string& path) {
    Result<UniqueFd> file = OpenLogFile("the debug log", path, {});
    if (!file.ok()) return file.status();
    return DebugLog::StartAnew(std::move(*file), path);
  }
  std::string Text() const {
    std::ifstream file(Path());
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

 private:
  std::string directory_ = testing::TempDir() + "debug-log-XXXXXX";
};

// "[   0.001234] " is as long on every machine.
std::string WithoutTime(const std::string& line) { return line.substr(14); }

TEST_F(DebugLogTest, WritesEveryLineWithItsSubject) {
  Result<DebugLog> log = Open(Path());
  ASSERT_TRUE(log.ok()) << log.status().ToString();
  log->Write("plan", "first\nsecond\n");
  std::istringstream text(Text());
  std::string line;
  ASSERT_TRUE(std::getline(text, line));
  EXPECT_EQ(line[0], '[');
  EXPECT_EQ(line[5], '.');
  EXPECT_EQ(WithoutTime(line), "plan: first");
  ASSERT_TRUE(std::getline(text, line));
  EXPECT_EQ(WithoutTime(line), "plan: second");
  EXPECT_FALSE(std::getline(text, line));
}

TEST_F(DebugLogTest, EscapesWhatCouldDriveATerminalAndCutsNothing) {
  Result<DebugLog> log = Open(Path());
  ASSERT_TRUE(log.ok());
  log->Write("notice", "\x1b[2J" + std::string(5000, 'x'));
  EXPECT_EQ(WithoutTime(Text()), "notice: \\x1b[2J" + std::string(5000, 'x') + "\n");
}

TEST_F(DebugLogTest, SaysWhichFileItCannotOpen) {
  const Result<DebugLog> log = Open("/nonexistent/log");
  ASSERT_FALSE(log.ok());
  EXPECT_EQ(log.status().ToString(),
            "open the debug log /nonexistent/log: No such file or directory (ENOENT)");
}

// d/here and d/tree are where commands may write; each has logs -> ../victim.
class LogFileTest : public DebugLogTest {
 protected:
  LogFileTest() {
    namespace fs = std::filesystem;
    for (const char* name : {"here", "tree", "tree/own", "victim"}) fs::create_directory(At(name));
    fs::create_symlink("here", At("other-name"));
    fs::create_symlink("../victim", At("here/logs"));
    fs::create_symlink("../victim", At("tree/logs"));
    fs::create_symlink(At("here/logs"), At("shortcut"));
    fs::create_symlink("victim", At("mine"));
    fs::create_symlink("round", At("round"));
    std::ofstream(At("victim/log")) << "as it was\n";
  }
  std::string At(const std::string& name) const {
    return Path().substr(0, Path().size() - 3) + name;
  }
  // "opened", or the error, with d/here as the working directory and d/tree writable.
  std::string Opens(const std::string& path) const {
    return RunInChild([&]() -> std::string {
      // What a shell says that got here by way of the symlink.
      setenv("PWD", At("other-name").c_str(), 1);
      if (chdir(At("here").c_str()) != 0) return "chdir failed";
      const auto file = OpenLogFile("log", path, {At("tree"), At("missing")});
      return file.ok() ? "opened" : file.status().ToString();
    });
  }
};

TEST_F(LogFileTest, NoPlantedSymlinkIsFollowedHoweverTheWayThereIsSpelt) {
  for (const std::string& path :
       {std::string("logs/log"), std::string("./logs/log"), std::string("../here/logs/log"),
        At("here/logs/log"), At("other-name/logs/log"), At("tree/../other-name//logs/log"),
        At("shortcut/log"), std::string("/proc/self/cwd/logs/log"), At("tree/logs/log"),
        At("tree/own/../logs/log")}) {
    const std::string told = Opens(path);
    EXPECT_TRUE(told.ends_with("a symlink leads there; name its target")) << path << ": " << told;
  }
}

TEST_F(LogFileTest, SymlinksOfTheUsersAreFollowedAndADirectorysOwnFilesOpened) {
  for (const std::string& path :
       {At("mine/log"), At("victim/log"), At("other-name/new"), At("tree/own/new")}) {
    EXPECT_EQ(Opens(path), "opened") << path;
  }
  EXPECT_TRUE(std::filesystem::exists(At("here/new")));
  EXPECT_TRUE(std::filesystem::exists(At("tree/own/new")));
}

TEST_F(LogFileTest, WhatIsNoWayToAFileIsAnError) {
  EXPECT_TRUE(Opens(At("round/log")).ends_with("name its target")) << Opens(At("round/log"));
  EXPECT_TRUE(Opens(At("victim/log/log")).ends_with("(ENOTDIR)")) << Opens(At("victim/log/log"));
  EXPECT_TRUE(Opens(At("none/log")).ends_with("(ENOENT)")) << Opens(At("none/log"));
  EXPECT_TRUE(Opens(At("victim")).ends_with("(EISDIR)")) << Opens(At("victim"));
  EXPECT_TRUE(Opens(At("victim/new/")).ends_with("(EISDIR)")) << Opens(At("victim/new/"));
  EXPECT_TRUE(Opens("/").ends_with(")")) << Opens("/");
}

TEST_F(LogFileTest, ANewFileIsItsOwnersAloneAndOneThatIsThereKeepsItsMode) {
  const auto mode = [&](const std::string& path) {
    struct stat status = {};
    EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777;
  };
  ASSERT_EQ(chmod(At("victim/log").c_str(), 0640), 0);
  ASSERT_TRUE(Open(At("victim/log")).ok());
  EXPECT_EQ(mode(At("victim/log")), 0640u);
  const mode_t before = umask(0);
  EXPECT_TRUE(Open(At("victim/new")).ok());
  umask(before);
  EXPECT_EQ(mode(At("victim/new")), 0600u);
}

TEST_F(LogFileTest, OneFileIsKnownByTwoNames) {
  const auto one = OpenLogFile("log", At("victim/log"), {});
  const auto same = OpenLogFile("log", At("mine/log"), {});
  const auto other = OpenLogFile("log", At("victim/other"), {});
  ASSERT_TRUE(one.ok() && same.ok() && other.ok());
  EXPECT_TRUE(IsSameFile(one->get(), same->get()));
  EXPECT_FALSE(IsSameFile(one->get(), other->get()));
}

TEST_F(DebugLogTest, ThatIsGoneOnWithKeepsItsBeginning) {
  const Result<DebugLog> first = Open(Path());
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  const int64_t an_hour_ago = first->begun() - 3'600'000'000;
  const DebugLog next = DebugLog::Resume(UniqueFd(dup(first->descriptor())), an_hour_ago);
  EXPECT_EQ(next.begun(), an_hour_ago);
  next.Write("stage", "supervise");
  const double seconds = std::stod(Text().substr(1));
  EXPECT_GE(seconds, 3600);
  EXPECT_LT(seconds, 7200);
}

TEST_F(DebugLogTest, ThatSeveralRunsShareKeepsWhatIsThereAndTellsThemApart) {
  std::ofstream(Path()) << "old\n";
  std::filesystem::permissions(Path(), std::filesystem::perms(0600));
  Result<UniqueFd> one = OpenLogFile("the debug log", Path(), {});
  Result<UniqueFd> other = OpenLogFile("the debug log", Path(), {});
  ASSERT_TRUE(one.ok() && other.ok());
  const DebugLog first = DebugLog::Share(std::move(*one), 4711);
  const DebugLog second = DebugLog::Share(std::move(*other), 4712);
  first.Write("stage", "probe");
  second.Write("stage", "probe\nplan");
  first.Write("stage", "plan");
  std::istringstream text(Text());
  std::string line;
  ASSERT_TRUE(std::getline(text, line));
  EXPECT_EQ(line, "old");
  std::vector<std::string> lines;
  while (std::getline(text, line)) lines.push_back(line.substr(0, 5) + WithoutTime(line.substr(5)));
  EXPECT_EQ(lines, (std::vector<std::string>{"4711 stage: probe", "4712 stage: probe",
                                             "4712 stage: plan", "4711 stage: plan"}));
}

}  // namespace
}  // namespace mini
