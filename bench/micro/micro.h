// What the micro-benchmarks share. A benchmark of something that did not happen would be fast and
// wrong: each of them ends the program instead.
#ifndef MINI_SANDBOX_BENCH_MICRO_MICRO_H_
#define MINI_SANDBOX_BENCH_MICRO_MICRO_H_

#include <string>
#include <utility>

#include "base/status.h"

namespace mini::micro {

[[noreturn]] void Die(const std::string& what);

inline void OrDie(const Status& status) {
  if (!status.ok()) Die(status.ToString());
}
// `what` should have happened: "a frame arrives".
inline void OrDie(bool happened, const char* what) {
  if (!happened) Die(std::string("it should be that ") + what);
}
template <typename T>
T ValueOrDie(Result<T> result) {
  OrDie(result.status());
  return std::move(result).value();
}

// Each decision against lists of several kinds and sizes: too many to be registered one by one.
void RegisterFilterBenchmarks();

}  // namespace mini::micro

#endif  // MINI_SANDBOX_BENCH_MICRO_MICRO_H_
