// Plans are text, so what a run would do is tested without doing it.
#include "plan/plan.h"

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>

#include "plan/freeze.h"
#include "plan/host_layout.h"
#include "plan/name_files.h"
#include "tests/unit/plan_fixtures.h"

namespace mini {
namespace {

TEST(GoldenPlan, ProjectBelowHome) {
  ExpectGolden("project_below_home", MustPlan(DefaultPolicy(), Desktop()));
}

TEST(GoldenPlan, WorkingInHome) {
  HostFacts facts = Desktop();
  facts.working_directory = "/home/u";
  ExpectGolden("working_in_home", MustPlan(DefaultPolicy(), facts));
}

TEST(GoldenPlan, RealRoot) {
  HostFacts facts = Desktop();
  facts.uid = facts.gid = 0;
  facts.homes = {"/root"};
  facts.working_directory = "/srv/app";
  facts.writable_system_directories = {"/etc", "/opt", "/srv", "/usr", "/var"};
  facts.mounts.push_back({254, 2, "/", "/var/lib/data", "ext4"});
  facts.listings["/var"] = {Entry("cache"), Entry("lib"), Link("lock", "/run/lock"), Entry("tmp")};
  facts.listings["/var/lib"] = {Entry("data"), Entry("dpkg"), Plain("note")};
  ExpectGolden("real_root", MustPlan(DefaultPolicy(), facts));
}

TEST(GoldenPlan, TapboxWithResolvConfInRun) {
  Policy policy = DefaultPolicy();
  policy.network = Network::kStack;
  ExpectGolden("tapbox", MustPlan(policy, Desktop()));
}

TEST(GoldenPlan, BindsOfTheUser) {
  HostFacts facts = Desktop();
  facts.paths["/home/u/.cache/pip"] = Directory("/home/u/.cache/pip");
  facts.paths["/home/u/link"] = Directory("/data/real");
  facts.paths["/data/set"] = File("/data/set");
  facts.paths["/home/u/in put"] = {};
  facts.paths["/dev/kvm"] = {PathKind::kOther, "/dev/kvm"};
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetDefaultMode().ok());
  ASSERT_TRUE(builder.AddWritable("/home/u/.cache/pip").ok());
  ASSERT_TRUE(builder.AddWritable("/home/u/link").ok());
  ASSERT_TRUE(builder.AddReadOnly("/data/set", "/home/u/in put").ok());
  ASSERT_TRUE(builder.AddWritable("/dev/kvm").ok());
  ExpectGolden("binds", MustPlan(*builder.Build(), facts));
}

TEST(GoldenPlan, HostWithoutProcAndDevDirectories) {
  HostFacts facts;
  facts.uid = facts.gid = 1000;
  facts.working_directory = "/";
  facts.paths = {{"/dev", {}}, {"/proc", {}}};
  using Kind = DirectoryEntry::Kind;
  facts.root_entries = {{Kind::kOther, "busybox", ""},
                        {Kind::kSymlink, "bin", "usr/bin"},
                        {Kind::kDirectory, "usr", ""}};
  ExpectGolden("skeleton_root", MustPlan(DefaultPolicy(), facts));
}

TEST(MakePlan, AttachesParentsBeforeChildren) {
  for (HostFacts facts : {Desktop()}) {
    facts.homes.push_back("/home/u/project/home");
    const Plan plan = MustPlan(DefaultPolicy(), facts);
    std::vector<std::string> seen;
    for (const MountOp& op : plan.mounts) {
      if (op.kind != MountOpKind::kAttach) continue;
      for (const std::string& earlier : seen) {
        EXPECT_FALSE(op.target != earlier && earlier.starts_with(op.target + "/"))
            << op.target << " would cover " << earlier;
      }
      seen.push_back(op.target);
    }
  }
}

TEST(MakePlan, UsesEverySlotOnceAfterMakingIt) {
  HostFacts facts = Desktop();
  facts.working_directory = "/home/u";
  const Plan plan = MustPlan(DefaultPolicy(), facts);
  std::vector<int> made(static_cast<size_t>(plan.slot_count), 0);
  for (const MountOp& op : plan.mounts) {
    switch (op.kind) {
      case MountOpKind::kAttach:
      case MountOpKind::kAttachIn:
      case MountOpKind::kScratch:
      case MountOpKind::kPivotRoot:
        EXPECT_EQ(made.at(static_cast<size_t>(op.slot))++, 1) << op.ToString();
        break;
      case MountOpKind::kDirectoryIn:
      case MountOpKind::kFileIn:
      case MountOpKind::kSymlinkIn:
      case MountOpKind::kTestOverlay:
        EXPECT_GE(made.at(static_cast<size_t>(op.slot)), 1) << op.ToString();
        break;
      default:
        if (op.slot >= 0) {
          EXPECT_EQ(made.at(static_cast<size_t>(op.slot))++, 0) << op.ToString();
        }
    }
  }
}

TEST(MakePlan, TheWholeTreeIsReadOnlyAndOnlyTheWorkingDirectoryIsNot) {
  const Plan plan = MustPlan(DefaultPolicy(), Desktop());
  EXPECT_EQ(CloneOf(plan, "/")->ToString(), "clone-tree / [ro,nosuid,nodev] -> #0");
  int writable = 0;
  for (const MountOp& op : plan.mounts) {
    if (op.kind != MountOpKind::kCloneTree || (op.attributes & 1) != 0) continue;
    EXPECT_EQ(op.source, "/home/u/project");
    ++writable;
  }
  EXPECT_EQ(writable, 1);
}

TEST(MakePlan, HidesEveryHomeEvenOneBelowTheWorkingDirectory) {
  HostFacts facts = Desktop();
  facts.homes = {"/home/u", "/home/u/project/.home"};
  const Plan plan = MustPlan(DefaultPolicy(), facts);
  ASSERT_TRUE(AttachOn(plan, "/home/u/project/.home"));
  EXPECT_GT(Position(plan, "on /home/u/project/.home"),
            (AttachOn(plan, "/home/u/project") - plan.mounts.data()));
}

TEST(MakePlan, HidesHomeWhereAnotherMountShowsIt) {
  HostFacts facts = Desktop();
  facts.mounts.push_back({254, 1, "/home", "/mnt/backup", "ext4"});       // the parent of home
  facts.mounts.push_back({254, 1, "/home/u/.ssh", "/opt/keys", "ext4"});  // a part of home
  facts.mounts.push_back({254, 9, "/home", "/mnt/other", "ext4"});        // another file system
  const Plan plan = MustPlan(DefaultPolicy(), facts);
  EXPECT_GE(Position(plan, "mask /mnt/backup/u"), 0);
  EXPECT_GE(Position(plan, "mask /opt/keys"), 0);
  EXPECT_EQ(Position(plan, "/mnt/other"), -1);
}

TEST(MakePlan, HidesHomeWhereItShowsAgainBelowItselfOrOnASystemDirectory) {
  HostFacts facts = Desktop();
  facts.mounts.push_back({254, 1, "/home/u", "/home/u/project/again", "ext4"});
  facts.mounts.push_back({254, 1, "/home/u", "/mnt", "ext4"});
  const Plan plan = MustPlan(DefaultPolicy(), facts);
  EXPECT_GE(Position(plan, "mask /home/u/project/again"), 0);
  EXPECT_GE(Position(plan, "mask /mnt"), 0);
  EXPECT_GT(Position(plan, "mask /home/u/project/again"),
            AttachOn(plan, "/home/u/project") - plan.mounts.data());
}

TEST(MakePlan, TreatsAnotherNameOfHomeAsHome) {
  HostFacts facts = Desktop();
  facts.mounts.push_back({254, 1, "/home", "/mnt/homes", "ext4"});
  facts.working_directory = "/mnt/homes/u";
  const Plan plan = MustPlan(DefaultPolicy(), facts);
  EXPECT_FALSE(CloneOf(plan, "/mnt/homes/u")) << "nothing may be written through";
  EXPECT_GE(Position(plan, "mask /mnt/homes/u/.ssh"), 0);

  facts.working_directory = "/mnt/homes/u/.ssh";
  EXPECT_FALSE(MakePlan(DefaultPolicy(), facts, {"true"}).ok());

  facts.working_directory = "/mnt/homes/u/project";
  const Plan project = MustPlan(DefaultPolicy(), facts);
  ASSERT_TRUE(CloneOf(project, "/mnt/homes/u/project"));
  EXPECT_GE(Position(project, "make-directories /mnt/homes/u/project"), 0);
}

TEST(MakePlan, HidesPrivateDirectoriesUnderEveryName) {
  HostFacts facts = Desktop();
  facts.mounts.push_back({0, 24, "/", "/srv/chroot/run", "tmpfs"});
  EXPECT_GE(Position(MustPlan(DefaultPolicy(), facts), "mask /srv/chroot/run"), 0);
}

TEST(MakePlan, ShowsAPartOfTmpThatIsMountedElsewhereButNotItsSockets) {
  HostFacts facts = Desktop();
  facts.mounts.push_back({254, 1, "/tmp/data", "/srv/data", "ext4"});
  facts.unix_sockets = {"/tmp/data/x.sock"};
  const Plan plan = MustPlan(DefaultPolicy(), facts);
  EXPECT_GE(Position(plan, "mask /srv/data/x.sock"), 0);
  for (const MountOp& op : plan.mounts) EXPECT_NE(op.target, "/srv/data") << op.ToString();
}

TEST(MakePlan, RefusesBindsThatWouldUndoTheSandbox) {
  for (const char* path : {"/proc", "/proc/sys", "/sys", "/dev"}) {
    HostFacts facts = Desktop();
    facts.paths[path] = Directory(path);
    PolicyBuilder builder;
    ASSERT_TRUE(builder.SetDefaultMode().ok());
    ASSERT_TRUE(builder.AddWritable(path).ok());
    const Result<Plan> plan = MakePlan(*builder.Build(), facts, {"true"});
    ASSERT_FALSE(plan.ok()) << path;
    EXPECT_EQ(plan.status().stage(), Stage::kArguments) << path;
  }
}

TEST(MakePlan, CoversSocketsUnderTheNameThatABindGivesThem) {
  HostFacts facts = Desktop();
  facts.paths["/tmp"] = Directory("/tmp");
  facts.paths["/home/u/t"] = {};
  facts.unix_sockets = {"/tmp/x/agent.sock"};
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetDefaultMode().ok());
  ASSERT_TRUE(builder.AddReadOnly("/tmp", "/home/u/t").ok());
  EXPECT_GE(Position(MustPlan(*builder.Build(), facts), "mask /home/u/t/x/agent.sock"), 0);
}

