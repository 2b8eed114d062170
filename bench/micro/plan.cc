// What a start reads of the host's mounts, MakePlan and Freeze: they grow with the mounts.
#include "plan/plan.h"

#include <benchmark/benchmark.h>
#include <linux/filter.h>

#include <csignal>
#include <string>
#include <vector>

#include "base/strings.h"
#include "micro.h"
#include "plan/freeze.h"
#include "policy/policy.h"
#include "sys/mountinfo.h"

namespace mini::micro {
namespace {

enum class Mounts {
  kVolumes,  // a file system each, as container hosts have by the hundred
  kBinds,    // each a directory of the root's file system
};

HostFacts MakeHostFacts(Mounts kind, int64_t mount_count) {
  HostFacts facts;
  facts.uid = 1000;
  facts.gid = 1000;
  facts.homes = {"/home/u"};
  facts.working_directory = "/home/u/project";
  facts.mounts.push_back({8, 1, "/", "/", "ext4"});
  for (int64_t i = 1; i < mount_count; ++i) {
    const std::string point = StrCat("/srv/data/volume", i);
    facts.mounts.push_back(kind == Mounts::kVolumes
                               ? MountFact{0, static_cast<uint32_t>(30 + i), "/", point, "overlay"}
                               : MountFact{8, 1, StrCat("/opt/volume", i), point, "ext4"});
  }
  for (const char* directory : {"/dev", "/proc", "/run", "/tmp", "/var/tmp"}) {
    facts.paths[directory] = {PathKind::kDirectory, directory, false};
  }
  for (int i = 0; i < 40; ++i) facts.environment.push_back(StrCat("VARIABLE", i, "=value"));
  facts.environment.push_back("PATH=/usr/local/bin:/usr/bin:/bin");
  return facts;
}

void MountinfoIsParsed(benchmark::State& state) {
  std::string text;
  for (int64_t i = 0; i < state.range(0); ++i) {
    text += StrCat(224 + i, " 223 0:54 /a/", i, " /srv/data/volume", i,
                   " rw,relatime shared:1 - tmpfs data rw\n");
  }
  for (auto unused : state) {
    OrDie(ValueOrDie(ParseMountinfo(text)).size() == static_cast<size_t>(state.range(0)),
          "every mount is seen");
  }
}
BENCHMARK(MountinfoIsParsed)->Arg(20)->Arg(1000);

Policy DefaultPolicy() {
  PolicyBuilder builder;
  OrDie(builder.SetDefaultMode());
  return ValueOrDie(builder.Build());
}

Plan PlanFor(const Policy& policy, const HostFacts& facts) {
  Plan plan = ValueOrDie(MakePlan(policy, facts, {"/bin/true"}));
  OrDie(!plan.mounts.empty(), "a plan has mounts");
  return plan;
}

void PlanIsMade(benchmark::State& state, Mounts kind) {
  const HostFacts facts = MakeHostFacts(kind, state.range(0));
  const Policy policy = DefaultPolicy();
  for (auto unused : state) benchmark::DoNotOptimize(PlanFor(policy, facts).slot_count);
}
BENCHMARK_CAPTURE(PlanIsMade, volumes, Mounts::kVolumes)->Arg(20)->Arg(1000)->Arg(10'000);
BENCHMARK_CAPTURE(PlanIsMade, binds, Mounts::kBinds)->Arg(20)->Arg(1000)->Arg(10'000);

void PlanIsFrozen(benchmark::State& state) {
  const Plan plan = PlanFor(DefaultPolicy(), MakeHostFacts(Mounts::kVolumes, state.range(0)));
  const std::vector<sock_filter> filter(64);
  const sigset_t mask{};
  for (auto unused : state) {
    const FrozenPlanOwner frozen = Freeze(plan, filter, mask);
    OrDie(frozen.get().mount_count == plan.mounts.size(), "a frozen plan has the plan's mounts");
  }
}
BENCHMARK(PlanIsFrozen)->Arg(20)->Arg(1000);

}  // namespace
}  // namespace mini::micro
