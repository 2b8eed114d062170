#include "plan/degraded_plan.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "base/paths.h"
#include "base/strings.h"
#include "plan/host_layout.h"
#include "plan/kernel_filesystems.h"

namespace mini {
namespace {

Status CheckPossible(const Policy& policy, const HostFacts& facts) {
  const bool moves = std::any_of(policy.binds.begin(), policy.binds.end(),
                                 [](const auto& bind) { return bind.source != bind.target; });
  const std::pair<bool, std::string_view> missing[] = {
      {policy.mode != Mode::kDefault, "any mode but -x"},
      {moves, "-m at another place"},
      {!policy.overlays.empty(), "-k"},
      {!policy.empty_directories.empty(), "-e"},
      {policy.scratch_directory.has_value(), "-d"},
      {policy.scratch_size.has_value(), "--scratch-size"},
      {policy.network == Network::kUnconfigured, "-n"},
      {policy.network == Network::kHost, "-N"},
      {policy.network == Network::kStack, "the network stack"},
      {policy.identity == Identity::kRoot, "-R"},
      {policy.identity == Identity::kNobody, "-U"},
      {policy.host_name != HostName::kOfHost, "-H"},
      {policy.terminal, "-P"},
      {policy.interrupt_terminates, "-i"},
      {policy.nesting == Nesting::kAllowed, "--nested"},
  };
  for (const auto& [is_asked, what] : missing) {
    if (is_asked) {
      return Status(StatusCode::kUnsupported, Stage::kPlan,
                    StrCat(what, " needs namespaces, which are refused here (",
                           facts.degraded->refusal, ")"))
          .WithHint("--allow-degraded cannot do without them; run mini-sandbox doctor");
    }
  }
  if (facts.uid == 0) {
    return Status(StatusCode::kUnsupported, Stage::kPlan,
                  "namespaces are refused here, and root without them is root")
        .WithHint("--allow-degraded is for ordinary users");
  }
  if (facts.degraded->landlock_abi < kOldestLandlockForDegraded) {
    return Status(StatusCode::kUnsupported, Stage::kPlan,
                  "namespaces are refused here, and this kernel has no landlock that could stand "
                  "in for them")
        .WithHint("--allow-degraded needs Linux 6.2 with landlock; run mini-sandbox doctor");
  }
  return OkStatus();
}

// What may be opened only where the user names something in it.
std::vector<std::string> HiddenDirectories(const HostFacts& facts) {
  std::set<std::string> hidden = {"/dev"};
  for (const std::string_view path : PrivateDirectories()) {
    const auto fact = facts.paths.find(path);
    if (fact != facts.paths.end() && fact->second.kind == PathKind::kDirectory) {
      hidden.insert(fact->second.canonical);
    }
  }
  for (const std::string& home : facts.homes) {
    hidden.insert(home);
    for (std::string& alias : AliasesOf(home, Parts::kIncluded, facts.mounts)) {
      hidden.insert(std::move(alias));
    }
  }
  hidden.erase("");
  return {hidden.begin(), hidden.end()};
}

class DegradedPlanner {
 public:
  DegradedPlanner(const Policy& policy, const HostFacts& facts, Plan& plan)
      : policy_(policy), facts_(facts), plan_(plan), hidden_(HiddenDirectories(facts)) {}

  Status Run() {
    plan_.degraded.emplace();
    plan_.degraded->landlock_abi = facts_.degraded->landlock_abi;
    plan_.degraded->scratch_directory = facts_.degraded->scratch_directory;
    AllowAllBut("/");
    for (const char* name : kDeviceNodes) Allow(JoinPath("/dev", name), PathRights::kDevice);
    MINI_RETURN_IF_ERROR(PlanBinds());
    MINI_RETURN_IF_ERROR(PlanWorkingDirectory());
    AllowWriting(facts_.degraded->scratch_directory);
    AddNotices();
    return OkStatus();
  }

 private:
  void Allow(std::string path, PathRights rights) {
    plan_.degraded->rules.push_back({std::move(path), rights});
  }

  void AllowWriting(const std::string& path) {
    Allow(path, PathRights::kWrite);
    plan_.writable_roots.push_back(path);
  }

  // The entries of `directory` that neither are hidden nor lead to what is. Symlinks need no rule:
  // what counts is where they lead.
  void AllowAllBut(const std::string& directory) {
    const auto listing = facts_.degraded->listings.find(directory);
    if (listing == facts_.degraded->listings.end()) return;
    for (const DirectoryEntry& entry : listing->second) {
      if (entry.kind == DirectoryEntry::Kind::kSymlink) continue;
      const std::string path = JoinPath(directory, entry.name);
      const auto is_in = [&](const std::string& hidden) { return IsSameOrBelow(path, hidden); };
      const auto leads_to = [&](const std::string& hidden) { return IsBelow(hidden, path); };
      if (std::any_of(hidden_.begin(), hidden_.end(), is_in)) continue;
      if (std::any_of(hidden_.begin(), hidden_.end(), leads_to)) {
        AllowAllBut(path);
      } else {
        Allow(path, PathRights::kRead);
      }
    }
  }