TEST(MakePlan, ABindAboveTheWorkingDirectoryDoesNotTakeItAway) {
  for (const Access access : {Access::kReadOnly, Access::kWritable}) {
    HostFacts facts = Desktop();
    facts.paths["/home"] = Directory("/home");
    PolicyBuilder builder;
    ASSERT_TRUE(builder.SetDefaultMode().ok());
    ASSERT_TRUE((access == Access::kWritable ? builder.AddWritable("/home")
                                             : builder.AddReadOnly("/home", std::nullopt))
                    .ok());
    const Plan plan = MustPlan(*builder.Build(), facts);
    ASSERT_TRUE(CloneOf(plan, "/home/u/project"));
    EXPECT_EQ(CloneOf(plan, "/home/u/project")->attributes & 1, 0u);
    EXPECT_TRUE(AttachOn(plan, "/home/u/project"));
  }
}

TEST(MakePlan, NeverWritesThroughToASystemDirectory) {
  for (const char* path : {"/", "/etc", "/usr/lib/python3", "/home", "/var", "/dev/shm", "/proc"}) {
    HostFacts facts = Desktop();
    facts.working_directory = path;
    const Plan plan = MustPlan(DefaultPolicy(), facts);
    for (const MountOp& op : plan.mounts) {
      EXPECT_FALSE(op.kind == MountOpKind::kCloneTree && (op.attributes & 1) == 0)
          << path << ": " << op.ToString();
    }
    EXPECT_EQ(plan.notices.size(), 1u) << path;
  }
}

