// Micro-benchmarks of the pure parts that lie on a hot path: the filter decides on every new flow
// and every name, MakePlan and Freeze run once per start. Allow-lists of 10 and of 10,000 rules
// have to cost the same per decision; plans grow with the mounts of the host.
//
//   build/dev/bench/micro_benchmark --benchmark_filter=Filter
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/strings.h"
#include "netstack/filter/filter.h"
#include "plan/plan.h"
#include "policy/policy.h"

namespace mini {
namespace {

using netstack::Filter;
using netstack::FilterOptions;
using netstack::Protocol;
using netstack::RuleSet;
using netstack::TimePoint;

// A benchmark of a failed set-up would be fast and wrong.
void OrDie(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "micro_benchmark: %s\n", status.ToString().c_str());
  std::exit(1);
}

// `count` rules of every kind, as a long list of a package mirror's hosts would have; none of them
// says anything about the name and address that are asked for below.
std::string RulesText(int64_t count) {
  std::string text;
  for (int64_t i = 0; i < count; ++i) {
    switch (i % 4) {
      case 0:
        text += StrCat("host", i, ".example.net:443\n");
        break;
      case 1:
        text += StrCat("*.zone", i, ".example.net\n");
        break;
      case 2:
        text += StrCat("198.", 18 + i % 2, ".", i / 256 % 256, ".", i % 256, "/32\n");
        break;
      default:
        text += StrCat("2001:db8:", i % 256, "::/48\n");
        break;
    }
  }
  return text;
}

Filter MakeFilter(int64_t rule_count) {
  RuleSet rules;
  OrDie(rules.AddText("benchmark", RulesText(rule_count)));
  OrDie(rules.AddText("benchmark", "asked.example.com\n203.0.113.0/24:443\n"));
  FilterOptions options;
  options.rules = std::move(rules);
  return Filter(std::move(options));
}

void FilterChecksName(benchmark::State& state) {
  Filter filter = MakeFilter(state.range(0));
  for (auto unused : state) {
    benchmark::DoNotOptimize(filter.CheckName("asked.example.com"));
  }
}
BENCHMARK(FilterChecksName)->Arg(10)->Arg(10'000);

void FilterAllowsFlowByAddressRule(benchmark::State& state) {
  Filter filter = MakeFilter(state.range(0));
  const Endpoint to{*IpAddress::Parse("203.0.113.9"), 443};
  for (auto unused : state) {
    benchmark::DoNotOptimize(filter.CheckFlow(Protocol::kTcp, to, TimePoint()));
  }
}
BENCHMARK(FilterAllowsFlowByAddressRule)->Arg(10)->Arg(10'000);

void FilterAllowsFlowByPin(benchmark::State& state) {
  Filter filter = MakeFilter(state.range(0));
  const std::vector<IpAddress> addresses = {*IpAddress::Parse("192.0.2.80")};
  std::chrono::seconds ttl{3600};
  filter.AdmitAnswer("asked.example.com", addresses, ttl, TimePoint());
  const Endpoint to{addresses[0], 80};
  for (auto unused : state) {
    benchmark::DoNotOptimize(filter.CheckFlow(Protocol::kTcp, to, TimePoint()));
  }
}
BENCHMARK(FilterAllowsFlowByPin)->Arg(10)->Arg(10'000);

void FilterRefusesFlow(benchmark::State& state) {
  Filter filter = MakeFilter(state.range(0));
  const Endpoint to{*IpAddress::Parse("192.0.2.1"), 80};
  for (auto unused : state) {
    benchmark::DoNotOptimize(filter.CheckFlow(Protocol::kTcp, to, TimePoint()));
  }
}
BENCHMARK(FilterRefusesFlow)->Arg(10)->Arg(10'000);

void RulesParse(benchmark::State& state) {
  const std::string text = RulesText(state.range(0));
  for (auto unused : state) {
    RuleSet rules;
    OrDie(rules.AddText("benchmark", text));
    benchmark::DoNotOptimize(rules.size());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(RulesParse)->Arg(10'000)->Unit(benchmark::kMillisecond);

// A host with `mount_count` mounts, as container hosts have by the hundred.
HostFacts MakeHostFacts(int64_t mount_count) {
  HostFacts facts;
  facts.uid = 1000;
  facts.gid = 1000;
  facts.homes = {"/home/u"};
  facts.working_directory = "/home/u/project";
  facts.mounts.push_back({8, 1, "/", "/", "ext4"});
  for (int64_t i = 1; i < mount_count; ++i) {
    facts.mounts.push_back(
        {0, static_cast<uint32_t>(30 + i), "/", StrCat("/srv/data/volume", i), "overlay"});
  }
  for (const char* directory : {"/dev", "/proc", "/run", "/tmp", "/var/tmp"}) {
    facts.paths[directory] = {PathKind::kDirectory, directory, false};
  }
  for (int i = 0; i < 40; ++i) facts.environment.push_back(StrCat("VARIABLE", i, "=value"));
  facts.environment.push_back("PATH=/usr/local/bin:/usr/bin:/bin");
  return facts;
}

void PlanIsMade(benchmark::State& state) {
  const HostFacts facts = MakeHostFacts(state.range(0));
  PolicyBuilder builder;
  OrDie(builder.SetDefaultMode());
  auto policy = builder.Build();
  OrDie(policy.status());
  const std::vector<std::string> argv = {"/bin/true"};
  for (auto unused : state) {
    auto plan = MakePlan(*policy, facts, argv);
    OrDie(plan.status());
    benchmark::DoNotOptimize(plan->slot_count);
  }
}
BENCHMARK(PlanIsMade)->Arg(30)->Arg(1000);

}  // namespace
}  // namespace mini

BENCHMARK_MAIN();
