#include "supervise/debug_log.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace mini {
namespace {

class DebugLogTest : public testing::Test {
 protected:
  DebugLogTest() { EXPECT_NE(mkdtemp(directory_.data()), nullptr); }
  ~DebugLogTest() override {
    unlink(Path().c_str());
    rmdir(directory_.c_str());
  }
  std::string Path() const { return directory_ + "/log"; }
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
  Result<DebugLog> log = DebugLog::Open(Path());
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
  Result<DebugLog> log = DebugLog::Open(Path());
  ASSERT_TRUE(log.ok());
  log->Write("notice", "\x1b[2J" + std::string(5000, 'x'));
  EXPECT_EQ(WithoutTime(Text()), "notice: \\x1b[2J" + std::string(5000, 'x') + "\n");
}

TEST_F(DebugLogTest, SaysWhichFileItCannotOpen) {
  const Result<DebugLog> log = DebugLog::Open("/nonexistent/log");
  ASSERT_FALSE(log.ok());
  EXPECT_EQ(log.status().ToString(),
            "open the debug log /nonexistent/log: No such file or directory (ENOENT)");
}

}  // namespace
}  // namespace mini
