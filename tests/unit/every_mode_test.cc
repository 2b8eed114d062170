// What holds for the plan of every mode, whatever was wished for.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <iterator>

#include "tests/unit/plan_fixtures.h"

namespace mini {
namespace {

// Every mode with every set of these: binds above, on, below and beside HOME and the working
// directory, writable or not, here or elsewhere, and empty directories.
struct Wish {
  const char* source;
  const char* target;  // "-w": writable; "-e": an empty directory; "-k": an overlay
};
constexpr Wish kWishes[] = {{"/usr", nullptr},      {"/home", nullptr}, {"/home/u", "-w"},
                            {"/home/u/.ssh", "/k"}, {"/", "/host"},     {"/opt", "-e"},
                            {"/home/u/src", "-e"},  {"/etc", "-k"},     {"/var", "/usr/new"}};

bool Add(const Wish& wish, PolicyBuilder& builder) {
  const std::string_view target = wish.target ? wish.target : wish.source;
  if (target == "-w") return builder.AddWritable(wish.source).ok();
  if (target == "-e") return builder.AddEmptyDirectory(wish.source).ok();
  if (target == "-k") return builder.AddOverlay(wish.source).ok();
  return builder.AddReadOnly(wish.source, target).ok();
}

Status SetMode(Mode mode, PolicyBuilder& builder) {
  switch (mode) {
    case Mode::kReadOnly:
      return builder.SetReadOnlyMode();
    case Mode::kDefault:
      return builder.SetDefaultMode();
    case Mode::kCustom:
      return builder.SetCustomMode("/r");
    case Mode::kHermetic:
      return builder.SetHermeticMode("/r");
  }
  return OkStatus();
}

// What holds for every plan.
void ExpectSound(const Plan& plan, const Policy& policy, const HostFacts& facts) {
  std::vector<std::string> attached;
  std::vector<bool> made(static_cast<size_t>(plan.slot_count));
  for (const MountOp& op : plan.mounts) {
    if (op.kind == MountOpKind::kCloneTree && (op.attributes & MOUNT_ATTR_RDONLY) == 0) {
      const bool is_named =
          std::any_of(policy.binds.begin(), policy.binds.end(), [&](const BindRequest& bind) {
            return bind.access == Access::kWritable && bind.source == op.source;
          });
      EXPECT_TRUE(is_named || (!HasEmptyRoot(policy) && op.source == facts.working_directory))
          << op.ToString() << " is writable";
    }
    if (op.kind != MountOpKind::kAttach) {
      if (op.slot >= 0) made.at(static_cast<size_t>(op.slot)) = true;
      continue;
    }
    EXPECT_TRUE(made.at(static_cast<size_t>(op.slot))) << op.ToString();
    if (op.target == "/proc" || op.target == "/dev") continue;
    for (const std::string& earlier : attached) {
      EXPECT_FALSE(earlier.starts_with(op.target + "/")) << op.target << " hides " << earlier;
    }
    attached.push_back(op.target);
  }
  const auto names = [&](std::string_view source, std::string_view target) {
    return std::any_of(policy.binds.begin(), policy.binds.end(), [&](const BindRequest& bind) {
      return bind.source == source && bind.target == target;
    });
  };
  const bool is_default = policy.mode == Mode::kDefault;
  const bool shows_home = names("/home/u", "/home/u") ||
                          (!is_default && (!HasEmptyRoot(policy) || names("/home", "/home")));
  if (shows_home) {
    EXPECT_EQ(Count(plan, "mask /home/u/.ssh by empty"), 1);
  }
  if (names("/", "/host")) {
    EXPECT_EQ(Count(plan, "mask /host/home/u/.ssh by empty"), 1);
    EXPECT_EQ(Count(plan, "mask /host/proc by empty"), 1);
  }
  if (is_default && !names("/home/u", "/home/u")) {
    EXPECT_EQ(Count(plan, " on /home/u"), 1 + Count(plan, " on /home/u/"));
  }
  if (HasEmptyRoot(policy)) {
    EXPECT_EQ(plan.mounts.back().ToString(), "set-attributes / [ro]");
  }
}

TEST(EveryMode, GivesSoundPlansForEverySetOfWishes) {
  HostFacts facts = MergedDesktop();
  facts.paths["/"] = Directory("/");
  facts.paths["/home/u/src"] = Directory("/home/u/src");
  constexpr unsigned kSets = 1u << std::size(kWishes);
  for (const Mode mode : {Mode::kReadOnly, Mode::kDefault, Mode::kCustom, Mode::kHermetic}) {
    for (unsigned set = 0; set < kSets; ++set) {
      PolicyBuilder builder;
      ASSERT_TRUE(SetMode(mode, builder).ok());
      for (size_t i = 0; i < std::size(kWishes); ++i) {
        ASSERT_TRUE((set >> i & 1) == 0 || Add(kWishes[i], builder));
      }
      const Result<Policy> policy = builder.Build();
      if (!policy.ok()) continue;  // -k in another mode than custom
      const Result<Plan> plan = MakePlan(*policy, facts, {"true"});
      ASSERT_TRUE(plan.ok()) << plan.status().ToString();
      ExpectSound(*plan, *policy, facts);
      ASSERT_FALSE(HasFailure()) << "mode " << static_cast<int>(mode) << " set " << set << "\n"
                                 << plan->ToString();
    }
  }
}

}  // namespace
}  // namespace mini
