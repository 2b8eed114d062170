// What the user asked for: one immutable value, made by PolicyBuilder. Strings in, values out; no
// look at the machine. Whether the machine can do it is decided in plan/.
#ifndef MINI_SANDBOX_POLICY_POLICY_H_
#define MINI_SANDBOX_POLICY_POLICY_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "netstack/filter/filter.h"
#include "netstack/filter/rules.h"
#include "policy/port_request.h"
#include "policy/setting_names.h"

namespace mini {

enum class Mode {
  kReadOnly,  // without a mode option: the host's tree read-only, the working directory writable
  kDefault,   // -x: private HOME, /tmp, /run; the rest read-only; working directory writable
  kCustom,    // -o: an empty root with the paths of -k, -M, -w and -e
  kHermetic,  // -h: the same without overlays
};

enum class Network {
  kLoopback,      // a network namespace of its own with loopback only
  kUnconfigured,  // -n: the same, with not even loopback up
  kHost,          // -N: the host's network namespace (mini-sandbox)
  kStack,         // the user-space stack with its allow-list (mini-tapbox)
};

// Who the command appears to be. It is the caller to the host in every case.
enum class Identity { kCaller, kRoot, kNobody };

enum class HostName { kOfHost, kLocalhost };

enum class Access { kReadOnly, kWritable };

// Whether the command may make sandboxes of its own: user namespaces and mounts within them.
enum class Nesting { kRefused, kAllowed };

// What to do where the kernel or its administrator refuses namespaces.
enum class Degraded { kRefused, kAllowed };

// What a name of the allow-list opened has to say which server it means (TLS, HTTP).
enum class ServerNames { kAsTheyCome, kRequired };

// A host path that shows inside. Absolute, normalized; symlinks are resolved in plan/.
struct BindRequest {
  std::string source;
  std::string target;  // the same as source unless the user named another
  Access access = Access::kReadOnly;
};

struct EnvironmentChange {
  std::string name;
  std::optional<std::string> value;  // unset: the variable is removed
};

struct Policy {
  SettingNames names = kOptionNames;  // in messages about it
  Mode mode = Mode::kReadOnly;
  // kCustom and kHermetic: the directory that -o or -h names. An existing one; nothing of it shows
  // inside and nothing is written to it.
  std::optional<std::string> root_directory;
  Network network = Network::kLoopback;
  std::vector<BindRequest> binds;              // in the user's order
  std::vector<std::string> overlays;           // -k, kCustom only
  std::vector<std::string> empty_directories;  // -e
  // -d: where the changes of overlays are kept during the run. Unset: in memory.
  std::optional<std::string> scratch_directory;
  // The limit of what is kept in memory, in bytes. Unset: the kernel's (half of the memory).
  std::optional<uint64_t> scratch_size;
  // Unset: the caller's working directory.
  std::optional<std::string> working_directory;
  Identity identity = Identity::kCaller;
  HostName host_name = HostName::kOfHost;
  // In the user's order: a later change of the same variable wins.
  std::vector<EnvironmentChange> environment;
  // The command's variables, in place of the caller's and with nothing removed
  // (mini_sandbox_spawn()).
  std::optional<std::vector<std::string>> whole_environment;
  // Variables that stay although they name sockets or credentials of the host.
  std::vector<std::string> kept_variables;
  bool terminal = false;              // -P
  bool interrupt_terminates = false;  // -i
  Nesting nesting = Nesting::kRefused;
  Degraded degraded = Degraded::kRefused;
  std::optional<std::chrono::milliseconds> time_limit;
  // From the SIGTERM at the time limit to the SIGKILL.
  std::chrono::milliseconds kill_delay{10'000};
  bool quiet = false;  // -q: no notices and no summary
  // Network::kStack only: how many connections may be open at a time. Unset: the stack's own bound.
  std::optional<uint32_t> max_connections;
  // Network::kStack only: --log, as it was given. Unset: no log.
  std::optional<std::string> verdict_log;
  // Network::kStack only. Unset: open mode (public addresses).
  std::optional<netstack::RuleSet> rules;
  ServerNames server_names = ServerNames::kAsTheyCome;  // --strict-names
  // -p, Network::kStack only.
  std::vector<PortRequest> published;
};

// Collects settings in any order; each setter reports its own mistake at once and changes nothing
// when it fails. Build() checks what only the whole can show.
class PolicyBuilder {
 public:
  explicit PolicyBuilder(const SettingNames& names = kOptionNames) { policy_.names = names; }

  // Modes exclude each other. None: Mode::kReadOnly.
  Status SetDefaultMode();
  Status SetReadOnlyMode();
  Status SetCustomMode(std::string_view root);
  Status SetHermeticMode(std::string_view root);

  // -N and -n exclude each other; the stack excludes both.
  Status SetNetwork(Network network);

  // -w PATH. Paths are absolute: what relative ones count from is the caller's business.
  Status AddWritable(std::string_view path);
  // -M SOURCE [-m TARGET]
  Status AddReadOnly(std::string_view source, std::optional<std::string_view> target);
  // -k PATH
  Status AddOverlay(std::string_view path);
  // -e DIR
  Status AddEmptyDirectory(std::string_view path);
  // -d DIR
  Status SetScratchDirectory(std::string_view path);
  // In bytes.
  Status SetScratchSize(uint64_t size);
  Status SetWorkingDirectory(std::string_view path);

  // -R and -U exclude each other.
  Status SetIdentity(Identity identity);
  void SetHostName(HostName host_name) { policy_.host_name = host_name; }
  Status SetVariable(std::string_view name, std::string_view value);
  Status UnsetVariable(std::string_view name);
  Status KeepVariable(std::string_view name);
  void SetTerminal(bool terminal) { policy_.terminal = terminal; }
  void SetInterruptTerminates(bool terminates) { policy_.interrupt_terminates = terminates; }
  void SetNesting(Nesting nesting) { policy_.nesting = nesting; }
  void SetDegraded(Degraded degraded) { policy_.degraded = degraded; }
  void SetQuiet(bool quiet) { policy_.quiet = quiet; }
  // From 1 to kMostConnections.
  static constexpr uint32_t kMostConnections = netstack::kMostConnections;
  Status SetMaxConnections(uint64_t connections);
  // --log FILE; may be relative.
  Status SetVerdictLog(std::string_view path);
  Status SetTimeLimit(std::chrono::milliseconds limit);
  Status SetKillDelay(std::chrono::milliseconds delay);

  // One -F file's text; several add up. `source` is the name shown in errors.
  Status AddRulesText(std::string_view source, std::string_view text);
  // One --allow.
  Status AddRule(std::string_view rule);
  // One that came from elsewhere, under its name and number.
  Status AddRule(std::string_view rule, std::string_view source, int number);
  void SetServerNames(ServerNames names) { policy_.server_names = names; }

  // -p. The same port of the host twice is a mistake, unless it is any.
  Status Publish(const PortRequest& request);

  // The policy, or the first contradiction. Leaves the builder empty.
  Result<Policy> Build();

 private:
  Status SetMode(Mode mode, std::optional<std::string> root);

  Policy policy_;
  bool mode_set_ = false;
  bool network_set_ = false;
  int allow_count_ = 0;  // of AddRule()
};

}  // namespace mini

#endif  // MINI_SANDBOX_POLICY_POLICY_H_
