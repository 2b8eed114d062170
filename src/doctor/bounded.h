// A piece of work in a process of its own, which cannot hang or harm this one.
#ifndef MINI_SANDBOX_DOCTOR_BOUNDED_H_
#define MINI_SANDBOX_DOCTOR_BOUNDED_H_

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace mini {

// What `body` returns in a forked child whose standard streams are /dev/null. Nothing when it has
// not ended within `limit`, or died: the child is killed then, with all that it started and that
// dies with it. The calling thread has to be the process's only one.
std::optional<std::string> RunBounded(std::chrono::milliseconds limit,
                                      const std::function<std::string()>& body);

}  // namespace mini

#endif  // MINI_SANDBOX_DOCTOR_BOUNDED_H_
