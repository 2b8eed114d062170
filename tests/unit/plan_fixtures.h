// What the tests of plans share: an ordinary machine's facts, and ways to look into a plan.
//
// Golden files hold whole plans; run with UPDATE_GOLDEN=1 to write them anew, and read the
// difference before you commit it.
#ifndef MINI_SANDBOX_TESTS_UNIT_PLAN_FIXTURES_H_
#define MINI_SANDBOX_TESTS_UNIT_PLAN_FIXTURES_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>

#include "plan/plan.h"

namespace mini {

inline PathFact Directory(std::string canonical) {
  return {PathKind::kDirectory, std::move(canonical)};
}

inline PathFact File(std::string canonical) { return {PathKind::kFile, std::move(canonical)}; }

inline DirectoryEntry Entry(std::string name) {
  return {DirectoryEntry::Kind::kDirectory, std::move(name), ""};
}

inline DirectoryEntry Plain(std::string name) {
  return {DirectoryEntry::Kind::kOther, std::move(name), ""};
}

inline DirectoryEntry Link(std::string name, std::string target) {
  return {DirectoryEntry::Kind::kSymlink, std::move(name), std::move(target)};
}

// An ordinary Debian desktop, user 1000 in a project below home.
inline HostFacts Desktop() {
  HostFacts facts;
  facts.uid = 1000;
  facts.gid = 1000;
  facts.homes = {"/home/u"};
  facts.working_directory = "/home/u/project";
  facts.mounts = {{254, 1, "/", "/", "ext4"},
                  {0, 5, "/", "/dev", "devtmpfs"},
                  {0, 22, "/", "/proc", "proc"},
                  {0, 24, "/", "/run", "tmpfs"}};
  facts.environment = {"PATH=/usr/bin:/bin", "HOME=/home/u"};
  facts.paths = {{"/dev", Directory("/dev")},
                 {"/proc", Directory("/proc")},
                 {"/run", Directory("/run")},
                 {"/tmp", Directory("/tmp")},
                 {"/var/tmp", Directory("/var/tmp")},
                 {"/var/run", Directory("/run")},
                 {"/var/lock", Directory("/run/lock")},
                 {"/etc/resolv.conf", File("/run/systemd/resolve/stub-resolv.conf")},
                 {"/etc/hosts", File("/etc/hosts")}};
  facts.resolv_conf = "nameserver 127.0.0.53\noptions edns0 ndots:2\nsearch corp.example\n";
  facts.hosts = "127.0.0.1 localhost\n127.0.1.1 desk\n192.0.2.9 intranet\n";
  return facts;
}

// The desktop, with merged /usr, a directory for -o and -h, and some credentials.
inline HostFacts MergedDesktop() {
  HostFacts facts = Desktop();
  using Kind = DirectoryEntry::Kind;
  facts.root_entries = {{Kind::kSymlink, "bin", "usr/bin"},     {Kind::kDirectory, "etc", ""},
                        {Kind::kDirectory, "home", ""},         {Kind::kSymlink, "lib", "usr/lib"},
                        {Kind::kSymlink, "lib64", "usr/lib64"}, {Kind::kSymlink, "old", "/lib64"},
                        {Kind::kSymlink, "data", "mnt/data"},   {Kind::kDirectory, "usr", ""}};
  for (const char* path : {"/usr", "/usr/bin", "/etc", "/var", "/opt", "/home", "/home/u",
                           "/home/u/project", "/sys", "/r"}) {
    facts.paths[path] = Directory(path);
  }
  facts.paths["/bin"] = Directory("/usr/bin");
  facts.paths["/lib"] = Directory("/usr/lib");
  facts.paths["/lib64"] = Directory("/usr/lib64");
  facts.paths["/home/u/.ssh"] = Directory("/home/u/.ssh");
  facts.paths["/home/u/.netrc"] = File("/home/u/.netrc");
  return facts;
}

inline Policy DefaultPolicy() {
  PolicyBuilder builder;
  EXPECT_TRUE(builder.SetDefaultMode().ok());
  return std::move(*builder.Build());
}

inline Plan MustPlan(const Policy& policy, const HostFacts& facts) {
  Result<Plan> plan = MakePlan(policy, facts, {"true"});
  EXPECT_TRUE(plan.ok()) << plan.status().ToString();
  return plan.ok() ? std::move(*plan) : Plan();
}

inline void ExpectGolden(const std::string& name, const Plan& plan) {
  const std::string path = std::string(MINI_GOLDEN_DIR "/") + name + ".plan";
  if (std::getenv("UPDATE_GOLDEN")) std::ofstream(path) << plan.ToString();
  std::ifstream file(path);
  std::stringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(plan.ToString(), golden.str()) << path;
}

// The position of the first step with this text, or -1.
inline int Position(const Plan& plan, std::string_view text) {
  for (size_t i = 0; i < plan.mounts.size(); ++i) {
    if (plan.mounts[i].ToString().find(text) != std::string::npos) return static_cast<int>(i);
  }
  return -1;
}

inline const MountOp* AttachOn(const Plan& plan, std::string_view target) {
  for (const MountOp& op : plan.mounts) {
    if (op.kind == MountOpKind::kAttach && op.target == target) return &op;
  }
  return nullptr;
}

inline const MountOp* CloneOf(const Plan& plan, std::string_view source) {
  for (const MountOp& op : plan.mounts) {
    if (op.kind == MountOpKind::kCloneTree && op.source == source) return &op;
  }
  return nullptr;
}

// How many steps have this text.
inline int Count(const Plan& plan, std::string_view text) {
  return static_cast<int>(std::count_if(
      plan.mounts.begin(), plan.mounts.end(),
      [&](const MountOp& op) { return op.ToString().find(text) != std::string::npos; }));
}

}  // namespace mini

#endif  // MINI_SANDBOX_TESTS_UNIT_PLAN_FIXTURES_H_
