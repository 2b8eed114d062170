// Reads the facts that a plan rests on (plan/host_facts.h) from the running system. Read only: no
// file is created, nothing is opened but for looking at it, and nothing waits for a device.
#ifndef MINI_SANDBOX_SYS_HOST_FACTS_H_
#define MINI_SANDBOX_SYS_HOST_FACTS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "plan/host_facts.h"
#include "sys/path_facts.h"
#include "sys/resolver_files.h"

namespace mini {

struct HostFactsOptions {
  // Which of these become HostFacts::writable_system_directories.
  std::span<const std::string_view> system_directories = {};
  // Paths below every home whose PathFact is wanted as well; what is missing is left out.
  std::span<const std::string_view> below_homes = {};
  // Where this says true of a path, it is not looked at whether the caller may write there.
  bool (*may_hang)(std::string_view path, const std::vector<MountFact>& mounts) = nullptr;
  // Whether HostFacts::root_entries is read.
  bool root_entries = false;
  // The directory that HostFacts::listed_directory_is_empty is about.
  std::optional<std::string> listed_directory = {};
  // Whether HostFacts::resolv_conf and ::hosts are read: only a run with the network stack, or one
  // that shares the host's network, needs them.
  bool resolver_files = true;
  // What they hold, where they have been read already; null: not yet.
  const ResolverFiles* known_resolver_files = nullptr;
  // Whether HostFacts::scopes_abstract_sockets is found out.
  bool landlock = false;
};

// `paths` are absolute.
Result<HostFacts> ReadHostFacts(std::span<const std::string> paths,
                                const HostFactsOptions& options);

// The working directory of this process. An error says when it was deleted or lies outside of the
// root directory.
Result<std::string> ReadWorkingDirectory();

// The first symlink from which a ".." of the absolute `path` goes up: the kernel goes on from where
// it leads. Empty: there is none, and NormalizePath() leads where `path` does, if that exists.
Result<std::string> SymlinkBeforeDotDot(std::string_view path);

// Whether `path` itself is a directory, no symlink, that the caller may write to.
bool IsWritableDirectory(const std::string& path);

// Of `parents`, nested directories with the outermost first: the outermost one that this caller may
// write to and below which, down to the last, all belong to him. Only such directories can be
// copied up by an overlay of his. Empty when there is none.
std::string OutermostWritable(std::span<const std::string> parents);

// The entries of a directory, without "." and ".."; where there are more than `limit`, limit + 1 of
// them. Entries are not looked at (stat(2)) unless the file system does not tell their kind.
Result<std::vector<DirectoryEntry>> ReadDirectoryEntries(const std::string& path, size_t limit);
inline Result<std::vector<DirectoryEntry>> ReadRootEntries() {
  return ReadDirectoryEntries("/", SIZE_MAX - 1);
}

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_HOST_FACTS_H_