TEST(MakePlan, WritesThroughToAProjectOutsideHome) {
  for (const char* path :
       {"/srv/app", "/work", "/usr/src/linux", "/tmp/build", "/var/lib/ci/job"}) {
    HostFacts facts = Desktop();
    facts.working_directory = path;
    const Plan plan = MustPlan(DefaultPolicy(), facts);
    ASSERT_TRUE(CloneOf(plan, path)) << path;
    EXPECT_EQ(CloneOf(plan, path)->attributes & 1, 0u) << path;
    EXPECT_TRUE(plan.notices.empty()) << path;
  }
}

TEST(MakePlan, RefusesToWorkAmongCredentials) {
  HostFacts facts = Desktop();
  facts.working_directory = "/home/u/.ssh";
  const Result<Plan> plan = MakePlan(DefaultPolicy(), facts, {"true"});
  ASSERT_FALSE(plan.ok());
  EXPECT_NE(plan.status().ToString().find("holds credentials"), std::string::npos);
}

TEST(MakePlan, MasksCredentialsInADirectoryOfHomeThatHasSome) {
  HostFacts facts = Desktop();
  facts.working_directory = "/home/u/.config";
  const Plan plan = MustPlan(DefaultPolicy(), facts);
  EXPECT_FALSE(CloneOf(plan, "/home/u/.config")) << "nothing may be written through";
  EXPECT_GE(Position(plan, "mask /home/u/.config/gcloud by empty"), 0);
  EXPECT_EQ(Position(plan, "mask /home/u/.ssh by empty"), -1) << "hidden with home already";
}

