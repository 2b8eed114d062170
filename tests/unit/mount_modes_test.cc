// The file-system modes beside -x: read-only, custom (-o), hermetic (-h); and -e, which every mode
// has.
#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>

#include "tests/unit/plan_fixtures.h"

namespace mini {
namespace {

PolicyBuilder Hermetic(std::initializer_list<const char*> shown) {
  PolicyBuilder builder;
  EXPECT_TRUE(builder.SetHermeticMode("/r").ok());
  for (const char* path : shown) EXPECT_TRUE(builder.AddReadOnly(path, std::nullopt).ok());
  return builder;
}

PolicyBuilder Custom(std::initializer_list<const char*> overlaid) {
  PolicyBuilder builder;
  EXPECT_TRUE(builder.SetCustomMode("/r").ok());
  for (const char* path : overlaid) EXPECT_TRUE(builder.AddOverlay(path).ok());
  return builder;
}

std::string MessageOf(const Policy& policy, const HostFacts& facts) {
  const Result<Plan> plan = MakePlan(policy, facts, {"true"});
  EXPECT_FALSE(plan.ok());
  return plan.ok() ? "" : plan.status().message();
}

bool HasNotice(const Plan& plan, std::string_view text) {
  return std::any_of(plan.notices.begin(), plan.notices.end(), [&](const std::string& notice) {
    return notice.find(text) != std::string::npos;
  });
}

TEST(GoldenPlan, ReadOnly) { ExpectGolden("read_only", MustPlan(Policy(), MergedDesktop())); }

TEST(GoldenPlan, HermeticAsItIsTypedToday) {
  HostFacts facts = MergedDesktop();
  facts.working_directory = "/home/u";
  PolicyBuilder builder =
      Hermetic({"/lib", "/lib64", "/usr", "/bin", "/etc", "/proc", "/opt", "/var"});
  ExpectGolden("hermetic", MustPlan(*builder.Build(), facts));
}

TEST(GoldenPlan, CustomAsItIsTypedToday) {
  PolicyBuilder builder = Custom({"/etc", "/lib", "/lib64", "/usr", "/bin"});
  ASSERT_TRUE(builder.AddReadOnly("/var", std::nullopt).ok());
  ASSERT_TRUE(builder.AddReadOnly("/opt", std::nullopt).ok());
  ExpectGolden("custom", MustPlan(*builder.Build(), MergedDesktop()));
}

TEST(ReadOnlyMode, ShowsHomeWithoutItsCredentialsAndSaysSoOnce) {
  const Plan plan = MustPlan(Policy(), MergedDesktop());
  EXPECT_FALSE(AttachOn(plan, "/home/u"));
  EXPECT_EQ(Count(plan, "mask /home/u/.ssh by empty"), 1);
  EXPECT_EQ(Count(plan, "mask /home/u/.netrc by empty"), 1);
  ASSERT_EQ(plan.notices.size(), 1u);
  EXPECT_EQ(plan.notices[0],
            "what may hold credentials in HOME is hidden (.netrc, .ssh); -M PATH shows one");
}

TEST(ReadOnlyMode, HidesNothingAndSaysNothingInAHomeWithoutCredentials) {
  const Plan plan = MustPlan(Policy(), Desktop());
  EXPECT_EQ(Count(plan, "mask "), 0);
  EXPECT_TRUE(plan.notices.empty());
}

TEST(ReadOnlyMode, OverlaysNoDirectoryOfTheSystem) {
  HostFacts facts = MergedDesktop();
  facts.writable_system_directories = {"/etc", "/usr"};
  EXPECT_EQ(Count(MustPlan(Policy(), facts), "overlay "), 0);
}

TEST(ReadOnlyMode, HidesCredentialsUnderEveryNameThatAMountGivesThem) {
  HostFacts facts = MergedDesktop();
  facts.mounts.push_back({254, 1, "/home", "/mnt/homes", "ext4"});
  facts.mounts.push_back({254, 1, "/home/u/.ssh/keys", "/srv/keys", "ext4"});
  const Plan plan = MustPlan(Policy(), facts);
  EXPECT_EQ(Count(plan, "mask /mnt/homes/u/.ssh by"), 1);
  EXPECT_EQ(Count(plan, "mask /mnt/homes/u/.netrc by"), 1);
  EXPECT_EQ(Count(plan, "mask /srv/keys by"), 1);
  // The one that is named is not said to be hidden, because it is so under its other names.
  PolicyBuilder builder;
  ASSERT_TRUE(builder.AddReadOnly("/home/u/.ssh", std::nullopt).ok());
  const Plan named = MustPlan(*builder.Build(), facts);
  EXPECT_EQ(Count(named, "mask /mnt/homes/u/.ssh by"), 1);
  EXPECT_FALSE(HasNotice(named, ".ssh"));
}

TEST(ReadOnlyMode, HidesCredentialsWhereASymlinkLeadsToThem) {
  HostFacts facts = MergedDesktop();
  facts.working_directory = "/home/u/dotfiles";
  facts.paths["/home/u/.ssh"] = Directory("/home/u/dotfiles/ssh");
  const Plan plan = MustPlan(Policy(), facts);
  ASSERT_TRUE(AttachOn(plan, "/home/u/dotfiles"));
  EXPECT_GT(Position(plan, "mask /home/u/dotfiles/ssh by"),
            AttachOn(plan, "/home/u/dotfiles") - plan.mounts.data());
  facts.working_directory = "/home/u/dotfiles/ssh/keys";
  EXPECT_NE(MessageOf(Policy(), facts).find("holds credentials"), std::string::npos);
}

TEST(ReadOnlyMode, LeavesAloneWhatIsNoSecretButWhereASymlinkOfThatNameLeads) {
  HostFacts facts = MergedDesktop();
  facts.paths["/home/u/.bash_history"] = {PathKind::kOther, "/dev/null"};
  facts.paths["/home/u/.pki"] = Directory("/etc/pki");
  const Plan plan = MustPlan(Policy(), facts);
  EXPECT_EQ(Count(plan, "mask /dev/null"), 0);
  EXPECT_EQ(Count(plan, "mask /etc/pki"), 0);
}

TEST(ReadOnlyMode, ShowsTheOneCredentialThatIsNamed) {
  HostFacts facts = MergedDesktop();
  facts.paths["/home/u/.ssh/config"] = File("/home/u/.ssh/config");
  for (const char* named : {"/home/u/.ssh", "/home/u/.ssh/config"}) {
    PolicyBuilder builder;
    ASSERT_TRUE(builder.AddReadOnly(named, std::nullopt).ok());
    const Plan plan = MustPlan(*builder.Build(), facts);
    ASSERT_TRUE(AttachOn(plan, named)) << named;
    EXPECT_EQ(Count(plan, "mask /home/u/.ssh by empty"), 0) << named;
    EXPECT_GE(Position(plan, "mask /home/u/.netrc by empty"), 0) << named;
  }
  // The rest of the directory stays hidden, by one in which the named file can be shown.
  PolicyBuilder builder;
  ASSERT_TRUE(builder.AddReadOnly("/home/u/.ssh/config", std::nullopt).ok());
  const Plan plan = MustPlan(*builder.Build(), facts);
  EXPECT_GE(Position(plan, "mask /home/u/.ssh by private-"), 0);
  EXPECT_GT(Position(plan, "make-file /home/u/.ssh/config"), Position(plan, "mask /home/u/.ssh"));
}

TEST(ReadOnlyMode, TreatsTheWorkingDirectoryAsTheDefaultModeDoes) {
  HostFacts facts = MergedDesktop();
  const Plan project = MustPlan(Policy(), facts);
  EXPECT_EQ(CloneOf(project, "/home/u/project")->attributes & 1, 0u);
  facts.working_directory = "/home/u";
  const Plan home = MustPlan(Policy(), facts);
  EXPECT_FALSE(CloneOf(home, "/home/u")) << "nothing may be written through";
  EXPECT_EQ(Count(home, "overlay /home/u "), 1);
  EXPECT_EQ(Count(home, "mask /home/u/.ssh by"), 1) << "once, not once for each reason";
  facts.working_directory = "/home/u/.ssh";
  EXPECT_NE(MessageOf(Policy(), facts).find("holds credentials"), std::string::npos);
}

TEST(ReadOnlyMode, SplitsAHomeWithAMountInItWhereTheCommandWorksInIt) {
  HostFacts facts = MergedDesktop();
  facts.working_directory = "/home/u";
  facts.mounts.push_back({254, 3, "/", "/home/u/mnt", "ext4"});
  using Kind = DirectoryEntry::Kind;
  facts.listings["/home/u"] = {
      {Kind::kDirectory, ".ssh", ""}, {Kind::kDirectory, "mnt", ""}, {Kind::kDirectory, "src", ""}};
  EXPECT_EQ(DirectoriesToList(Policy(), facts), std::vector<std::string>{"/home/u"});
  const Plan plan = MustPlan(Policy(), facts);
  EXPECT_EQ(Count(plan, "overlay /home/u/src "), 1);
  EXPECT_EQ(Count(plan, "/home/u/.ssh lower"), 0);
  EXPECT_NE(CloneOf(plan, "/home/u/mnt")->attributes & 1, 0u);
}

TEST(BindsOfKernelFilesystems, AreTakenForGrantedInEveryMode) {
  PolicyBuilder by_default;
  ASSERT_TRUE(by_default.SetDefaultMode().ok());
  PolicyBuilder hermetic = Hermetic({});
  PolicyBuilder read_only;
  for (PolicyBuilder* builder : {&by_default, &hermetic, &read_only}) {
    ASSERT_TRUE(builder->AddReadOnly("/proc", std::nullopt).ok());
    ASSERT_TRUE(builder->AddReadOnly("/dev", std::nullopt).ok());
    const Plan plan = MustPlan(*builder->Build(), MergedDesktop());
    EXPECT_FALSE(CloneOf(plan, "/proc"));
    EXPECT_FALSE(CloneOf(plan, "/dev"));
    EXPECT_EQ(Count(plan, " on /proc"), 1);
  }
}

TEST(EmptyRoot, HoldsOnlyWhatIsNamed) {
  PolicyBuilder builder = Hermetic({"/usr"});
  const Plan plan = MustPlan(*builder.Build(), MergedDesktop());
  EXPECT_FALSE(CloneOf(plan, "/"));
  EXPECT_FALSE(CloneOf(plan, "/etc"));
  ASSERT_TRUE(CloneOf(plan, "/usr"));
  EXPECT_NE(CloneOf(plan, "/usr")->attributes & 1, 0u);
  EXPECT_EQ(plan.mounts.back().ToString(), "set-attributes / [ro]") << "and is closed in the end";
  for (const char* path : {"/tmp", "/run", "/var/tmp", "/dev/shm", "/home/u"}) {
    EXPECT_TRUE(AttachOn(plan, path)) << path;
  }
}

TEST(EmptyRoot, HasTheTopLevelLinksOfTheHostThatLeadIntoIt) {
  PolicyBuilder builder = Hermetic({"/usr"});
  const Plan plan = MustPlan(*builder.Build(), MergedDesktop());
  EXPECT_GE(Position(plan, "make-symlink /bin to usr/bin"), 0);
  EXPECT_GE(Position(plan, "make-symlink /lib64 to usr/lib64"), 0);
  EXPECT_GE(Position(plan, "make-symlink /old to /lib64"), 0) << "by way of another link";
  EXPECT_EQ(Position(plan, "make-symlink /data"), -1) << "it would lead nowhere";
}

TEST(EmptyRoot, GivesALinkOfTheHostToANameThatGoesThroughOne) {
  HostFacts facts = MergedDesktop();
  facts.paths["/opt/current"] = Directory("/opt/v2");
  facts.paths["/opt/current/bin"] = Directory("/opt/v2/bin");
  PolicyBuilder builder = Hermetic({"/opt/current/bin"});
  const Plan plan = MustPlan(*builder.Build(), facts);
  EXPECT_TRUE(AttachOn(plan, "/opt/v2/bin"));
  EXPECT_GE(Position(plan, "make-symlink /opt/current to /opt/v2"), 0);
}

TEST(EmptyRoot, PutsABindWhereASymlinkOfTheHostLeads) {
  HostFacts facts = MergedDesktop();
  facts.paths["/srv/lib"] = Directory("/srv/lib");
  PolicyBuilder builder = Hermetic({});
  ASSERT_TRUE(builder.AddReadOnly("/srv/lib", "/lib/vendor").ok());
  const Plan plan = MustPlan(*builder.Build(), facts);
  EXPECT_TRUE(AttachOn(plan, "/usr/lib/vendor"));
  EXPECT_GE(Position(plan, "make-symlink /lib to usr/lib"), 0);
}

TEST(EmptyRoot, MakesPointsForFilesAndDirectories) {
  HostFacts facts = MergedDesktop();
  facts.paths["/srv/tool"] = File("/srv/tool");
  PolicyBuilder builder = Hermetic({"/srv/tool"});
  ASSERT_TRUE(builder.AddReadOnly("/srv/tool", "/app/bin/tool").ok());
  const Plan plan = MustPlan(*builder.Build(), facts);
  EXPECT_GE(Position(plan, "make-file /srv/tool"), 0);
  EXPECT_GE(Position(plan, "make-file /app/bin/tool"), 0);
}

TEST(EmptyRoot, NeedsADirectoryAndWritesNothingToIt) {
  HostFacts facts = MergedDesktop();
  facts.paths["/r"] = {};
  EXPECT_EQ(MessageOf(*Hermetic({}).Build(), facts), "-h /r: not a directory that exists");
  EXPECT_EQ(MessageOf(*Custom({}).Build(), facts), "-o /r: not a directory that exists");
  facts.paths["/r"] = File("/r");
  EXPECT_EQ(MessageOf(*Hermetic({}).Build(), facts), "-h /r: not a directory that exists");
  facts.paths["/r"] = Directory("/r");
  facts.listed_directory_is_empty = false;
  const Plan plan = MustPlan(*Hermetic({}).Build(), facts);
  EXPECT_TRUE(HasNotice(plan, "-h /r: the directory is not empty"));
  for (const MountOp& op : plan.mounts) {
    EXPECT_TRUE(op.source != "/r" && op.target != "/r") << op.ToString();
  }
}

TEST(EmptyRoot, StartsInTheWorkingDirectoryWhereItShows) {
  for (const char* named : {"/home/u/project", "/home/u", "/home"}) {
    PolicyBuilder builder = Hermetic({named});
    EXPECT_EQ(MustPlan(*builder.Build(), MergedDesktop()).working_directory, "/home/u/project");
  }
  const Plan plan = MustPlan(*Hermetic({"/usr"}).Build(), MergedDesktop());
  EXPECT_EQ(plan.working_directory, "/");
  EXPECT_TRUE(HasNotice(plan, "the command starts in /"));
}

TEST(EmptyRoot, GivesTheWorkingDirectoryTheAccessThatItsNameGave) {
  PolicyBuilder builder = Hermetic({});
  ASSERT_TRUE(builder.AddWritable("/home/u/project").ok());
  EXPECT_EQ(CloneOf(MustPlan(*builder.Build(), MergedDesktop()), "/home/u/project")->attributes & 1,
            0u);
  const Plan shown = MustPlan(*Hermetic({"/home/u/project"}).Build(), MergedDesktop());
  EXPECT_NE(CloneOf(shown, "/home/u/project")->attributes & 1, 0u);
}

TEST(EmptyRoot, RefusesAStartingDirectoryThatDoesNotShow) {
  PolicyBuilder builder = Hermetic({"/usr"});
  ASSERT_TRUE(builder.SetWorkingDirectory("/home/u/project").ok());
  EXPECT_EQ(MessageOf(*builder.Build(), MergedDesktop()),
            "-W /home/u/project: no such directory inside");
}

TEST(EmptyRoot, StartsInAPlaceThatExistsOnlyInside) {
  HostFacts facts = MergedDesktop();
  facts.paths["/srv/app"] = facts.paths["/srv/app/src"] = Directory("/srv/app");
  for (const char* start : {"/app", "/app/src", "/new"}) {
    PolicyBuilder builder = Hermetic({});
    ASSERT_TRUE(builder.AddReadOnly("/srv/app", "/app").ok());
    ASSERT_TRUE(builder.AddEmptyDirectory("/new").ok());
    ASSERT_TRUE(builder.SetWorkingDirectory(start).ok());
    EXPECT_EQ(MustPlan(*builder.Build(), facts).working_directory, start);
  }
  PolicyBuilder builder = Hermetic({});
  ASSERT_TRUE(builder.AddReadOnly("/srv/app", "/app").ok());
  ASSERT_TRUE(builder.SetWorkingDirectory("/app/missing").ok());
  EXPECT_EQ(MessageOf(*builder.Build(), facts), "-W /app/missing: no such directory inside");
}

TEST(EmptyRoot, ShowsHomeAsFarAsItIsNamedWithoutItsCredentials) {
  for (const char* named : {"/home", "/home/u"}) {
    const Plan plan = MustPlan(*Hermetic({named}).Build(), MergedDesktop());
    EXPECT_EQ(Position(plan, "private-4"), -1) << "HOME is no private directory then";
    EXPECT_GE(Position(plan, "mask /home/u/.ssh by empty"), 0) << named;
    EXPECT_TRUE(HasNotice(plan, ".ssh")) << named;
  }
  const Plan below = MustPlan(*Hermetic({"/home/u/project"}).Build(), MergedDesktop());
  EXPECT_TRUE(AttachOn(below, "/home/u"));
  EXPECT_EQ(Count(below, "mask /home/u"), 0);
}

TEST(EmptyRoot, HasHomeUnderTheNameThatTheVariableHas) {
  HostFacts facts = MergedDesktop();
  facts.homes = {"/export/home/u"};
  facts.paths["/home"] = Directory("/export/home");
  facts.paths["/home/u"] = Directory("/export/home/u");
  const Plan plan = MustPlan(*Hermetic({"/usr"}).Build(), facts);
  EXPECT_TRUE(AttachOn(plan, "/export/home/u"));
  EXPECT_GE(Position(plan, "make-symlink /home to /export/home"), 0);
}

TEST(EmptyRoot, HidesCredentialsInAnOverlayUnlessTheyAreNamed) {
  const Plan home = MustPlan(*Custom({"/home"}).Build(), MergedDesktop());
  EXPECT_GE(Position(home, "mask /home/u/.ssh by empty"), 0);
  const Plan named = MustPlan(*Custom({"/home/u/.ssh"}).Build(), MergedDesktop());
  EXPECT_EQ(Count(named, "overlay /home/u/.ssh "), 1);
  EXPECT_EQ(Count(named, "mask "), 0);
  EXPECT_TRUE(AttachOn(named, "/home/u")) << "in a HOME that is empty otherwise";
}

TEST(EmptyRoot, HidesCredentialsBelowABindToAnotherPlace) {
  PolicyBuilder builder = Hermetic({});
  ASSERT_TRUE(builder.AddReadOnly("/home", "/mnt").ok());
  const Plan plan = MustPlan(*builder.Build(), MergedDesktop());
  EXPECT_GE(Position(plan, "mask /mnt/u/.ssh by empty"), 0);
  EXPECT_TRUE(AttachOn(plan, "/home/u")) << "and HOME is an empty directory";
}

TEST(EmptyRoot, TakesAnotherDirectoryForHomeAsItIs) {
  HostFacts facts = MergedDesktop();
  facts.paths["/srv/home"] = Directory("/srv/home");
  PolicyBuilder builder = Hermetic({});
  ASSERT_TRUE(builder.AddReadOnly("/srv/home", "/home/u").ok());
  const Plan plan = MustPlan(*builder.Build(), facts);
  EXPECT_EQ(Count(plan, "on /home/u"), 1);
  EXPECT_EQ(Count(plan, "mask /home/u"), 0);
}

TEST(EmptyRoot, CoversOnlySocketsThatShow) {
  HostFacts facts = MergedDesktop();
  facts.unix_sockets = {"/var/lib/mysql.sock", "/srv/hidden.sock", "/run/docker.sock"};
  const Plan plan = MustPlan(*Hermetic({"/var"}).Build(), facts);
  EXPECT_GE(Position(plan, "mask /var/lib/mysql.sock"), 0);
  EXPECT_EQ(Count(plan, "hidden.sock"), 0);
  EXPECT_EQ(Count(plan, "docker.sock"), 0);
}

TEST(EmptyRoot, TakesProcAndDevForGrantedAndSysReadOnly) {
  HostFacts facts = MergedDesktop();
  for (const char* path : {"/proc", "/dev", "/sys"}) {
    const Plan plan = MustPlan(*Hermetic({path}).Build(), facts);
    EXPECT_FALSE(CloneOf(plan, "/proc"));
    EXPECT_FALSE(CloneOf(plan, "/dev"));
  }
  EXPECT_NE(CloneOf(MustPlan(*Hermetic({"/sys"}).Build(), facts), "/sys")->attributes & 1, 0u);
  EXPECT_FALSE(CloneOf(MustPlan(*Custom({"/proc", "/dev"}).Build(), facts), "/proc"));
  for (const char* target : {"/mnt", "/proc/x"}) {
    PolicyBuilder builder = Hermetic({});
    ASSERT_TRUE(builder.AddReadOnly("/proc", target).ok());
    EXPECT_EQ(MessageOf(*builder.Build(), facts), "-M /proc: the sandbox has a /proc of its own");
  }
}

TEST(ForeignProc, IsHiddenInEveryModeWhereverItShows) {
  HostFacts facts = MergedDesktop();
  facts.mounts.push_back({0, 22, "/", "/srv/chroot/proc", "proc"});
  facts.paths["/"] = Directory("/");
  facts.paths["/srv/chroot"] = Directory("/srv/chroot");
  PolicyBuilder by_default;
  ASSERT_TRUE(by_default.SetDefaultMode().ok());
  PolicyBuilder hermetic = Hermetic({"/srv/chroot"});
  PolicyBuilder read_only;
  for (PolicyBuilder* builder : {&by_default, &hermetic, &read_only}) {
    const Plan plan = MustPlan(*builder->Build(), facts);
    EXPECT_EQ(Count(plan, "mask /srv/chroot/proc by empty"), 1);
    EXPECT_EQ(Count(plan, "mask /proc"), 0);
  }
  PolicyBuilder elsewhere = Hermetic({});
  ASSERT_TRUE(elsewhere.AddReadOnly("/", "/host").ok());
  const Plan plan = MustPlan(*elsewhere.Build(), facts);
  EXPECT_EQ(Count(plan, "mask /host/proc by empty"), 1);
  EXPECT_EQ(Count(plan, "mask /host/srv/chroot/proc by empty"), 1);
}

TEST(CustomMode, OverlaysWhatIsNamedAndNothingElse) {
  HostFacts facts = MergedDesktop();
  facts.writable_system_directories = {"/opt", "/var"};
  const Plan plan = MustPlan(*Custom({"/etc"}).Build(), facts);
  EXPECT_EQ(Count(plan, "overlay /"), 1);
  EXPECT_EQ(Count(plan, "overlay /etc "), 1);
}

TEST(CustomMode, MakesOneOverlayOfADirectoryAndAPartOfIt) {
  HostFacts facts = MergedDesktop();
  EXPECT_EQ(Count(MustPlan(*Custom({"/bin", "/usr", "/lib"}).Build(), facts), "overlay /"), 1);
  PolicyBuilder builder = Custom({"/usr", "/bin"});
  facts.paths["/usr/bin/x"] = Directory("/usr/bin/x");
  ASSERT_TRUE(builder.AddOverlay("/usr/bin/x").ok());
  ASSERT_TRUE(builder.AddReadOnly("/usr/bin", std::nullopt).ok());
  EXPECT_EQ(Count(MustPlan(*builder.Build(), facts), "overlay /"), 2)
      << "a bind that lies between makes it two";
}

TEST(CustomMode, HasTheHostsTreeOnlyAsLongAsOverlaysAreMade) {
  const Plan plan = MustPlan(*Custom({"/etc"}).Build(), MergedDesktop());
  const int lent = Position(plan, " on /proc");
  ASSERT_GE(lent, 0);
  EXPECT_LT(lent, Position(plan, "open-lower /proc/etc"));
  EXPECT_LT(Position(plan, "overlay /etc"), Position(plan, "detach /proc"));
  EXPECT_EQ(Position(MustPlan(*Custom({}).Build(), MergedDesktop()), "detach"), -1);
}

TEST(CustomMode, ShowsReadOnlyWhatCannotBeOverlaidForTheMountsInIt) {
  HostFacts facts = MergedDesktop();
  facts.mounts.push_back({254, 7, "/", "/opt/disk", "ext4"});  // and nothing is known beside it
  const Plan plan = MustPlan(*Custom({"/opt", "/etc"}).Build(), facts);
  EXPECT_EQ(Count(plan, "overlay /"), 1);
  ASSERT_TRUE(CloneOf(plan, "/opt"));
  EXPECT_NE(CloneOf(plan, "/opt")->attributes & 1, 0u);
  EXPECT_TRUE(HasNotice(plan, "-k /opt: read-only inside"));
}

TEST(CustomMode, NamesWhatCannotBeOverlaid) {
  HostFacts facts = MergedDesktop();
  EXPECT_EQ(MessageOf(*Custom({"/none"}).Build(), facts), "-k /none: no such file or directory");
  EXPECT_EQ(MessageOf(*Custom({"/sys"}).Build(), facts),
            "-k /sys: what is in /sys belongs to the whole machine; -M shows it");
  EXPECT_EQ(MessageOf(*Custom({"/home/u/.netrc"}).Build(), facts),
            "-k /home/u/.netrc: not a directory, so it cannot be overlaid; -M shows it");
}

TEST(EmptyDirectory, CoversADirectoryOfTheHost) {
  PolicyBuilder builder;
  ASSERT_TRUE(builder.AddEmptyDirectory("/opt").ok());
  const Plan plan = MustPlan(*builder.Build(), MergedDesktop());
  ASSERT_TRUE(AttachOn(plan, "/opt"));
  EXPECT_GE(Position(plan, " empty-0 mode 0755"), 0);
  EXPECT_NE(std::find(plan.writable_roots.begin(), plan.writable_roots.end(), "/opt"),
            plan.writable_roots.end());
}

TEST(EmptyDirectory, HasToExistUnlessItsPlaceIsMadeFreely) {
  PolicyBuilder missing;
  ASSERT_TRUE(missing.AddEmptyDirectory("/opt/new").ok());
  EXPECT_EQ(MessageOf(*missing.Build(), MergedDesktop()), "-e /opt/new: no such file or directory");
  PolicyBuilder in_tmp;
  ASSERT_TRUE(in_tmp.AddEmptyDirectory("/tmp/new").ok());
  EXPECT_TRUE(AttachOn(MustPlan(*in_tmp.Build(), MergedDesktop()), "/tmp/new"));
  PolicyBuilder in_root = Hermetic({});
  ASSERT_TRUE(in_root.AddEmptyDirectory("/opt/new").ok());
  EXPECT_TRUE(AttachOn(MustPlan(*in_root.Build(), MergedDesktop()), "/opt/new"));
}

TEST(EmptyDirectory, LiesOnAnOverlayAndUnderABind) {
  PolicyBuilder builder = Custom({"/etc"});
  ASSERT_TRUE(builder.AddEmptyDirectory("/etc").ok());
  ASSERT_TRUE(builder.AddEmptyDirectory("/opt").ok());
  ASSERT_TRUE(builder.AddReadOnly("/opt", std::nullopt).ok());
  const Plan plan = MustPlan(*builder.Build(), MergedDesktop());
  std::vector<const MountOp*> on_etc, on_opt;
  for (const MountOp& op : plan.mounts) {
    if (op.kind != MountOpKind::kAttach) continue;
    if (op.target == "/etc") on_etc.push_back(&op);
    if (op.target == "/opt") on_opt.push_back(&op);
  }
  ASSERT_EQ(on_etc.size(), 2u);
  ASSERT_EQ(on_opt.size(), 2u);
  EXPECT_EQ(on_opt[1]->slot, CloneOf(plan, "/opt")->slot);
  for (const MountOp& op : plan.mounts) {
    if (op.kind == MountOpKind::kOverlay) {
      EXPECT_EQ(op.slot, on_etc[0]->slot);
    }
  }
}

TEST(EmptyDirectory, GetsPointsForBindsBelowIt) {
  HostFacts facts = MergedDesktop();
  facts.paths["/opt/tool"] = Directory("/opt/tool");
  PolicyBuilder builder;
  ASSERT_TRUE(builder.AddEmptyDirectory("/opt").ok());
  ASSERT_TRUE(builder.AddReadOnly("/opt/tool", std::nullopt).ok());
  const Plan plan = MustPlan(*builder.Build(), facts);
  EXPECT_GE(Position(plan, "make-directories /opt/tool"), 0);
}

TEST(EmptyDirectory, DecidesAboutTheWorkingDirectory) {
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetDefaultMode().ok());
  ASSERT_TRUE(builder.AddEmptyDirectory("/home/u/project").ok());
  const Plan plan = MustPlan(*builder.Build(), MergedDesktop());
  EXPECT_FALSE(CloneOf(plan, "/home/u/project"));
  EXPECT_EQ(plan.working_directory, "/home/u/project");
}

TEST(EmptyDirectory, DoesNotTakeTheWorkingDirectoryAwayFromBelowIt) {
  PolicyBuilder builder;
  ASSERT_TRUE(builder.AddEmptyDirectory("/home/u").ok());
  ASSERT_TRUE(builder.AddWritable("/home").ok());
  const Plan plan = MustPlan(*builder.Build(), MergedDesktop());
  ASSERT_TRUE(CloneOf(plan, "/home/u/project"));
  EXPECT_GE(Position(plan, "make-directories /home/u/project"), 0);
}

TEST(EmptyDirectory, IsRefusedOnTheKernelsFileSystems) {
  for (const char* path : {"/proc", "/proc/sys", "/dev", "/dev/pts"}) {
    PolicyBuilder builder;
    ASSERT_TRUE(builder.AddEmptyDirectory(path).ok());
    EXPECT_NE(MessageOf(*builder.Build(), MergedDesktop()).find("of its own"), std::string::npos)
        << path;
  }
}

TEST(Binds, AreEitherWritableOrReadOnly) {
  HostFacts facts = MergedDesktop();
  PolicyBuilder builder;
  ASSERT_TRUE(builder.AddWritable("/usr/bin").ok());
  ASSERT_TRUE(builder.AddReadOnly("/bin", std::nullopt).ok());
  const Result<Plan> plan = MakePlan(*builder.Build(), facts, {"true"});
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.status().stage(), Stage::kArguments);
  EXPECT_EQ(plan.status().message(),
            "-w /usr/bin: named by -M as well; it is either writable or read-only");
  // Elsewhere it is another thing.
  PolicyBuilder elsewhere;
  ASSERT_TRUE(elsewhere.AddWritable("/opt").ok());
  ASSERT_TRUE(elsewhere.AddReadOnly("/opt", "/mnt").ok());
  EXPECT_TRUE(MakePlan(*elsewhere.Build(), facts, {"true"}).ok());
}