  Status PlanBinds() {
    for (const BindRequest& bind : policy_.binds) {
      const bool writable = bind.access == Access::kWritable;
      const auto named = [&] { return StrCat(writable ? "-w " : "-M ", bind.source); };
      const auto fact = facts_.paths.find(bind.source);
      if (fact == facts_.paths.end() || fact->second.canonical.empty()) {
        return Status(StatusCode::kNotFound, Stage::kPlan,
                      StrCat(named(), ": no such file or directory"));
      }
      const std::string& path = fact->second.canonical;
      const bool is_systems = path == "/" || IsSameOrBelow(path, "/proc") ||
                              IsSameOrBelow(path, "/sys") || path == "/dev";
      if (writable && is_systems) {
        return InvalidArgument(Stage::kArguments,
                               StrCat(named(),
                                      ": what belongs to the whole machine cannot be "
                                      "writable"));
      }
      writable ? AllowWriting(path) : Allow(path, PathRights::kRead);
    }
    return OkStatus();
  }

  Result<std::string> FindWorkingDirectory() const {
    if (!policy_.working_directory) return facts_.working_directory;
    const auto fact = facts_.paths.find(*policy_.working_directory);
    if (fact == facts_.paths.end() || fact->second.kind != PathKind::kDirectory) {
      return Status(StatusCode::kNotFound, Stage::kPlan,
                    StrCat("-W ", *policy_.working_directory, ": not a directory that exists"));
    }
    return fact->second.canonical;
  }

  bool IsDecidedByUser(const std::string& path) const {
    return std::any_of(policy_.binds.begin(), policy_.binds.end(), [&](const BindRequest& bind) {
      const std::string& source = facts_.paths.find(bind.source)->second.canonical;
      return path == source || (bind.access == Access::kWritable && IsBelow(path, source));
    });
  }

  // Without overlays, secrets in the working directory cannot be hidden: refused.
  Status CheckSecrets(const std::string& path) const {
    const auto refuse = [&](std::string_view why) {
      return Status(StatusCode::kInvalidArgument, Stage::kPlan,
                    StrCat("the working directory ", path, " ", why,
                           ", which cannot be hidden without namespaces"))
          .WithHint("work in a directory below it, or open it with -w");
    };
    for (const std::string& home : facts_.homes) {
      if (IsBelow(home, path) || path == home) return refuse("holds HOME");
      std::vector<std::string> parts;
      if (IsBelow(path, home)) parts.push_back(path.substr(home.size()));
      if (auto part = PartOf(path, home, facts_.mounts)) parts.push_back(std::move(*part));
      for (const std::string& part : parts) {
        for (const std::string_view name : SecretsOfHome()) {
          const std::string secret = JoinPath("/", name);
          if (part.empty() || IsSameOrBelow(part, secret) || IsBelow(secret, part)) {
            return refuse("may hold credentials");
          }
        }
      }
    }
    return OkStatus();
  }

  Status PlanWorkingDirectory() {
    MINI_ASSIGN_OR_RETURN(plan_.working_directory, FindWorkingDirectory());
    const std::string& path = plan_.working_directory;
    if (IsDecidedByUser(path)) return OkStatus();
    if (IsSystemDirectory(path)) {
      plan_.notices.push_back(StrCat("the working directory ", path,
                                     " belongs to the system: nothing is written there"));
      return OkStatus();
    }
    MINI_RETURN_IF_ERROR(CheckSecrets(path));
    AllowWriting(path);
    return OkStatus();
  }

  void AddNotices() {
    const auto say = [&](std::string sentence) { plan_.notices.push_back(std::move(sentence)); };
    say(StrCat("DEGRADED: namespaces are refused here (", facts_.degraded->refusal,
               "); landlock and seccomp have to do. What is missing:"));
    say("no private HOME, /tmp or /run: they cannot be opened, but names, sizes and times of "
        "files in them can be asked for; TMPDIR is a fresh directory");
    say("no private /proc: the host's processes and their command lines are visible");
    say("no overlays, and no listing of directories above HOME, /tmp and /run (such as /)");
    say("no sockets at all, not even on loopback");
    if (facts_.degraded->landlock_abi < kLandlockWithSignalScope) {
      say("no signals: the command cannot end its own programs (that needs Linux 6.12)");
    }
  }

  const Policy& policy_;
  const HostFacts& facts_;
  Plan& plan_;
  const std::vector<std::string> hidden_;
};

}  // namespace

std::vector<std::string> DirectoriesAboveHidden(const HostFacts& facts) {
  const std::vector<std::string> hidden = HiddenDirectories(facts);
  std::set<std::string> directories;
  for (const std::string& path : hidden) {
    std::string above = path;
    while (above != "/") {
      above.resize(std::max<size_t>(above.rfind('/'), 1));
      const bool is_hidden = std::any_of(hidden.begin(), hidden.end(), [&](const auto& other) {
        return IsSameOrBelow(above, other);
      });
      if (!is_hidden) directories.insert(above);
    }
  }
  return {directories.begin(), directories.end()};
}

Status PlanDegraded(const Policy& policy, const HostFacts& facts, Plan& plan) {
  MINI_RETURN_IF_ERROR(CheckPossible(policy, facts));
  return DegradedPlanner(policy, facts, plan).Run();
}

}  // namespace mini