TEST(MakePlan, IsReadOnlyInAHomeThatCannotBeOverlaid) {
  HostFacts facts = Desktop();
  facts.working_directory = "/home/u";
  facts.mounts.push_back({254, 3, "/", "/home/u/mnt", "ext4"});
  const Plan plan = MustPlan(DefaultPolicy(), facts);
  ASSERT_TRUE(CloneOf(plan, "/home/u"));
  EXPECT_NE(CloneOf(plan, "/home/u")->attributes & 1, 0u);
  EXPECT_GE(Position(plan, "mask /home/u/.ssh by empty"), 0);
}

TEST(MakePlan, TheUsersOwnBindWinsOverAMask) {
  HostFacts facts = Desktop();
  facts.working_directory = "/home/u";
  facts.paths["/home/u/.ssh"] = Directory("/home/u/.ssh");
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetDefaultMode().ok());
  ASSERT_TRUE(builder.AddWritable("/home/u/.ssh").ok());
  const Plan plan = MustPlan(*builder.Build(), facts);
  const int mask = Position(plan, "mask /home/u/.ssh by empty");
  const MountOp* bind = AttachOn(plan, "/home/u/.ssh");
  ASSERT_TRUE(bind);
  EXPECT_GT(bind - plan.mounts.data(), mask);
}

TEST(MakePlan, CoversSocketsOfTheHostThatWouldShow) {
  HostFacts facts = Desktop();
  facts.unix_sockets = {"/home/u/.agent", "/home/u/project/dev.sock", "/run/docker.sock",
                        "/var/lib/mysql/mysql.sock"};
  const Plan plan = MustPlan(DefaultPolicy(), facts);
  EXPECT_GE(Position(plan, "mask /var/lib/mysql/mysql.sock"), 0);
  EXPECT_GE(Position(plan, "mask /home/u/project/dev.sock"), 0);
  EXPECT_EQ(Position(plan, "/run/docker.sock"), -1) << "/run is private anyway";
  EXPECT_EQ(Position(plan, "/home/u/.agent"), -1) << "home is private anyway";
}

TEST(MakePlan, NamesTheMissingPath) {
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetDefaultMode().ok());
  ASSERT_TRUE(builder.AddWritable("/no/such").ok());
  const Result<Plan> plan = MakePlan(*builder.Build(), Desktop(), {"true"});
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.status().message(), "-w /no/such: no such file or directory");
}

