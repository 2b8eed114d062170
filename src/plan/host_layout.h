// What we know about how Linux hosts are laid out: pure tables and predicates on paths.
#ifndef MINI_SANDBOX_PLAN_HOST_LAYOUT_H_
#define MINI_SANDBOX_PLAN_HOST_LAYOUT_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plan/host_facts.h"

namespace mini {

// Directories that hold sockets, locks and scratch files of other programs: private and empty
// inside. The paths as hosts name them; some are symlinks to others.
std::span<const std::string_view> PrivateDirectories();

// Directories that the real root user's programs write to: overlays when the caller may write.
std::span<const std::string_view> SystemWriteDirectories();

// Directories of the system that are never written through to just because somebody stands in
// them: "/", "/etc", "/usr/lib/x", but not "/srv/app" or "/usr/src/linux".
bool IsSystemDirectory(std::string_view path);
// "/" and what programs and libraries are loaded from: never covered.
bool IsSystemTree(std::string_view path);
// What lies in the sandbox's own /dev.
bool IsDevice(std::string_view path);

// Files and directories below a home that hold credentials or private history, relative to it.
std::span<const std::string_view> SecretsOfHome();

// Every other place where `directory` shows through another mount of the same file system, also
// below itself; with kIncluded also where only a part of it does. Normalized.
enum class Parts : uint8_t { kLeftOut, kIncluded };
std::vector<std::string> AliasesOf(std::string_view directory, Parts parts,
                                   const std::vector<MountFact>& mounts);

// What of `directory` the path is, by way of whatever mount: "" for itself, "/x/y" for what lies
// below; nothing when it is another place.
std::optional<std::string> PartOf(std::string_view path, std::string_view directory,
                                  const std::vector<MountFact>& mounts);

// Whether looking at what lies there may wait for a network, another machine or a program: by the
// type of the file system that shows there.
bool MayHang(std::string_view path, const std::vector<MountFact>& mounts);

// Whether both paths lie in the same mount.
bool SameMount(std::string_view a, std::string_view b, const std::vector<MountFact>& mounts);

}  // namespace mini

#endif  // MINI_SANDBOX_PLAN_HOST_LAYOUT_H_
