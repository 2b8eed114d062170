// Micro-benchmarks of what lies on a hot path, a file for each room.
//
//   micro_benchmark --benchmark_filter=Filter
//
// bench/README.md says how it is built for figures.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>

#include "micro.h"

namespace mini::micro {

void Die(const std::string& what) {
  std::fprintf(stderr, "micro_benchmark: %s\n", what.c_str());
  std::exit(1);
}

}  // namespace mini::micro

int main(int argc, char** argv) {
  mini::micro::RegisterFilterBenchmarks();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  // Whoever asks for what is not there would get nothing, and 0.
  if (benchmark::RunSpecifiedBenchmarks() == 0) return 1;
  benchmark::Shutdown();
}
