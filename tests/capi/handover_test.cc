#include "sandbox/handover.h"

#include <gtest/gtest.h>

namespace mini {
namespace {

Result<Handover> Parse(const std::vector<std::string>& arguments) {
  std::vector<const char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
  return Handover::FromArguments(pointers);
}

TEST(Handover, ArrivesAsItWasSent) {
  Handover handover;
  handover.pidfd = 5;
  handover.control = 1000;
  const auto arrived = Parse(handover.ToArguments());
  ASSERT_TRUE(arrived.ok()) << arrived.status().ToString();
  EXPECT_EQ(*arrived, handover);
  EXPECT_EQ(arrived->log, -1);
}

TEST(Handover, ArrivesWithLogAndScratchDirectory) {
  Handover handover;
  handover.pidfd = 3;
  handover.control = 4;
  handover.log = 5;
  handover.log_begun = int64_t{1} << 52;
  handover.scratch = {6, 7, 8, 4711, "/srv/a directory/mini-sandbox-0", "mini-sandbox-0"};
  const auto arrived = Parse(handover.ToArguments());
  ASSERT_TRUE(arrived.ok()) << arrived.status().ToString();
  EXPECT_EQ(*arrived, handover);
}

TEST(Handover, ArrivesWithAStack) {
  Handover handover;
  handover.pidfd = 3;
  handover.control = 4;
  handover.stack = {4712, 9, 10};
  auto arrived = Parse(handover.ToArguments());
  ASSERT_TRUE(arrived.ok()) << arrived.status().ToString();
  EXPECT_EQ(*arrived, handover);
  // A directory may have any name.
  handover.scratch = {6, 7, 8, 4711, "stack", "scratch"};
  arrived = Parse(handover.ToArguments());
  ASSERT_TRUE(arrived.ok()) << arrived.status().ToString();
  EXPECT_EQ(*arrived, handover);
}

TEST(Handover, NamesEveryDescriptorThatIsInUse) {
  Handover handover;
  handover.pidfd = 3;
  handover.control = 4;
  EXPECT_EQ(handover.Descriptors().size(), 2u);
  handover.log = 5;
  handover.scratch.emplace();
  handover.stack.emplace();
  std::vector<int*> descriptors = handover.Descriptors();
  ASSERT_EQ(descriptors.size(), 8u);
  *descriptors[2] = 50;
  EXPECT_EQ(handover.log, 50);
  *descriptors[7] = 51;
  EXPECT_EQ(handover.stack->channel, 51);
}

TEST(Handover, IsRefusedFromWhoeverStartsTheSupervisorByHand) {
  ASSERT_TRUE(Parse({"3", "4", "5", "0"}).ok());
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {},
           {"--help"},
           {"3", "4"},
           {"3", "4", "5"},
           {"3", "4", "x", "0"},
           {"3", "", "5", "0"},
           {"-1", "4", "5", "0"},
           {"3", "-1", "5", "0"},
           {"3", "4", "-2", "0"},
           {"3", "4", "5", "x"},
           {"3", "4", "5", "0", "6"},
           {"3", "4", "5", "0", "scratch"},
           {"3", "4", "5", "0", "scratch", "6", "7", "8", "9", "/a"},
           {"3", "4", "5", "0", "stack", "6", "7"},
           {"3", "4", "5", "0", "stack", "0", "7", "8"},
           {"3", "4", "5", "0", "stack", "6", "-1", "8"},
           {"3", "4", "5", "0", "stack", "6", "7", "8", "9"},
           {"3", "4", "99999999999", "0"}}) {
    EXPECT_FALSE(Parse(arguments).ok()) << arguments.size();
  }
}

}  // namespace
}  // namespace mini
