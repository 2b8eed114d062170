#include "sandbox/host_probe.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <memory>
#include <utility>

#include "base/paths.h"
#include "base/strings.h"
#include "plan/host_layout.h"
#include "plan/plan.h"
#include "sys/host_facts.h"
#include "sys/scratch_directory.h"

namespace mini {
namespace {

// Where a file of that name lies or would lie; empty where its directory does not exist.
std::string CanonicalPlace(const std::string& path) {
  const size_t slash = path.rfind('/');
  const bool is_bare = slash == std::string::npos;
  const std::string directory = is_bare ? "." : path.substr(0, slash + 1);
  const std::unique_ptr<char, decltype(&free)> real(realpath(directory.c_str(), nullptr), &free);
  return real ? JoinPath(real.get(), is_bare ? path : path.substr(slash + 1)) : std::string();
}

}  // namespace

Result<HostFacts> ProbeHost(const Policy& policy, const ResolverFiles* resolver_files) {
  HostFactsOptions options;
  options.may_hang = MayHang;
  const bool is_default = policy.mode == Mode::kDefault;
  if (is_default) options.system_directories = SystemWriteDirectories();
  // -x shows of HOME what binds show, and nothing else.
  if (!is_default || !policy.binds.empty()) options.below_homes = SecretsOfHome();
  options.root_entries = HasEmptyRoot(policy);
  options.listed_directory = policy.root_directory;
  options.resolver_files = UsesNameFiles(policy.network);
  options.known_resolver_files = resolver_files;
  options.landlock = policy.network == Network::kHost;
  const char* home = getenv("HOME");
  const std::vector<std::string> paths = PathsToProbe(policy, home ? home : "");
  MINI_ASSIGN_OR_RETURN(HostFacts facts, ReadHostFacts(paths, options));
  const auto is_directory = [&](std::string_view path) {
    return facts.paths.find(path)->second.kind == PathKind::kDirectory;
  };
  if (!options.root_entries && (!is_directory("/proc") || !is_directory("/dev"))) {
    MINI_ASSIGN_OR_RETURN(facts.root_entries, ReadRootEntries());
  }
  if (policy.scratch_directory) {
    MINI_ASSIGN_OR_RETURN(facts.scratch_name, NewScratchDirectoryName());
  }
  if (policy.verdict_log) facts.verdict_log = CanonicalPlace(*policy.verdict_log);
  facts.writable_parent = OutermostWritable(ParentsToProbe(policy, facts));
  for (std::string& directory : DirectoriesToList(policy, facts)) {
    auto entries = ReadDirectoryEntries(directory, kMaxSplitEntries);
    // One that may not be read, or has gone, stays as it is.
    if (entries.ok()) facts.listings.emplace(std::move(directory), std::move(*entries));
  }
  return facts;
}

Status CheckStandardStreams(const child::StandardStreams& streams) {
  for (size_t fd = 0; fd < streams.size(); ++fd) {
    const child::StandardStream& stream = streams[fd];
    if (stream.flags < 0) continue;
    const bool is_path = (stream.flags & O_PATH) != 0;  // a name to open, not a stream
    if (is_path || S_ISDIR(stream.status.st_mode)) {
      return Status(
                 StatusCode::kInvalidArgument, Stage::kPlan,
                 StrCat("descriptor ", fd, is_path ? " is open as a path only" : " is a directory"))
          .WithHint("redirect it to a file, a pipe or /dev/null");
    }
  }
  return OkStatus();
}

std::vector<std::string> WritablePaths(const Policy& policy) {
  std::vector<std::string> paths;
  for (const BindRequest& bind : policy.binds) {
    if (bind.access == Access::kWritable) paths.push_back(bind.source);
  }
  return paths;
}

}  // namespace mini
