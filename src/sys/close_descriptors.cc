#include "sys/close_descriptors.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/unique_fd.h"
#include "sys/above_streams.h"

namespace mini {
namespace {

bool MakeNull(const std::vector<int>& streams) {
  UniqueFd lowest(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!lowest) return false;
  // Closed by close_range(2), with the rest.
  const int null = AboveStreams(std::move(lowest)).release();
  return null >= 0 && std::all_of(streams.begin(), streams.end(),
                                  [&](int stream) { return dup2(null, stream) >= 0; });
}

}  // namespace

bool KeepOnlyDescriptors(const std::vector<int>& streams, std::vector<int> kept) {
  if (!streams.empty() && !MakeNull(streams)) return false;
  kept.insert(kept.end(), streams.begin(), streams.end());
  std::sort(kept.begin(), kept.end());
  unsigned next = 0;
  for (const int descriptor : kept) {
    const auto number = static_cast<unsigned>(descriptor);
    if (number > next && close_range(next, number - 1, 0) != 0) return false;
    next = number + 1;
  }
  return close_range(next, ~0u, 0) == 0;
}

}  // namespace mini
