// What a process that leaves another one behind does with the descriptors it inherited.
#ifndef MINI_SANDBOX_SYS_CLOSE_DESCRIPTORS_H_
#define MINI_SANDBOX_SYS_CLOSE_DESCRIPTORS_H_

#include <vector>

namespace mini {

// Makes `streams`, some of 0, 1 and 2, /dev/null, so that nothing else takes their numbers, and
// closes every other descriptor but those and `kept`. False: errno says why.
[[nodiscard]] bool KeepOnlyDescriptors(const std::vector<int>& streams, std::vector<int> kept);

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_CLOSE_DESCRIPTORS_H_
