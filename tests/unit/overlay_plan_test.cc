// What becomes of directories that are wanted as overlays: the mount table decides, before anything
// is looked at.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/paths.h"
#include "plan/host_layout.h"
#include "plan/plan.h"
#include "tests/unit/plan_fixtures.h"

namespace mini {
namespace {

// User 1000 of a server, in a project outside of HOME.
HostFacts Server() {
  HostFacts facts;
  facts.uid = facts.gid = 1000;
  facts.homes = {"/home/u"};
  facts.working_directory = "/proj/a/b";
  facts.mounts = {{254, 1, "/", "/", "ext4"},
                  {0, 5, "/", "/dev", "devtmpfs"},
                  {0, 22, "/", "/proc", "proc"},
                  {0, 24, "/", "/run", "tmpfs"}};
  for (const char* path : {"/dev", "/proc", "/run", "/tmp", "/var/tmp"}) {
    facts.paths[path] = Directory(path);
  }
  return facts;
}

void Mount(HostFacts& facts, std::string point, std::string type) {
  const auto minor = static_cast<uint32_t>(100 + facts.mounts.size());
  facts.mounts.push_back({0, minor, "/", std::move(point), std::move(type)});
}

Policy OnDisk(const std::string& directory) {
  PolicyBuilder builder;
  EXPECT_TRUE(builder.SetDefaultMode().ok());
  EXPECT_TRUE(builder.SetScratchDirectory(directory).ok());
  return std::move(*builder.Build());
}

Plan MustPlan(const HostFacts& facts) { return MustPlan(DefaultPolicy(), facts); }

std::vector<std::string> Overlays(const Plan& plan) {
  std::vector<std::string> paths;
  for (const MountOp& op : plan.mounts) {
    if (op.kind == MountOpKind::kOverlay) paths.push_back(op.target);
  }
  return paths;
}

// The first step with this text.
const MountOp* Step(const Plan& plan, std::string_view text) {
  for (const MountOp& op : plan.mounts) {
    if (op.ToString().find(text) != std::string::npos) return &op;
  }
  return nullptr;
}

// Every path that a step opens or puts something on.
std::vector<std::string> PathsTouched(const Plan& plan) {
  std::vector<std::string> paths;
  for (const MountOp& op : plan.mounts) {
    for (const std::string& path : {op.source, op.target}) {
      if (IsAbsolutePath(path)) paths.push_back(path);
    }
  }
  return paths;
}

using Paths = std::vector<std::string>;

HostFacts HomeWithAMount() {
  HostFacts facts = Server();
  facts.working_directory = "/home/u";
  Mount(facts, "/home/u/media/disk", "ext4");
  facts.listings["/home/u"] = {Entry(".ssh"),  Plain(".netrc"), Plain(".bashrc"),
                               Entry("media"), Entry("src"),    Link("latest", "src/today")};
  facts.listings["/home/u/media"] = {Entry("disk"), Entry("music")};
  return facts;
}

TEST(GoldenPlan, WorkingInAHomeWithAMount) {
  ExpectGolden("home_with_mount", MustPlan(HomeWithAMount()));
}

TEST(GoldenPlan, ParentsWithUppersOnDisk) {
  HostFacts facts = Server();
  facts.writable_parent = "/proj";
  facts.paths["/data"] = Directory("/data");
  facts.scratch_name = "mini-sandbox-0123";
  ExpectGolden("parents_on_disk", MustPlan(OnDisk("/data"), facts));
}

TEST(Split, OverlaysWhatHoldsNoMountAndKeepsTheMount) {
  const Plan plan = MustPlan(HomeWithAMount());
  EXPECT_EQ(Overlays(plan), (Paths{"/home/u/media/music", "/home/u/src"}));
  const MountOp* kept = Step(plan, "clone-tree /home/u/media/disk");
  ASSERT_TRUE(kept);
  EXPECT_NE(kept->attributes & 1, 0u) << "read-only";
  EXPECT_TRUE(Step(plan, "make-symlink /home/u/latest to src/today"));
  EXPECT_TRUE(Step(plan, "open-file /home/u/.bashrc"));
}

TEST(Split, LeavesCredentialsOut) {
  for (const std::string& path : PathsTouched(MustPlan(HomeWithAMount()))) {
    const bool is_mask = Step(MustPlan(HomeWithAMount()), "mask " + path + " by") != nullptr;
    EXPECT_TRUE(is_mask || (path != "/home/u/.ssh" && path != "/home/u/.netrc")) << path;
  }
}

TEST(Split, AsksForTheDirectoriesOnTheWayToAMountOnly) {
  HostFacts facts = HomeWithAMount();
  facts.listings.clear();
  Mount(facts, "/home/u/media/disk/inner", "ext4");
  Mount(facts, "/srv/elsewhere/x", "ext4");
  EXPECT_EQ(DirectoriesToList(DefaultPolicy(), facts), (Paths{"/home/u", "/home/u/media"}));
  facts.working_directory = "/home/u/src";
  EXPECT_EQ(DirectoriesToList(DefaultPolicy(), facts), Paths()) << "nothing is split there";
}

TEST(Split, TouchesNothingThatMayHang) {
  for (const char* type : {"nfs4", "autofs", "fuse.sshfs", "fuse", "cifs", "9p"}) {
    HostFacts facts = HomeWithAMount();
    Mount(facts, "/home/u/media/net", type);
    facts.listings["/home/u/media"].push_back(Entry("net"));
    EXPECT_TRUE(MayHang("/home/u/media/net/below", facts.mounts)) << type;
    const Plan plan = MustPlan(facts);
    for (const std::string& path : PathsTouched(plan)) {
      EXPECT_FALSE(IsSameOrBelow(path, "/home/u/media/net")) << type << ": " << path;
    }
    EXPECT_EQ(Overlays(plan), Paths{"/home/u/src"}) << type;
    EXPECT_TRUE(Step(plan, "clone-tree /home/u/media ")) << "read-only, with its mounts";
    ASSERT_EQ(plan.notices.size(), 2u);
    EXPECT_EQ(plan.notices[0],
              "read-only inside, because mounts in them cannot be overlaid: /home/u/media");
  }
}

TEST(Split, AsksForNothingOnAFileSystemThatMayHang) {
  HostFacts facts = Server();
  facts.homes = {"/net/home/u"};
  facts.working_directory = "/net/home/u";
  Mount(facts, "/net", "autofs");
  Mount(facts, "/net/home", "nfs4");
  Mount(facts, "/net/home/u/local", "ext4");
  EXPECT_EQ(DirectoriesToList(DefaultPolicy(), facts), Paths());
  EXPECT_EQ(ParentsToProbe(DefaultPolicy(), facts), Paths());
  EXPECT_EQ(Overlays(MustPlan(facts)), Paths());
}

TEST(Split, ADirectoryWithTooManyEntriesStaysReadOnlyAndIsNamed) {
  HostFacts facts = HomeWithAMount();
  for (size_t i = 0; i < kMaxSplitEntries; ++i) {
    facts.listings["/home/u/media"].push_back(Entry("album" + std::to_string(i)));
  }
  const Plan plan = MustPlan(facts);
  EXPECT_EQ(Overlays(plan), Paths{"/home/u/src"});
  EXPECT_NE(plan.notices.at(0).find("/home/u/media"), std::string::npos);
}

TEST(Split, NeedsNoMoreOverlaysThanItsLimitHoweverDeepTheMountLies) {
  HostFacts facts = Server();
  facts.working_directory = "/home/u";
  std::string path = "/home/u";
  for (int depth = 0; depth < 8; ++depth) {
    for (int i = 0; i < 40; ++i) facts.listings[path].push_back(Entry("d" + std::to_string(i)));
    facts.listings[path].push_back(Entry("way"));
    path += "/way";
  }
  Mount(facts, path, "ext4");
  EXPECT_LE(Overlays(MustPlan(facts)).size(), 128u);
}

TEST(Split, AMountPointThatAnotherMountHidesIsNoMatter) {
  HostFacts facts = HomeWithAMount();
  Mount(facts, "/home/u/hidden/x", "ext4");  // not among the entries of /home/u
  const Plan plan = MustPlan(facts);
  EXPECT_EQ(Overlays(plan), (Paths{"/home/u/media/music", "/home/u/src"}));
}

TEST(Split, PrivateDirectoriesAreNotShownFirst) {
  HostFacts facts = Server();
  facts.uid = facts.gid = 0;
  facts.homes = {"/root"};
  facts.writable_system_directories = {"/var"};
  Mount(facts, "/var/tmp", "tmpfs");
  facts.listings["/var"] = {Entry("lib"), Entry("tmp")};
  const Plan plan = MustPlan(facts);
  EXPECT_EQ(Overlays(plan), Paths{"/var/lib"});
  EXPECT_FALSE(Step(plan, "clone-tree /var/tmp"));
  EXPECT_TRUE(plan.notices.empty());
}

TEST(Split, ASystemDirectoryThatStaysReadOnlyIsNamed) {
  HostFacts facts = Server();
  facts.writable_system_directories = {"/opt"};
  Mount(facts, "/opt/x", "ext4");
  const Plan plan = MustPlan(facts);
  EXPECT_EQ(plan.notices,
            Paths{"/opt is read-only inside, because mounts in it cannot be overlaid"});
}

TEST(Parents, TheTopmostThatIsWritableBecomesTheOnlyOverlay) {
  HostFacts facts = Server();
  EXPECT_EQ(ParentsToProbe(DefaultPolicy(), facts), (Paths{"/proj", "/proj/a"}));
  facts.writable_parent = "/proj/a";
  const Plan plan = MustPlan(facts);
  EXPECT_EQ(Overlays(plan), Paths{"/proj/a"});
  const MountOp* overlay = Step(plan, "on /proj/a");
  const MountOp* bind = Step(plan, "on /proj/a/b");
  ASSERT_TRUE(overlay && bind);
  EXPECT_LT(overlay, bind) << "what is written to the working directory itself stays";
  EXPECT_TRUE(plan.notices.empty());
}

TEST(Parents, AreNotAskedAboutWhereNothingIsGained) {
  HostFacts facts = Server();
  for (const char* path :
       {"/home/u/project/deep", "/tmp/build/deep", "/usr/src/linux/fs", "/top", "/etc/ssh", "/"}) {
    facts.working_directory = path;
    EXPECT_EQ(ParentsToProbe(DefaultPolicy(), facts), Paths()) << path;
  }
  facts.working_directory = "/srv/app/web";
  EXPECT_EQ(ParentsToProbe(DefaultPolicy(), facts), (Paths{"/srv", "/srv/app"}));
  facts.writable_system_directories = {"/srv"};
  facts.writable_parent = "/srv";
  EXPECT_EQ(Overlays(MustPlan(facts)), Paths{"/srv"}) << "one is enough";
  facts.working_directory = "/home/other/x";
  EXPECT_EQ(ParentsToProbe(DefaultPolicy(), facts), (Paths{"/home", "/home/other"}));
}

TEST(Parents, AreThoseOfTheMountAroundTheWorkingDirectory) {
  HostFacts facts = Server();
  facts.working_directory = "/mnt/disk/a/b";
  Mount(facts, "/mnt/disk", "ext4");
  EXPECT_EQ(ParentsToProbe(DefaultPolicy(), facts), (Paths{"/mnt/disk", "/mnt/disk/a"}));
}

TEST(Parents, InAMountBelowASystemDirectoryAreOverlaidBesideIt) {
  HostFacts facts = Server();
  facts.working_directory = "/srv/disk/a/b";
  facts.writable_system_directories = {"/srv"};
  Mount(facts, "/srv/disk", "ext4");
  facts.listings["/srv"] = {Entry("disk"), Entry("www")};
  facts.writable_parent = "/srv/disk";
  EXPECT_EQ(Overlays(MustPlan(facts)), (Paths{"/srv/www", "/srv/disk"}));
}

TEST(Parents, BelowSomebodyElsesDirectoryGetAnOverlayOfTheirOwn) {
  HostFacts facts = Server();
  facts.working_directory = "/srv/somebody/mine/a";
  facts.writable_system_directories = {"/srv"};
  facts.writable_parent = "/srv/somebody";
  EXPECT_EQ(Overlays(MustPlan(facts)), (Paths{"/srv", "/srv/somebody"}));
}

TEST(Parents, NeverShowAHomeUnderItsOtherName) {
  HostFacts facts = Server();
  facts.mounts.push_back({254, 1, "/home", "/mnt/homes", "ext4"});
  facts.working_directory = "/mnt/homes/u/project";
  for (const std::string& parent : ParentsToProbe(DefaultPolicy(), facts)) {
    EXPECT_FALSE(IsSameOrBelow(parent, "/mnt/homes/u")) << parent;
  }
  facts.writable_parent = "/mnt/homes/u";  // should it be asked about after all
  EXPECT_EQ(Overlays(MustPlan(facts)), Paths());
}

TEST(Parents, MasksStayOnTop) {
  HostFacts facts = Server();
  facts.writable_parent = "/proj";
  facts.unix_sockets = {"/proj/x/dev.sock"};
  const Plan plan = MustPlan(facts);
  const MountOp* overlay = Step(plan, "on /proj");
  const MountOp* mask = Step(plan, "mask /proj/x/dev.sock");
  ASSERT_TRUE(overlay && mask);
  EXPECT_LT(overlay, mask);
}

TEST(Parents, WhereTheTopmostCannotBeOverlaidTheNextIs) {
  HostFacts facts = Server();
  facts.writable_parent = "/proj";
  Mount(facts, "/proj/net", "nfs");
  facts.listings["/proj"] = {Entry("a"), Entry("net")};
  const Plan plan = MustPlan(facts);
  EXPECT_EQ(Overlays(plan), Paths{"/proj/a"});
  EXPECT_TRUE(plan.notices.empty());

  Mount(facts, "/proj/a/net", "nfs");
  facts.listings["/proj/a"] = {Entry("b"), Entry("net")};
  EXPECT_EQ(MustPlan(facts).notices,
            Paths{"/proj is read-only inside, because mounts in it cannot be overlaid"});
}

TEST(Parents, AWorkingDirectoryThatIsAMountIsBoundNotOverlaid) {
  HostFacts facts = Server();
  facts.writable_parent = "/proj/a";
  Mount(facts, "/proj/a/b", "ext4");
  facts.listings["/proj/a"] = {Entry("b"), Entry("c")};
  const Plan plan = MustPlan(facts);
  EXPECT_EQ(Overlays(plan), Paths{"/proj/a/c"});
  const MountOp* bind = Step(plan, "clone-tree /proj/a/b ");
  ASSERT_TRUE(bind);
  EXPECT_EQ(bind->attributes & 1, 0u) << "writable";
}

HostFacts WithScratch(const std::string& directory) {
  HostFacts facts = Server();
  facts.writable_parent = "/proj";
  facts.paths[directory] = Directory(directory);
  facts.scratch_name = "mini-sandbox-0123";
  return facts;
}

TEST(ScratchDirectory, HoldsTheUppersAndIsHidden) {
  const HostFacts facts = WithScratch("/data");
  const Plan plan = MustPlan(OnDisk("/data"), facts);
  EXPECT_EQ(plan.scratch_directory, "/data");
  const MountOp* overlay = Step(plan, "overlay /proj");
  ASSERT_TRUE(overlay);
  EXPECT_EQ(overlay->source, "/dev/disk/overlay-0/upper");
  EXPECT_TRUE(Step(plan, "mask /data/mini-sandbox-0123 by empty"));
  EXPECT_TRUE(Step(plan, "test-overlay in /data"));
}

TEST(ScratchDirectory, IsNotMadeWhenNothingIsOverlaid) {
  HostFacts facts = WithScratch("/data");
  facts.writable_parent.clear();
  EXPECT_TRUE(MustPlan(OnDisk("/data"), facts).scratch_directory.empty());
}

TEST(ScratchDirectory, IsNeverPartOfALower) {
  HostFacts facts = WithScratch("/proj/scratch");
  EXPECT_EQ(DirectoriesToList(OnDisk("/proj/scratch"), facts), (Paths{"/proj", "/proj/scratch"}));
  facts.listings["/proj"] = {Entry("a"), Entry("scratch")};
  facts.listings["/proj/scratch"] = {};
  const Plan plan = MustPlan(OnDisk("/proj/scratch"), facts);
  EXPECT_EQ(Overlays(plan), Paths{"/proj/a"});
}

TEST(ScratchDirectory, MayNotLieWhereTheCommandMayWrite) {
  for (const char* path : {"/proj/a/b", "/proj/a/b/below", "/other/name"}) {
    HostFacts facts = WithScratch(path);
    facts.mounts.push_back({254, 1, "/proj/a/b", "/other", "ext4"});
    const Result<Plan> plan = MakePlan(OnDisk(path), facts, {"true"});
    ASSERT_FALSE(plan.ok()) << path;
    EXPECT_EQ(plan.status().stage(), Stage::kArguments);
    EXPECT_NE(plan.status().message().find("may write"), std::string::npos);
  }
}

TEST(ScratchDirectory, HasToExist) {
  HostFacts facts = WithScratch("/data");
  facts.paths["/data"] = {};
  EXPECT_EQ(MakePlan(OnDisk("/data"), facts, {"true"}).status().message(),
            "-d /data: not a directory that exists");
}

TEST(ScratchSize, LimitsBytesAndInodesAndLeavesOutLargePages) {
  Policy policy = DefaultPolicy();
  policy.scratch_size = 64 << 20;
  const Plan plan = MustPlan(policy, Server());
  EXPECT_TRUE(Step(plan, "new-filesystem tmpfs size=67108864,nr_inodes=17408"));
  EXPECT_EQ(plan.scratch_view, "/dev/shm");
  EXPECT_FALSE(Step(plan, "huge="));
}

TEST(ScratchSize, WhenNotLimitedIsTakenInLargePagesAsFarAsFilesFillThem) {
  EXPECT_TRUE(
      Step(MustPlan(DefaultPolicy(), Server()), "new-filesystem tmpfs ?huge=within_size ["));
}

}  // namespace
}  // namespace mini