TEST(MakePlan, TriesTheDirectoriesOfPathInOrder) {
  HostFacts facts = Desktop();
  facts.environment = {"PATHOLOGY=x", "PATH=/a::/b"};
  EXPECT_EQ(MustPlan(DefaultPolicy(), facts).candidates,
            (std::vector<std::string>{"/a/true", "./true", "/b/true"}));
  facts.environment.clear();
  EXPECT_EQ(MustPlan(DefaultPolicy(), facts).candidates,
            (std::vector<std::string>{"/bin/true", "/usr/bin/true"}));
  const auto plan = MakePlan(DefaultPolicy(), facts, {"./x"});
  EXPECT_EQ(plan->candidates, std::vector<std::string>{"./x"});
}

TEST(MakePlan, GivesTheCommandATerminalOnlyWhenAsked) {
  EXPECT_FALSE(MustPlan(DefaultPolicy(), Desktop()).terminal);
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetDefaultMode().ok());
  builder.SetTerminal(true);
  const Plan plan = MustPlan(*builder.Build(), Desktop());
  EXPECT_TRUE(plan.terminal);
  EXPECT_NE(plan.ToString().find("\nterminal of its own\n"), std::string::npos);
}

TEST(MakePlan, PlansAThousandBindsAndMounts) {
  HostFacts facts = Desktop();
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetDefaultMode().ok());
  for (int i = 0; i < 1000; ++i) {
    const std::string path = "/data/" + std::to_string(i);
    facts.mounts.push_back({254, static_cast<uint32_t>(100 + i), "/", path, "ext4"});
    facts.paths[path] = Directory(path);
    ASSERT_TRUE(builder.AddWritable(path).ok());
  }
  const Plan plan = MustPlan(*builder.Build(), facts);
  EXPECT_TRUE(AttachOn(plan, "/data/0"));
  EXPECT_TRUE(AttachOn(plan, "/data/999"));
}

TEST(NameFiles, KeepSearchAndNdotsButNoServerOfTheHost) {
  EXPECT_EQ(ResolvConfInside(Desktop().resolv_conf),
            "nameserver 198.18.0.53\noptions ndots:2\nsearch corp.example\n");
}

TEST(NameFiles, KeepLoopbackNamesOnly) {
  const std::string inside = HostsInside(Desktop().hosts);
  EXPECT_NE(inside.find("127.0.1.1 desk"), std::string::npos);
  EXPECT_EQ(inside.find("intranet"), std::string::npos);
}

TEST(HostLayout, MatchesWholeComponents) {
  EXPECT_TRUE(IsSystemDirectory("/etc/ssh"));
  EXPECT_FALSE(IsSystemDirectory("/etcetera"));
  EXPECT_FALSE(IsSystemDirectory("/usr/src/linux"));
  EXPECT_TRUE(IsSystemDirectory("/usr/src"));
}

Policy PolicyWithIdentity(Identity identity) {
  Policy policy = DefaultPolicy();
  policy.identity = identity;
  return policy;
}

TEST(MakePlan, ShowsTheCallerAsRootOrAsNobody) {
  const Plan root = MustPlan(PolicyWithIdentity(Identity::kRoot), Desktop());
  EXPECT_EQ(root.ToString().find("namespaces user mount pid ipc uts cgroup net\n"
                                 "map uid 1000->0 gid 1000->0\n"),
            0u);
  EXPECT_NE(Position(root, "/user/0 mode 0700"), -1);
  EXPECT_NE(Position(root, "/user/1000 mode 0700"), -1) << "XDG_RUNTIME_DIR may still name it";
  EXPECT_NE(AttachOn(root, "/home/u"), nullptr) << "HOME is the caller's";
  const Plan nobody = MustPlan(PolicyWithIdentity(Identity::kNobody), Desktop());
  EXPECT_NE(nobody.ToString().find("\nmap uid 1000->65534 gid 1000->65534\n"), std::string::npos);
}

TEST(MakePlan, ClosesTheMachinesProcToTheRealRootWhoeverShowsInside) {
  HostFacts facts = Desktop();
  facts.uid = facts.gid = 0;
  for (const Identity identity : {Identity::kCaller, Identity::kRoot, Identity::kNobody}) {
    const Plan plan = MustPlan(PolicyWithIdentity(identity), facts);
    EXPECT_NE(Position(plan, "/proc/sysrq-trigger"), -1);
  }
}

