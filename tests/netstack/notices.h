// What the stack tells the user, from its thread.
#ifndef MINI_SANDBOX_TESTS_NETSTACK_NOTICES_H_
#define MINI_SANDBOX_TESTS_NETSTACK_NOTICES_H_

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace mini::netstack {

class Notices {
 public:
  std::function<void(std::string_view)> Taker() {
    return [this](std::string_view sentence) {
      const std::lock_guard lock(mutex_);
      sentences_.emplace_back(sentence);
    };
  }
  std::vector<std::string> sentences() const {
    const std::lock_guard lock(mutex_);
    return sentences_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> sentences_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_TESTS_NETSTACK_NOTICES_H_
