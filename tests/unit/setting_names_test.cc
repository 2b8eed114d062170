// That messages name a setting as the command line or the C API calls it: nobody is told of an
// option who has typed none.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/unit/plan_fixtures.h"

namespace mini {
namespace {

using Mistake = std::function<Status(PolicyBuilder&)>;

struct Case {
  Mistake mistake;
  const char* of_options;
  const char* of_functions;
};

HostFacts FactsForMistakes() {
  HostFacts facts = Desktop();
  facts.paths["/r"] = Directory("/r");
  facts.paths["/srv"] = Directory("/srv");
  facts.paths["/sys"] = Directory("/sys");
  facts.paths["/etc/passwd"] = File("/etc/passwd");
  return facts;
}

// Of the first stage that fails, with its hint.
std::string TextOf(const Mistake& mistake, const SettingNames& names) {
  PolicyBuilder builder(names);
  EXPECT_TRUE(builder.SetCustomMode("/r").ok());
  if (const Status status = mistake(builder); !status.ok()) return status.ToString();
  const Result<Policy> policy = builder.Build();
  if (!policy.ok()) return policy.status().ToString();
  const Result<Plan> plan = MakePlan(*policy, FactsForMistakes(), {"true"});
  EXPECT_FALSE(plan.ok());
  return plan.ok() ? "" : plan.status().ToString();
}

TEST(SettingNames, AreThoseOfWhoeverMadeTheMistake) {
  const std::vector<Case> cases = {
      {[](PolicyBuilder& builder) { return builder.AddWritable("/"); },
       "-w /: the whole system cannot be writable; name directories below it",
       "mini_sandbox_mount_write /: the whole system cannot be writable; name directories below "
       "it"},
      {[](PolicyBuilder& builder) { return builder.AddEmptyDirectory("/"); },
       "-e /: an empty root is hermetic mode, -h",
       "mini_sandbox_mount_tmpfs /: an empty root is hermetic mode, mini_sandbox_setup_hermetic"},
      {[](PolicyBuilder& builder) { return builder.AddReadOnly("/proc/1", std::nullopt); },
       "-M /proc/1: no such file or directory",
       "mini_sandbox_mount_bind /proc/1: no such file or "
       "directory"},
      {[](PolicyBuilder& builder) { return builder.AddWritable("/sys"); },
       "-w /sys: what is in /sys belongs to the whole machine",
       "mini_sandbox_mount_write /sys: what is in /sys belongs to the whole machine"},
      {[](PolicyBuilder& builder) { return builder.AddEmptyDirectory("/dev"); },
       "-e /dev: the sandbox has a /dev of its own",
       "mini_sandbox_mount_tmpfs /dev: the sandbox has a /dev of its own"},
      {[](PolicyBuilder& builder) { return builder.AddOverlay("/etc/passwd"); },
       "-k /etc/passwd: not a directory, so it cannot be overlaid; -M shows it",
       "mini_sandbox_mount_overlay /etc/passwd: not a directory, so it cannot be overlaid; "
       "mini_sandbox_mount_bind shows it"},
      {[](PolicyBuilder& builder) { return builder.SetScratchDirectory("/sys"); },
       "-d /sys is not on a disk", "overlay_dir /sys is not on a disk"},
      {[](PolicyBuilder& builder) { return builder.SetWorkingDirectory("/srv"); },
       "-W /srv: no such directory inside: show it with -M, or with -w to write to it",
       "mini_sandbox_set_working_dir /srv: no such directory inside: show it with "
       "mini_sandbox_mount_bind, or with mini_sandbox_mount_write to write to it"},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(TextOf(each.mistake, kOptionNames), each.of_options);
    EXPECT_EQ(TextOf(each.mistake, kFunctionNames), each.of_functions);
  }
}

TEST(SettingNames, StayWithABuilderThatIsUsedAgain) {
  PolicyBuilder builder(kFunctionNames);
  ASSERT_TRUE(builder.Build().ok());
  EXPECT_EQ(builder.AddWritable("x").ToString(),
            "mini_sandbox_mount_write x: the path must be absolute");
}

TEST(SettingNames, AreThoseOfThePlansNoticesToo) {
  PolicyBuilder builder(kFunctionNames);
  ASSERT_TRUE(builder.SetHermeticMode("/r").ok());
  const Result<Plan> plan = MakePlan(*builder.Build(), FactsForMistakes(), {"true"});
  ASSERT_TRUE(plan.ok());
  ASSERT_EQ(plan->notices.size(), 1u);
  EXPECT_EQ(plan->notices[0],
            "the working directory /home/u/project does not show inside, so the command starts in "
            "/; mini_sandbox_mount_write /home/u/project shows it, and mini_sandbox_mount_bind "
            "/home/u/project without writing to it");
  EXPECT_EQ(plan->names.working_directory, "mini_sandbox_set_working_dir");
}

}  // namespace
}  // namespace mini