TEST(MakePlan, MapsTheGroupOfPingToTheOneInside) {
  Policy policy = PolicyWithIdentity(Identity::kRoot);
  policy.network = Network::kStack;
  const Plan plan = MustPlan(policy, Desktop());
  EXPECT_EQ(plan.sysctls.at(1).value, "0 0");
}

TEST(MakePlan, KeepsTheHostsNameUnlessAskedForLocalhost) {
  EXPECT_EQ(MustPlan(DefaultPolicy(), Desktop()).host_name, std::nullopt);
  Policy policy = DefaultPolicy();
  policy.host_name = HostName::kLocalhost;
  const Plan plan = MustPlan(policy, Desktop());
  EXPECT_EQ(plan.host_name, "localhost");
  EXPECT_NE(plan.ToString().find("\nhost-name localhost\n"), std::string::npos);
}

Policy PolicyWithNetwork(Network network) {
  Policy policy = DefaultPolicy();
  policy.network = network;
  return policy;
}

TEST(MakePlan, SharesTheHostsNetworkOnlyWhenAskedAndSaysSo) {
  HostFacts facts = Desktop();
  facts.scopes_abstract_sockets = true;
  const Plan plan = MustPlan(PolicyWithNetwork(Network::kHost), facts);
  EXPECT_EQ(plan.ToString().find("namespaces user mount pid ipc uts cgroup\n"), 0u);
  ASSERT_EQ(plan.notices.size(), 1u);
  EXPECT_EQ(plan.notices[0].find("abstract"), std::string::npos);
  facts.scopes_abstract_sockets = false;
  const Plan older = MustPlan(PolicyWithNetwork(Network::kHost), facts);
  ASSERT_EQ(older.notices.size(), 1u);
  EXPECT_NE(older.notices[0].find("abstract UNIX sockets"), std::string::npos);

  const Plan unconfigured = MustPlan(PolicyWithNetwork(Network::kUnconfigured), facts);
  EXPECT_NE(unconfigured.ToString().find(" cgroup net\n"), std::string::npos);
  EXPECT_NE(unconfigured.ToString().find("\nnetwork unconfigured\n"), std::string::npos);
  EXPECT_TRUE(unconfigured.notices.empty());
}

TEST(MakePlan, ShowsTheHostsResolversWhereRunHidesThemOnAHostsNetwork) {
  const Plan plan = MustPlan(PolicyWithNetwork(Network::kHost), Desktop());
  EXPECT_NE(AttachOn(plan, "/run/systemd/resolve/stub-resolv.conf"), nullptr);
  EXPECT_NE(Position(plan, "nameserver 127.0.0.53"), -1) << "the host's text, unchanged";
  HostFacts facts = Desktop();
  facts.paths["/etc/resolv.conf"] = File("/etc/resolv.conf");
  const Plan visible = MustPlan(PolicyWithNetwork(Network::kHost), facts);
  EXPECT_EQ(AttachOn(visible, "/etc/resolv.conf"), nullptr) << "it shows as it is";
}

Policy NestingPolicy() {
  Policy policy = DefaultPolicy();
  policy.nesting = Nesting::kAllowed;
  return policy;
}

TEST(MakePlan, PutsACompleteProcWhereDevCoversItForNesting) {
  const Plan plan = MustPlan(NestingPolicy(), Desktop());
  EXPECT_NE(plan.ToString().find("\nnesting allowed\n"), std::string::npos);
  int hidden = -1;
  bool dev_is_covered = false;
  for (const MountOp& op : plan.mounts) {
    if (op.kind == MountOpKind::kAttach && op.target == "/dev") dev_is_covered = true;
    if (op.kind != MountOpKind::kAttachIn || op.source != "proc") continue;
    hidden = op.slot;
    EXPECT_FALSE(dev_is_covered) << "it lies in the scratch file system, below";
  }
  ASSERT_NE(hidden, -1);
  EXPECT_TRUE(dev_is_covered);
  const auto made = std::find_if(plan.mounts.begin(), plan.mounts.end(), [&](const MountOp& op) {
    return op.kind == MountOpKind::kNewFilesystem && op.slot == hidden;
  });
  ASSERT_NE(made, plan.mounts.end());
  EXPECT_EQ(made->data, "proc");
  EXPECT_EQ(made->attributes & MOUNT_ATTR_RDONLY, 0u);
  EXPECT_EQ(MustPlan(DefaultPolicy(), Desktop()).ToString().find("nesting"), std::string::npos);
}

