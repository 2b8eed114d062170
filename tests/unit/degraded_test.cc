#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "base/strings.h"
#include "plan/degraded_plan.h"
#include "sys/degraded_filter.h"
#include "tests/unit/child_process.h"

namespace mini {
namespace {

// --- The plan ---

DirectoryEntry Directory(std::string name) {
  return {DirectoryEntry::Kind::kDirectory, std::move(name), ""};
}

PathFact DirectoryAt(std::string path) { return {PathKind::kDirectory, std::move(path), false}; }

HostFacts Facts() {
  HostFacts facts;
  facts.uid = facts.gid = 1000;
  facts.homes = {"/home/u"};
  facts.working_directory = "/home/u/src";
  facts.mounts = {{8, 1, "/", "/", "ext4"}};
  facts.environment = {"PATH=/usr/bin", "TMPDIR=/tmp/mine"};
  for (const char* path : {"/run", "/tmp", "/var/tmp", "/home/u/src", "/home/u/data", "/home/u",
                           "/home/u/.ssh", "/home/u/.config", "/usr/share", "/srv"}) {
    facts.paths[path] = DirectoryAt(path);
  }
  facts.paths["/var/run"] = DirectoryAt("/run");
  facts.degraded.emplace();
  facts.degraded->refusal = "make the sandbox's namespaces: EPERM";
  facts.degraded->landlock_abi = 6;
  facts.degraded->scratch_directory = "/tmp/mini-sandbox-1";
  facts.degraded->listings["/"] = {{DirectoryEntry::Kind::kSymlink, "bin", "usr/bin"},
                                   Directory("dev"),
                                   Directory("etc"),
                                   Directory("home"),
                                   Directory("run"),
                                   Directory("tmp"),
                                   Directory("var")};
  facts.degraded->listings["/home"] = {Directory("other"), Directory("u")};
  facts.degraded->listings["/var"] = {Directory("lib"), Directory("tmp")};
  return facts;
}

PolicyBuilder DefaultMode() {
  PolicyBuilder builder;
  EXPECT_TRUE(builder.SetDefaultMode().ok());
  builder.SetDegraded(Degraded::kAllowed);
  return builder;
}

Result<Plan> PlanOf(const HostFacts& facts, PolicyBuilder builder = DefaultMode()) {
  Result<Policy> policy = builder.Build();
  if (!policy.ok()) return policy.status();
  return MakePlan(*policy, facts, {"true"});
}

TEST(DegradedPlan, AllowsWhatIsBesideTheHiddenAndNothingAboveIt) {
  const Result<Plan> plan = PlanOf(Facts());
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  const std::vector<PathRule> expected = {{"/etc", PathRights::kRead},
                                          {"/home/other", PathRights::kRead},
                                          {"/var/lib", PathRights::kRead},
                                          {"/dev/full", PathRights::kDevice},
                                          {"/dev/null", PathRights::kDevice},
                                          {"/dev/random", PathRights::kDevice},
                                          {"/dev/tty", PathRights::kDevice},
                                          {"/dev/urandom", PathRights::kDevice},
                                          {"/dev/zero", PathRights::kDevice},
                                          {"/home/u/src", PathRights::kWrite},
                                          {"/tmp/mini-sandbox-1", PathRights::kWrite}};
  EXPECT_EQ(plan->degraded->rules, expected);
  EXPECT_TRUE(plan->mounts.empty());
  EXPECT_EQ(plan->environment,
            (std::vector<std::string>{"PATH=/usr/bin", "TMPDIR=/tmp/mini-sandbox-1"}));
}

TEST(DegradedPlan, ListsTheDirectoriesAboveWhatIsHidden) {
  EXPECT_EQ(DirectoriesAboveHidden(Facts()), (std::vector<std::string>{"/", "/home", "/var"}));
}

TEST(DegradedPlan, HidesOtherMountsOfHomeToo) {
  HostFacts facts = Facts();
  facts.mounts.push_back({8, 1, "/home/u", "/etc/alias", "ext4"});
  facts.degraded->listings["/etc"] = {Directory("alias"), Directory("ssl")};
  EXPECT_EQ(DirectoriesAboveHidden(facts),
            (std::vector<std::string>{"/", "/etc", "/home", "/var"}));
  const Result<Plan> plan = PlanOf(facts);
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  EXPECT_EQ(plan->degraded->rules[0], (PathRule{"/etc/ssl", PathRights::kRead}));
  for (const PathRule& rule : plan->degraded->rules) {
    EXPECT_NE(rule.path, "/etc/alias");
    EXPECT_NE(rule.path, "/etc");
  }
}

TEST(DegradedPlan, OpensWhatTheUserNames) {
  PolicyBuilder builder = DefaultMode();
  ASSERT_TRUE(builder.AddWritable("/home/u/data").ok());
  ASSERT_TRUE(builder.AddReadOnly("/home/u/.config", std::nullopt).ok());
  const Result<Plan> plan = PlanOf(Facts(), std::move(builder));
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  EXPECT_EQ(plan->writable_roots,
            (std::vector<std::string>{"/home/u/data", "/home/u/src", "/tmp/mini-sandbox-1"}));
  const std::string text = plan->ToString();
  EXPECT_NE(text.find("allow read /home/u/.config\n"), std::string::npos) << text;
  EXPECT_NE(text.find("allow write /home/u/data\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("namespaces user"), std::string::npos) << text;
}

TEST(DegradedPlan, RefusesAWorkingDirectoryWhoseSecretsItCannotHide) {
  for (const char* path : {"/home/u", "/home/u/.ssh", "/home/u/.ssh/keys", "/home/u/.config"}) {
    HostFacts facts = Facts();
    facts.working_directory = path;
    const Result<Plan> plan = PlanOf(facts);
    ASSERT_FALSE(plan.ok()) << path;
    EXPECT_EQ(plan.status().stage(), Stage::kPlan) << path;
    EXPECT_NE(plan.status().message().find("cannot be hidden"), std::string::npos) << path;
  }
}

TEST(DegradedPlan, WritesNothingThroughToTheSystem) {
  HostFacts facts = Facts();
  for (const char* path : {"/", "/usr/share", "/tmp", "/home"}) {
    facts.working_directory = path;
    const Result<Plan> plan = PlanOf(facts);
    ASSERT_TRUE(plan.ok()) << plan.status().ToString();
    EXPECT_EQ(plan->writable_roots, std::vector<std::string>{"/tmp/mini-sandbox-1"}) << path;
  }
}

TEST(DegradedPlan, NamesWhatNeedsNamespaces) {
  const std::pair<const char*, std::function<void(PolicyBuilder&)>> asks[] = {
      {"-R", [](PolicyBuilder& b) { (void)b.SetIdentity(Identity::kRoot); }},
      {"-U", [](PolicyBuilder& b) { (void)b.SetIdentity(Identity::kNobody); }},
      {"-H", [](PolicyBuilder& b) { b.SetHostName(HostName::kLocalhost); }},
      {"-n", [](PolicyBuilder& b) { (void)b.SetNetwork(Network::kUnconfigured); }},
      {"-N", [](PolicyBuilder& b) { (void)b.SetNetwork(Network::kHost); }},
      {"-e", [](PolicyBuilder& b) { (void)b.AddEmptyDirectory("/srv"); }},
      {"-m", [](PolicyBuilder& b) { (void)b.AddReadOnly("/srv", "/usr/share"); }},
      {"-P", [](PolicyBuilder& b) { b.SetTerminal(true); }},
      {"--nested", [](PolicyBuilder& b) { b.SetNesting(Nesting::kAllowed); }},
  };
  for (const auto& [option, ask] : asks) {
    PolicyBuilder builder = DefaultMode();
    ask(builder);
    Result<Policy> policy = builder.Build();
    ASSERT_TRUE(policy.ok()) << option << policy.status().ToString();
    Plan plan;
    const Status status = PlanDegraded(*policy, Facts(), plan);
    EXPECT_EQ(status.code(), StatusCode::kUnsupported) << option;
    EXPECT_TRUE(status.message().starts_with(option)) << status.ToString();
  }
}

TEST(DegradedPlan, RefusesRootAndKernelsWithoutLandlock) {
  HostFacts facts = Facts();
  facts.uid = 0;
  EXPECT_NE(PlanOf(facts).status().message().find("is root"), std::string::npos);
  facts = Facts();
  facts.degraded->landlock_abi = 2;
  EXPECT_EQ(PlanOf(facts).status().code(), StatusCode::kUnsupported);
}

TEST(DegradedPlan, SaysThatThereAreNoSignalsWhereNothingKeepsThemInside) {
  const auto mentions_signals = [](int abi) {
    HostFacts facts = Facts();
    facts.degraded->landlock_abi = abi;
    return PlanOf(facts)->ToString().find("no signals") != std::string::npos;
  };
  EXPECT_TRUE(mentions_signals(5));
  EXPECT_FALSE(mentions_signals(6));
}

// --- The filter ---

// The errno of `attempt` under the filter, in a process of its own; "0" when it succeeds.
std::string Under(Signals signals, const std::function<long()>& attempt) {
  return RunInChild([&] {
    const std::vector<sock_filter> filter = DegradedFilter(signals);
    sock_fprog program = {static_cast<unsigned short>(filter.size()),
                          const_cast<sock_filter*>(filter.data())};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
      return StrCat("no filter: ", ErrnoName(errno));
    }
    return attempt() < 0 ? ErrnoName(errno) : "0";
  });
}

TEST(DegradedFilter, LeavesOnlyPairsOfStreams) {
  for (const int family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}) {
    EXPECT_EQ(Under(Signals::kScoped, [&] { return socket(family, SOCK_DGRAM, 0); }), "EACCES");
  }
  int pair[2];
  const auto pair_of = [&](int family, int type) {
    return Under(Signals::kScoped, [&] { return socketpair(family, type, 0, pair); });
  };
  EXPECT_EQ(pair_of(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC), "0");
  EXPECT_EQ(pair_of(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK), "0");
  EXPECT_EQ(pair_of(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC), "EACCES");
  EXPECT_EQ(pair_of(AF_UNIX, SOCK_RAW), "EACCES");
  EXPECT_EQ(pair_of(AF_TIPC, SOCK_STREAM), "EACCES");
}

TEST(DegradedFilter, LeavesOtherProcessesAlone) {
  const pid_t other = getpid();
  rlimit limit = {};
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(0, &cpus);
  const auto under = [](const std::function<long()>& attempt) {
    return Under(Signals::kScoped, attempt);
  };
  EXPECT_EQ(under([&] { return prlimit(other, RLIMIT_CORE, nullptr, &limit); }), "EPERM");
  EXPECT_EQ(under([&] { return prlimit(0, RLIMIT_CORE, nullptr, &limit); }), "0");
  EXPECT_EQ(under([&] { return setpriority(PRIO_PROCESS, id_t(other), 19); }), "EPERM");
  EXPECT_EQ(under([&] { return setpriority(PRIO_USER, 0, 19); }), "EPERM");
  EXPECT_EQ(under([&] { return setpriority(PRIO_PROCESS, 0, 19); }), "0");
  EXPECT_EQ(under([&] { return sched_setaffinity(other, sizeof cpus, &cpus); }), "EPERM");
  EXPECT_EQ(under([] { return syscall(SYS_shmget, 0, 4096, 0600 | 01000); }), "EACCES");
  EXPECT_EQ(under([&] { return fcntl(0, F_SETOWN, other); }), "EPERM");
  EXPECT_EQ(under([] { return fcntl(0, F_GETFD); }), "0");
}

TEST(DegradedFilter, RefusesSignalsOnlyWhereNothingScopesThem) {
  const auto kill_self = [] { return kill(getpid(), 0); };
  EXPECT_EQ(Under(Signals::kScoped, kill_self), "0");
  EXPECT_EQ(Under(Signals::kRefused, kill_self), "EPERM");
}

TEST(DegradedFilter, RefusesAttributesThatLandlockDoesNotKnow) {
  const auto under = [](const std::function<long()>& attempt) {
    return Under(Signals::kScoped, attempt);
  };
  EXPECT_EQ(under([] { return fchown(0, getuid(), getgid()); }), "EPERM");
  EXPECT_EQ(under([] { return syscall(SYS_fsetxattr, 0, "user.a", "b", 1, 0); }), "EOPNOTSUPP");
  // Nobody listens here, which the kernel answers with ENOSYS (seccomp_unotify(2)).
  EXPECT_EQ(under([] { return syscall(SYS_fchmod, 0, 0700); }), "ENOSYS");
}

}  // namespace
}  // namespace mini
