// What a plan says of the command itself: who it appears to be, on which network, with which
// variables, whether it may nest; and that all of it reaches the child.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>

#include "plan/freeze.h"
#include "tests/unit/plan_fixtures.h"

namespace mini {
namespace {

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
  const auto ping =
      std::ranges::find(plan.sysctls, "/proc/sys/net/ipv4/ping_group_range", &Sysctl::path);
  ASSERT_NE(ping, plan.sysctls.end());
  EXPECT_EQ(ping->value, "0 0");
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
  const auto empty = [](PolicyBuilder& b) { EXPECT_TRUE(b.AddEmptyDirectory("/data").ok()); };
  EXPECT_EQ(environment("/data/", empty), Strings{"TMPDIR=/data/"});
  EXPECT_EQ(environment("/data/below", empty), Strings()) << "it is empty";
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
  EXPECT_EQ(other.get().network, FrozenNetwork::kHost);
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
  EXPECT_STREQ(frozen.mounts[0].data, "proc");
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
