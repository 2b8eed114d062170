// Plans are text, so what a run would do is tested without doing it.
#include "plan/plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/strings.h"
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

TEST(PlanText, ShowsEveryRuleWithItsPlaceAndWhatElseBindsTheNetwork) {
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetNetwork(Network::kStack).ok());
  ASSERT_TRUE(builder.AddRule("Example.com:443").ok());
  ASSERT_TRUE(builder.AddRulesText("my list", "# nothing\n!udp/192.0.2.0/24\n").ok());
  ASSERT_TRUE(builder.AddRule("[2001:db8::7]:80-90").ok());
  builder.SetServerNames(ServerNames::kRequired);
  ASSERT_TRUE(builder.SetMaxConnections(9).ok());
  const Policy policy = std::move(*builder.Build());
  EXPECT_NE(MustPlan(policy, Desktop())
                .ToString()
                .find("resolver 198.18.0.53\n"
                      "rules 3\n"
                      "rule example.com:443 (--allow:1)\n"
                      "rule !udp/192.0.2.0/24 (\"my list\":2)\n"
                      "rule [2001:db8::7]:80-90 (--allow:2)\n"
                      "strict-names\n"
                      "max-connections 9\n"
                      "sysctl "),
            std::string::npos)
      << MustPlan(policy, Desktop()).ToString();
}

TEST(PlanText, ShowsThousandsOfRulesAndAListWithoutAny) {
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetNetwork(Network::kStack).ok());
  ASSERT_TRUE(builder.AddRulesText("empty", "").ok());
  Policy policy = std::move(*builder.Build());
  EXPECT_NE(MustPlan(policy, Desktop()).ToString().find("\nrules 0\nsysctl "), std::string::npos);
  std::string lines;
  for (int i = 0; i < 3000; ++i) lines += StrCat("n", i, ".example\n");
  ASSERT_TRUE(policy.rules->AddText("many", lines).ok());
  EXPECT_NE(
      MustPlan(policy, Desktop()).ToString().find("\nrule n2999.example (many:3000)\nsysctl "),
      std::string::npos);
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
  const int closed = Position(plan, "set-tree-attributes / [ro,nosuid,nodev]");
  ASSERT_GE(closed, 0);
  // What is copied out of the closed tree is closed, too.
  EXPECT_LT(Position(plan, "clone-tree /home/u/project"), closed);
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

TEST(NameFiles, TakeTheOptionsApartAtAnyBlank) {
  EXPECT_EQ(ResolvConfInside("options\ttimeout:1\tndots:3 edns0 trust-ad\n"
                             "search\ta.example  b.example\noptions\nnameserver 192.0.2.1"),
            "nameserver 198.18.0.53\noptions ndots:3\nsearch a.example  b.example\n");
}

TEST(NameFiles, KeepLoopbackNamesOnly) {
  const std::string inside = HostsInside(Desktop().hosts, "desk");
  EXPECT_NE(inside.find("127.0.1.1 desk"), std::string::npos);
  EXPECT_EQ(inside.find("127.0.1.1 desk"), inside.rfind("127.0.1.1 desk"));
  EXPECT_EQ(inside.find("intranet"), std::string::npos);
}

TEST(NameFiles, KnowLocalhostAndTheHostsOwnNameOnce) {
  EXPECT_EQ(HostsInside("192.0.2.1 vm\n", "vm"),
            "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
            "127.0.1.1 vm\n");
  EXPECT_EQ(HostsInside("127.0.0.1\tlocalhost vm # here\n::1 localhost\n", "vm"),
            "127.0.0.1\tlocalhost vm # here\n::1 localhost\n");
  EXPECT_EQ(HostsInside("", "localhost"),
            "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n");
}

TEST(HostLayout, MatchesWholeComponents) {
  EXPECT_TRUE(IsSystemDirectory("/etc/ssh"));
  EXPECT_FALSE(IsSystemDirectory("/etcetera"));
  EXPECT_FALSE(IsSystemDirectory("/usr/src/linux"));
  EXPECT_TRUE(IsSystemDirectory("/usr/src"));
}

TEST(MakePlan, RefusesALogThatANestedSandboxCouldReplace) {
  const auto plan = [](Nesting nesting, const std::string& log) {
    PolicyBuilder builder;
    EXPECT_TRUE(builder.SetDefaultMode().ok());
    builder.SetNesting(nesting);
    HostFacts facts = Desktop();
    facts.verdict_log = log;
    return MakePlan(*builder.Build(), facts, {"true"});
  };
  const std::string inside = Desktop().working_directory + "/net.log";
  EXPECT_TRUE(plan(Nesting::kRefused, inside).ok());
  EXPECT_TRUE(plan(Nesting::kAllowed, "/data/net.log").ok());
  const auto refused = plan(Nesting::kAllowed, inside);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().ToString(),
            "--log " + inside +
                ": the command could put another file in its place: with --nested, name one "
                "outside of what is writable");
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
  EXPECT_FALSE(plan({"/home/u/project/far", "/home/u/project"}, "/home/u").ok()) << "but by -w";
}

TEST(MakePlan, KnowsAWorkingDirectoryByEveryNameThatLeadsThere) {
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetDefaultMode().ok());
  ASSERT_TRUE(builder.AddWritable("/h/u/project/my far").ok());
  HostFacts facts = Desktop();
  facts.paths["/h"] = Directory("/home");
  facts.paths["/h/u"] = Directory("/home/u");
  facts.paths["/h/u/project"] = Directory("/home/u/project");
  facts.paths["/h/u/project/my far"] = Directory("/data/my far");
  const auto refused = MakePlan(*builder.Build(), facts, {"true"});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().hint(), "if it is meant: -w '/data/my far'");
  facts.paths["/h/u/project/my far"] = Directory("/home/u/project/near");
  EXPECT_TRUE(MakePlan(*builder.Build(), facts, {"true"}).ok());
}

}  // namespace
}  // namespace mini
