// What the user asked for: one immutable value, made by PolicyBuilder. Strings in, values out; no
// look at the machine. Whether the machine can do it is decided in plan/.
#ifndef MINI_SANDBOX_POLICY_POLICY_H_
#define MINI_SANDBOX_POLICY_POLICY_H_

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "netstack/filter/rules.h"

namespace mini {

enum class Mode {
  kDefault,  // -x: private HOME, /tmp, /run; the rest read-only; working directory writable
};

enum class Network {
  kNone,   // loopback only
  kStack,  // the user-space stack with its allow-list (mini-tapbox)
};

enum class Access { kReadOnly, kWritable };

// A host path that shows inside. Absolute, normalized; symlinks are resolved in plan/.
struct BindRequest {
  std::string source;
  std::string target;  // the same as source unless the user named another
  Access access = Access::kReadOnly;
};

struct Policy {
  Mode mode = Mode::kDefault;
  Network network = Network::kNone;
  std::vector<BindRequest> binds;  // in the user's order
  // Unset: the caller's working directory.
  std::optional<std::string> working_directory;
  std::optional<std::chrono::milliseconds> time_limit;
  // From the SIGTERM at the time limit to the SIGKILL.
  std::chrono::milliseconds kill_delay{10'000};
  // Network::kStack only. Unset: open mode (public addresses).
  std::optional<netstack::RuleSet> rules;
};

// Collects settings in any order; each setter reports its own mistake at once and changes nothing
// when it fails. Build() checks what only the whole can show.
class PolicyBuilder {
 public:
  Status SetMode(Mode mode);
  Status SetNetwork(Network network);
  // -w PATH. Relative paths are resolved against `SetCurrentDirectory`'s value by the caller.
  Status AddWritable(std::string_view path);
  // -M SOURCE [-m TARGET]
  Status AddReadOnly(std::string_view source, std::optional<std::string_view> target);
  Status SetWorkingDirectory(std::string_view path);
  Status SetTimeLimit(std::chrono::milliseconds limit);
  Status SetKillDelay(std::chrono::milliseconds delay);
  // One -F file's text; several add up. `source` is the name shown in errors.
  Status AddRulesText(std::string_view source, std::string_view text);
  // One --allow.
  Status AddRule(std::string_view rule);

  // The policy, or the first contradiction. Leaves the builder empty.
  Result<Policy> Build();

 private:
  Policy policy_;
  bool mode_set_ = false;
};

}  // namespace mini

#endif  // MINI_SANDBOX_POLICY_POLICY_H_
