// The filter, which decides on every new flow and every name: lists of ten and of a hundred
// thousand rules have to cost the same per decision.
#include "netstack/filter/filter.h"

#include <benchmark/benchmark.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "micro.h"

namespace mini::micro {
namespace {

using netstack::Filter;
using netstack::FilterOptions;
using netstack::Protocol;
using netstack::RuleSet;
using netstack::TimePoint;

enum class Mix { kNames, kWildcards, kSubnets, kNamePorts, kAddressPorts, kAll };

// `count` rules of a kind; none of them says anything about what is asked for below, but for the
// ports: those are rules about the very name and address, with every port but the one asked for.
std::string RulesText(Mix mix, int64_t count) {
  std::string text;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t port = 1024 + i % 60'000;
    switch (mix == Mix::kAll ? static_cast<Mix>(i % 3) : mix) {
      case Mix::kNames:
        text += StrCat("host", i, ".example.net:443\n");
        break;
      case Mix::kWildcards:
        text += StrCat("*.zone", i, ".example.net\n");
        break;
      case Mix::kSubnets:
        text += i % 2 == 0 ? StrCat("198.", 18 + i / 65536, ".", i / 256 % 256, ".", i % 256, "\n")
                           : StrCat("[2001:db8:", i / 10000, ":", i % 10000, "::/64]:443\n");
        break;
      case Mix::kNamePorts:
        text += StrCat("asked.example.com:", port, "\n");
        break;
      case Mix::kAddressPorts:
        text += StrCat("203.0.113.0/24:", port, "\n");
        break;
      case Mix::kAll:
        break;
    }
  }
  return text;
}

Filter MakeFilter(Mix mix, int64_t rule_count) {
  RuleSet rules;
  OrDie(rules.AddText("benchmark", RulesText(mix, rule_count)));
  OrDie(rules.AddText("benchmark", "asked.example.com\n203.0.113.0/24:443\n"));
  FilterOptions options;
  options.rules = std::move(rules);
  return Filter(std::move(options));
}

// A name is resolved, and its answer admitted: what a program does before it connects.
void FilterChecksName(benchmark::State& state, Mix mix) {
  Filter filter = MakeFilter(mix, state.range(0));
  for (auto unused : state) {
    benchmark::DoNotOptimize(filter.CheckName("asked.example.com"));
  }
}

void FilterAdmitsAnswer(benchmark::State& state, Mix mix) {
  Filter filter = MakeFilter(mix, state.range(0));
  const std::vector<IpAddress> addresses = {*IpAddress::Parse("192.0.2.80")};
  for (auto unused : state) {
    std::chrono::seconds ttl{3600};
    benchmark::DoNotOptimize(filter.AdmitAnswer("asked.example.com", addresses, ttl, TimePoint()));
  }
}

void FilterAllowsFlowByAddressRule(benchmark::State& state, Mix mix) {
  Filter filter = MakeFilter(mix, state.range(0));
  const Endpoint to{*IpAddress::Parse("203.0.113.9"), 443};
  for (auto unused : state) {
    benchmark::DoNotOptimize(filter.CheckFlow(Protocol::kTcp, to, TimePoint()));
  }
}

void FilterAllowsFlowByPin(benchmark::State& state, Mix mix) {
  Filter filter = MakeFilter(mix, state.range(0));
  const std::vector<IpAddress> addresses = {*IpAddress::Parse("192.0.2.80")};
  std::chrono::seconds ttl{3600};
  filter.AdmitAnswer("asked.example.com", addresses, ttl, TimePoint());
  const Endpoint to{addresses[0], 80};
  for (auto unused : state) {
    benchmark::DoNotOptimize(filter.CheckFlow(Protocol::kTcp, to, TimePoint()));
  }
}

void FilterRefusesFlow(benchmark::State& state, Mix mix) {
  Filter filter = MakeFilter(mix, state.range(0));
  const Endpoint to{*IpAddress::Parse("192.0.2.1"), 80};
  for (auto unused : state) {
    benchmark::DoNotOptimize(filter.CheckFlow(Protocol::kTcp, to, TimePoint()));
  }
}

void RulesParse(benchmark::State& state, Mix mix) {
  const std::string text = RulesText(mix, state.range(0));
  for (auto unused : state) {
    RuleSet rules;
    OrDie(rules.AddText("benchmark", text));
    benchmark::DoNotOptimize(rules.size());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

}  // namespace

// Each decision against lists of four sizes: a row should be flat.
void RegisterFilterBenchmarks() {
  using Measured = void (*)(benchmark::State&, Mix);
  const std::pair<const char*, Mix> mixes[] = {{"names", Mix::kNames},
                                               {"wildcards", Mix::kWildcards},
                                               {"subnets", Mix::kSubnets},
                                               {"name_ports", Mix::kNamePorts},
                                               {"address_ports", Mix::kAddressPorts},
                                               {"all", Mix::kAll}};
  const std::pair<const char*, Measured> decisions[] = {
      {"FilterChecksName", FilterChecksName},
      {"FilterAdmitsAnswer", FilterAdmitsAnswer},
      {"FilterAllowsFlowByAddressRule", FilterAllowsFlowByAddressRule},
      {"FilterAllowsFlowByPin", FilterAllowsFlowByPin},
      {"FilterRefusesFlow", FilterRefusesFlow}};
  for (const auto& [name, measured] : decisions) {
    for (const auto& [mix_name, mix] : mixes) {
      benchmark::RegisterBenchmark(StrCat(name, "/", mix_name).c_str(), measured, mix)
          ->Arg(10)
          ->Arg(1000)
          ->Arg(10'000)
          ->Arg(100'000);
    }
  }
  for (const auto& [mix_name, mix] : mixes) {
    benchmark::RegisterBenchmark(StrCat("RulesParse/", mix_name).c_str(), RulesParse, mix)
        ->Arg(100'000)
        ->Unit(benchmark::kMillisecond);
  }
}

}  // namespace mini::micro
