#include "sandbox/stack_program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "sandbox/rules_file.h"
#include "sys/memory_file.h"

namespace mini {
namespace {

Result<StackArguments> Parse(const std::vector<std::string>& arguments) {
  std::vector<const char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
  return StackArguments::FromArguments(pointers);
}

Result<StackArguments> Sent(const StackArguments& arguments) {
  std::vector<std::string> words = arguments.ToArguments();
  words.erase(words.begin());  // the program's name
  return Parse(words);
}

TEST(StackArguments, ArriveAsTheyWereSent) {
  StackArguments arguments;
  arguments.supervisor = 4711;
  arguments.channel = 3;
  auto arrived = Sent(arguments);
  ASSERT_TRUE(arrived.ok()) << arrived.status().ToString();
  EXPECT_EQ(*arrived, arguments);

  arguments.rules = 4;
  arguments.debug_log = 5;
  arguments.verdict_log = 6;
  arguments.may_lose_verdicts = true;
  arguments.shares_debug_log = true;
  arguments.debug_log_begun = int64_t{1} << 52;
  arguments.host_name = HostName::kLocalhost;
  arguments.server_names = ServerNames::kRequired;
  arguments.max_connections = PolicyBuilder::kMostConnections;
  arrived = Sent(arguments);
  ASSERT_TRUE(arrived.ok()) << arrived.status().ToString();
  EXPECT_EQ(*arrived, arguments);
}

TEST(StackArguments, AreRefusedFromWhoeverStartsTheProgramByHand) {
  const std::vector<std::string> good = {"--stack", "1", "3", "4", "-1", "-1",
                                         "0",       "0", "1", "0", "0",  "0"};
  ASSERT_TRUE(Parse(good).ok());
  for (size_t place = 0; place < good.size(); ++place) {
    std::vector<std::string> bad = good;
    bad[place] = "x";
    EXPECT_FALSE(Parse(bad).ok()) << place;
  }
  std::vector<std::string> longer = good;
  longer.push_back("0");
  EXPECT_FALSE(Parse(longer).ok());
  EXPECT_FALSE(Parse({good.begin(), good.end() - 1}).ok());
  for (const auto& [place, word] : std::vector<std::pair<size_t, std::string>>{
           {1, "0"}, {1, "-1"}, {2, "-1"}, {3, "-2"}, {10, "-1"}}) {
    std::vector<std::string> bad = good;
    bad[place] = word;
    EXPECT_FALSE(Parse(bad).ok()) << place << " " << word;
  }
}

TEST(RulesFile, HandsOverEveryRuleWithItsPlace) {
  netstack::RuleSet rules;
  ASSERT_TRUE(rules.AddText("/srv/a list", "# none\nexample.com:443\n*.Example.ORG\n").ok());
  ASSERT_TRUE(rules.AddRule("--allow", "!udp/[2001:db8::/32]:8000-8010", 3).ok());
  ASSERT_TRUE(rules.AddRule("--allow", "icmp/192.0.2.7", 4).ok());
  ASSERT_TRUE(rules.AddText("/srv/other\n", "192.0.2.0/24:1").ok());
  const auto file = WriteRulesFile(rules);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  for (int time = 0; time < 2; ++time) {  // reading does not use it up
    const auto read = ReadRulesFile(file->get());
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    ASSERT_EQ(read->size(), rules.size());
    for (size_t i = 0; i < rules.size(); ++i) {
      EXPECT_EQ(read->rules()[i].ToString(), rules.rules()[i].ToString());
      EXPECT_EQ(read->rules()[i].source, rules.rules()[i].source);
      EXPECT_EQ(read->rules()[i].line, rules.rules()[i].line);
    }
  }
}

TEST(RulesFile, HandsOverAListWithoutARule) {
  const auto file = WriteRulesFile(netstack::RuleSet());
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  const auto read = ReadRulesFile(file->get());
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->size(), 0u);
}

TEST(RulesFile, IsRefusedInPart) {
  netstack::RuleSet rules;
  ASSERT_TRUE(rules.AddRule("list", "example.com", 1).ok());
  const auto whole = WriteRulesFile(rules);
  ASSERT_TRUE(whole.ok());
  std::vector<unsigned char> bytes(64);
  const ssize_t size = pread(whole->get(), bytes.data(), bytes.size(), 0);
  ASSERT_EQ(size, 4 + 12 + 4 + 11);
  for (size_t length = 0; length < static_cast<size_t>(size); ++length) {
    const auto part =
        MakeMemoryFile("a part", std::span(bytes).first(length), MemoryFileUse::kData);
    ASSERT_TRUE(part.ok());
    EXPECT_FALSE(ReadRulesFile(part->get()).ok()) << length;
  }
}

TEST(RulesFile, IsRefusedWithMoreThanItAnnounces) {
  netstack::RuleSet rules;
  ASSERT_TRUE(rules.AddRule("list", "example.com", 1).ok());
  const auto whole = WriteRulesFile(rules);
  ASSERT_TRUE(whole.ok());
  auto bytes = ReadMemoryFile("the rules", whole->get(), Stage::kRules);
  ASSERT_TRUE(bytes.ok());
  bytes->push_back(0);
  const auto more = MakeMemoryFile("more", *bytes, MemoryFileUse::kData);
  ASSERT_TRUE(more.ok());
  EXPECT_FALSE(ReadRulesFile(more->get()).ok());
  for (size_t i = 0; i < 4; ++i) bytes->at(i) = 0xff;  // how many there are
  const auto most = MakeMemoryFile("most", *bytes, MemoryFileUse::kData);
  ASSERT_TRUE(most.ok());
  EXPECT_FALSE(ReadRulesFile(most->get()).ok());
}

TEST(MemoryFile, CannotBeChangedOrOpenedForWriting) {
  const std::vector<unsigned char> bytes = {'a', 'b'};
  const auto file = MakeMemoryFile("a test", bytes, MemoryFileUse::kData);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_GT(file->get(), STDERR_FILENO);
  EXPECT_EQ(fcntl(file->get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(pwrite(file->get(), "c", 1, 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(ftruncate(file->get(), 1), -1);
  EXPECT_EQ(mmap(nullptr, 1, PROT_WRITE, MAP_SHARED, file->get(), 0), MAP_FAILED);
}

}  // namespace
}  // namespace mini