TEST(MakePlan, ShowsTheHostsRootNoWritableProcToNestIn) {
  HostFacts facts = Desktop();
  facts.uid = facts.gid = 0;
  for (const Identity identity : {Identity::kCaller, Identity::kNobody}) {
    Policy policy = NestingPolicy();
    policy.identity = identity;
    const Plan plan = MustPlan(policy, facts);
    int procs = 0;
    for (const MountOp& op : plan.mounts) {
      if (op.kind != MountOpKind::kNewFilesystem || op.data != "proc") continue;
      // The one of the sandbox itself gets covers on /proc/sys; the complete one has none.
      const bool is_complete = ++procs == 2;
      EXPECT_EQ((op.attributes & MOUNT_ATTR_RDONLY) != 0, is_complete);
    }
    EXPECT_EQ(procs, 2);
  }
}

TEST(MakePlan, ShowsTheTunDeviceForNestingWhereTheHostHasIt) {
  HostFacts facts = Desktop();
  EXPECT_EQ(Position(MustPlan(NestingPolicy(), facts), "net/tun"), -1);
  facts.paths["/dev/net/tun"] = {PathKind::kOther, "/dev/net/tun"};
  EXPECT_NE(Position(MustPlan(NestingPolicy(), facts), "clone-node /dev/net/tun"), -1);
  EXPECT_EQ(Position(MustPlan(DefaultPolicy(), facts), "net/tun"), -1);
}

TEST(MakePlan, RefusesLinksOutOfTheWorkingDirectoryThatACommandMayHaveMade) {
  const auto plan = [](std::vector<std::string> writable, const std::string& here) {
    PolicyBuilder builder;
    EXPECT_TRUE(builder.SetDefaultMode().ok());
    for (const std::string& path : writable) EXPECT_TRUE(builder.AddWritable(path).ok());
    HostFacts facts = Desktop();
    facts.working_directory = here;
    facts.paths["/home/u/project"] = Directory("/home/u/project");
    facts.paths["/home/u/project/far"] = Directory("/data/far");
    facts.paths["/home/u/project/near"] = Directory("/home/u/project/real");
    facts.paths["/data"] = Directory("/data");
    return MakePlan(*builder.Build(), facts, {"true"});
  };
  const auto refused = plan({"/home/u/project/far"}, "/home/u/project");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().hint(), "if it is meant: -w /data/far");
  EXPECT_TRUE(plan({"/home/u/project/near"}, "/home/u/project").ok());
  EXPECT_TRUE(plan({"/home/u/project/far", "/data"}, "/home/u/project").ok()) << "it is meant";
  // Nothing is written through to HOME as working directory, so nobody has planted it there.
  EXPECT_TRUE(plan({"/home/u/project/far"}, "/home/u").ok());
}

TEST(MakePlan, LeavesOutATemporaryDirectoryThatIsNotThereInside) {
  const auto environment = [](const std::string& value, auto set_up) {
    PolicyBuilder builder;
    EXPECT_TRUE(builder.SetDefaultMode().ok());
    set_up(builder);
    HostFacts facts = Desktop();
    facts.environment = {"TMPDIR=" + value};
    facts.paths["/data"] = Directory("/data");
    return MustPlan(*builder.Build(), facts).environment;
  };
  const auto plain = [](PolicyBuilder&) {};
  using Strings = std::vector<std::string>;
  for (const char* useless : {"/tmp/user/1000", "/home/u/tmp", "/data", "/run/user/1000/tmp"}) {
    EXPECT_EQ(environment(useless, plain), Strings()) << useless;
  }
  for (const char* useful : {"/tmp", "/tmp/", "/home/u/project/tmp", "relative"}) {
    EXPECT_EQ(environment(useful, plain), Strings{std::string("TMPDIR=") + useful}) << useful;
  }
  EXPECT_EQ(
      environment("/data", [](auto& builder) { EXPECT_TRUE(builder.AddWritable("/data").ok()); }),
      Strings{"TMPDIR=/data"});
  EXPECT_EQ(environment("/x", [](auto& b) { EXPECT_TRUE(b.SetVariable("TMPDIR", "/y").ok()); }),
            Strings{"TMPDIR=/y"});
}

