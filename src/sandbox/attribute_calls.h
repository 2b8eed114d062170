// Changes of mode and times, made for a command that may not make them itself.
#ifndef MINI_SANDBOX_SANDBOX_ATTRIBUTE_CALLS_H_
#define MINI_SANDBOX_SANDBOX_ATTRIBUTE_CALLS_H_

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"
#include "base/unique_fd.h"

namespace mini {

// Landlock does not know of chmod(2) and utimensat(2), and a seccomp filter does not see paths. So
// the filter (sys/degraded_filter.h) puts these calls to us: for a file below a writable root they
// are made here, on the file that was looked at; others are answered EPERM.
class AttributeCalls {
 public:
  // Serves in a thread of its own, until destroyed. `listener` is the filter's
  // (seccomp_unotify(2)); signals are blocked in the new thread as they are in this one.
  static Result<std::unique_ptr<AttributeCalls>> Start(UniqueFd listener,
                                                       std::vector<std::string> writable_roots);
  ~AttributeCalls();
  AttributeCalls(const AttributeCalls&) = delete;
  AttributeCalls& operator=(const AttributeCalls&) = delete;

 private:
  AttributeCalls(UniqueFd listener, UniqueFd stop, std::vector<std::string> writable_roots);
  void Serve() const;
  void ServeOne() const;

  const UniqueFd listener_;
  const UniqueFd stop_;
  const std::vector<std::string> writable_roots_;
  std::thread thread_;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_ATTRIBUTE_CALLS_H_