TEST(Binds, BelowASymlinkInAPrivateDirectoryGetTheDirectoriesAboveIt) {
  HostFacts facts = MergedDesktop();
  facts.paths["/home/u/a"] = Directory("/home/u/a");
  facts.paths["/home/u/a/link"] = Directory("/data/real");
  PolicyBuilder builder;
  ASSERT_TRUE(builder.SetDefaultMode().ok());
  ASSERT_TRUE(builder.AddWritable("/home/u/a/link").ok());
  const Plan plan = MustPlan(*builder.Build(), facts);
  const int directory = Position(plan, "make-directories /home/u/a");
  ASSERT_GE(directory, 0);
  EXPECT_LT(directory, Position(plan, "make-symlink /home/u/a/link to /data/real"));
}

TEST(PathsToProbe, HasEveryDirectoryOnTheWayOnce) {
  PolicyBuilder builder = Hermetic({"/usr/share/x", "/usr/share/y"});
  const std::vector<std::string> paths = PathsToProbe(*builder.Build(), "/export/home/u");
  for (const char* path :
       {"/usr", "/usr/share", "/usr/share/x", "/usr/share/y", "/r", "/var", "/export/home"}) {
    EXPECT_EQ(std::count(paths.begin(), paths.end(), path), 1) << path;
  }
  EXPECT_EQ(std::count(paths.begin(), paths.end(), "/"), 0);
  PolicyBuilder whole = Hermetic({});
  ASSERT_TRUE(whole.AddReadOnly("/", "/host").ok());
  const std::vector<std::string> with_root = PathsToProbe(*whole.Build(), "");
  EXPECT_EQ(std::count(with_root.begin(), with_root.end(), "/"), 1);
}

}  // namespace
}  // namespace mini