TEST(MakePlan, TellsTheCommandWhereItStarts) {
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetDefaultMode().ok());
  ASSERT_TRUE(builder.SetWorkingDirectory("/data").ok());
  HostFacts facts = Desktop();
  facts.environment = {"PWD=/home/u/project", "OLDPWD=/"};
  facts.paths["/data"] = Directory("/data");
  const auto plan = MakePlan(*builder.Build(), facts, {"true"});
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  EXPECT_EQ(plan->environment, (std::vector<std::string>{"PWD=/data", "OLDPWD=/"}));
}

TEST(Freeze, LetsOnlyARootInsideMapItselfFurtherDown) {
  sigset_t mask;
  sigemptyset(&mask);
  const auto may_map_root = [&](const Policy& policy) {
    return Freeze(MustPlan(policy, Desktop()), {}, mask).get().may_map_root;
  };
  Policy policy = NestingPolicy();
  EXPECT_FALSE(may_map_root(policy));
  policy.identity = Identity::kRoot;
  EXPECT_TRUE(may_map_root(policy));
  policy.nesting = Nesting::kRefused;
  EXPECT_FALSE(may_map_root(policy)) << "the command has no capability at all";
}

TEST(Freeze, WritesTheIdsOfBothSides) {
  Plan plan = MustPlan(PolicyWithIdentity(Identity::kNobody), Desktop());
  plan.host_name = "localhost";
  sigset_t mask;
  sigemptyset(&mask);
  const FrozenPlanOwner owner = Freeze(plan, {}, mask);
  EXPECT_STREQ(owner.get().uid_map, "65534 1000 1");
  EXPECT_STREQ(owner.get().gid_map, "65534 1000 1");
  EXPECT_EQ(std::string(owner.get().host_name, owner.get().host_name_size), "localhost");
  EXPECT_EQ(owner.get().network, FrozenNetwork::kLoopback);
  plan.network = Network::kHost;
  plan.host_name.reset();
  const FrozenPlanOwner other = Freeze(plan, {}, mask);
  EXPECT_EQ(other.get().network, FrozenNetwork::kUntouched);
  EXPECT_EQ(other.get().host_name, nullptr);
}

TEST(Freeze, CopiesEverythingTheChildNeeds) {
  Plan plan = MustPlan(DefaultPolicy(), Desktop());
  plan.argv = {"true", "a b", ""};
  const sock_filter filter[] = {{6, 0, 0, 0x7fff0000}};
  sigset_t mask;
  sigemptyset(&mask);
  const FrozenPlanOwner owner = Freeze(plan, filter, mask);
  const FrozenPlan& frozen = owner.get();
  EXPECT_STREQ(frozen.uid_map, "1000 1000 1");
  ASSERT_EQ(frozen.mount_count, plan.mounts.size());
  EXPECT_STREQ(frozen.mounts[0].source, "/");
  EXPECT_EQ(frozen.slot_count, static_cast<size_t>(plan.slot_count));
  EXPECT_EQ(frozen.slots[0], -1);
  EXPECT_STREQ(frozen.argv[1], "a b");
  EXPECT_EQ(frozen.argv[3], nullptr);
  EXPECT_STREQ(frozen.shell_argv[0], "/bin/sh");
  EXPECT_STREQ(frozen.shell_argv[2], "a b");
  EXPECT_EQ(frozen.filter_size, 1u);
}

}  // namespace
}  // namespace mini
