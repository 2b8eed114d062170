#include "plan/host_layout.h"

#include <algorithm>
#include <array>

#include "base/paths.h"
#include "base/strings.h"

namespace mini {
namespace {

constexpr std::array<std::string_view, 5> kPrivateDirectories = {
    "/run", "/tmp", "/var/lock", "/var/run", "/var/tmp",
};

constexpr std::array<std::string_view, 5> kSystemWriteDirectories = {
    "/etc", "/opt", "/srv", "/usr", "/var",
};

// These and everything below them.
constexpr std::array<std::string_view, 12> kSystemTrees = {
    "/bin",   "/boot",   "/dev",  "/etc",  "/lib", "/lib32",
    "/lib64", "/libx32", "/proc", "/sbin", "/sys", "/usr",
};

// Below a system tree, yet people's own work.
constexpr std::array<std::string_view, 3> kWorkInSystemTrees = {"/dev/shm", "/usr/local/src",
                                                                "/usr/src"};

// These themselves only: work happens in directories below them.
constexpr std::array<std::string_view, 14> kSystemParents = {
    "/",    "/home", "/media",     "/mnt",     "/opt",     "/run",       "/srv",
    "/tmp", "/var",  "/var/cache", "/var/lib", "/var/log", "/var/spool", "/var/tmp",
};

constexpr std::array<std::string_view, 117> kSecretsOfHome = {
    ".ICEauthority",
    ".Xauthority",
    ".authinfo",
    ".authinfo.gpg",
    ".aws",
    ".azure",
    ".bash_history",
    ".bitcoin",
    ".boto",
    ".cache/huggingface/token",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".claude",
    ".claude.json",
    ".codex",
    ".composer/auth.json",
    ".config/1Password",
    ".config/Bitwarden",
    ".config/BraveSoftware",
    ".config/Code",
    ".config/Element",
    ".config/Signal",
    ".config/Slack",
    ".config/anthropic",
    ".config/chromium",
    ".config/configstore",
    ".config/containers/auth.json",
    ".config/discord",
    ".config/doctl",
    ".config/filezilla",
    ".config/gcloud",
    ".config/gh",
    ".config/git/credentials",
    ".config/github-copilot",
    ".config/glab-cli",
    ".config/google-chrome",
    ".config/hcloud",
    ".config/helm",
    ".config/heroku",
    ".config/hub",
    ".config/huggingface",
    ".config/librewolf",
    ".config/microsoft-edge",
    ".config/msmtp",
    ".config/mutt",
    ".config/neomutt",
    ".config/netlify",
    ".config/nushell",
    ".config/op",
    ".config/rclone",
    ".config/sops",
    ".config/sqlite3",
    ".config/vivaldi",
    ".cursor",
    ".databrickscfg",
    ".docker/config.json",
    ".electrum",
    ".env",
    ".ethereum",
    ".fetchmailrc",
    ".fly",
    ".gem/credentials",
    ".gemini",
    ".git-credentials",
    ".gnome2/keyrings",
    ".gnupg",
    ".gradle/gradle.properties",
    ".huggingface",
    ".irb_history",
    ".kube",
    ".librewolf",
    ".local/share/TelegramDesktop",
    ".local/share/containers",
    ".local/share/fish/fish_history",
    ".local/share/keyrings",
    ".local/share/kwalletd",
    ".local/share/nushell",
    ".m2/settings-security.xml",
    ".m2/settings.xml",
    ".minikube",
    ".mozilla",
    ".msmtprc",
    ".mutt",
    ".my.cnf",
    ".mysql_history",
    ".netlify",
    ".netrc",
    ".node_repl_history",
    ".npmrc",
    ".oci",
    ".password-store",
    ".pgpass",
    ".pki",
    ".psql_history",
    ".pulumi",
    ".putty",
    ".pypirc",
    ".python_history",
    ".rediscli_history",
    ".s3cfg",
    ".snowsql",
    ".sqlite_history",
    ".ssh",
    ".step",
    ".subversion/auth",
    ".terraform.d/credentials.tfrc.json",
    ".terraformrc",
    ".thunderbird",
    ".var/app",
    ".vault-token",
    ".vercel",
    ".yarnrc.yml",
    ".zhistory",
    ".zsh_history",
    "snap/chromium",
    "snap/firefox",
    "snap/thunderbird",
};

// Served over a network, or by a program (FUSE), or mounted when somebody looks (autofs).
constexpr std::array<std::string_view, 22> kRemoteFilesystems = {
    "9p",       "acfs",  "afs",   "autofs", "beegfs", "ceph",     "cifs", "coda",
    "fuse",     "gfs2",  "gpfs",  "lustre", "ncpfs",  "nfs",      "nfs4", "ocfs2",
    "orangefs", "panfs", "pvfs2", "smb3",   "smbfs",  "virtiofs",
};

template <size_t N>
bool Contains(const std::array<std::string_view, N>& table, std::string_view path) {
  return std::find(table.begin(), table.end(), path) != table.end();
}

template <size_t N>
bool ContainsTreeOf(const std::array<std::string_view, N>& table, std::string_view path) {
  return std::any_of(table.begin(), table.end(),
                     [&](std::string_view root) { return IsSameOrBelow(path, root); });
}

// The part of `path` below `directory`: "" or "/x/y".
std::string_view Rest(std::string_view path, std::string_view directory) {
  return directory == "/" ? (path == "/" ? "" : path) : path.substr(directory.size());
}

std::string Append(std::string_view directory, std::string_view rest) {
  if (rest.empty()) return std::string(directory);
  return directory == "/" ? std::string(rest) : StrCat(directory, rest);
}

// The mount in which the path lies: the deepest, and of those on one point the last.
const MountFact* MountOf(std::string_view path, const std::vector<MountFact>& mounts) {
  const MountFact* found = nullptr;
  for (const MountFact& mount : mounts) {
    if (!IsSameOrBelow(path, mount.mount_point)) continue;
    if (!found || mount.mount_point.size() >= found->mount_point.size()) found = &mount;
  }
  return found;
}

// The path within the file system that `mount` shows.
std::string InFilesystem(std::string_view path, const MountFact& mount) {
  return Append(mount.root, Rest(path, mount.mount_point));
}

bool SameFilesystem(const MountFact& a, const MountFact& b) {
  return a.device_major == b.device_major && a.device_minor == b.device_minor;
}

}  // namespace

std::span<const std::string_view> PrivateDirectories() { return kPrivateDirectories; }
std::span<const std::string_view> SystemWriteDirectories() { return kSystemWriteDirectories; }
std::span<const std::string_view> SecretsOfHome() { return kSecretsOfHome; }

bool IsSystemDirectory(std::string_view path) {
  if (Contains(kSystemParents, path)) return true;
  if (std::any_of(kWorkInSystemTrees.begin(), kWorkInSystemTrees.end(),
                  [&](std::string_view root) { return IsBelow(path, root); })) {
    return false;
  }
  return ContainsTreeOf(kSystemTrees, path);
}

bool IsSystemTree(std::string_view path) {
  return path == "/" || ContainsTreeOf(kSystemTrees, path);
}

bool IsDevice(std::string_view path) {
  return IsBelow(path, "/dev") && !IsSameOrBelow(path, "/dev/shm");
}

std::optional<std::string> PartOf(std::string_view path, std::string_view directory,
                                  const std::vector<MountFact>& mounts) {
  const MountFact* mine = MountOf(path, mounts);
  const MountFact* its = MountOf(directory, mounts);
  if (!mine || !its || !SameFilesystem(*mine, *its)) return std::nullopt;
  const std::string inner = InFilesystem(path, *mine);
  const std::string outer = InFilesystem(directory, *its);
  if (!IsSameOrBelow(inner, outer)) return std::nullopt;
  return std::string(Rest(inner, outer));
}

std::vector<std::string> AliasesOf(std::string_view directory, Parts parts,
                                   const std::vector<MountFact>& mounts) {
  std::vector<std::string> aliases;
  const MountFact* own = MountOf(directory, mounts);
  if (!own) return aliases;
  const std::string in_filesystem = InFilesystem(directory, *own);
  for (const MountFact& mount : mounts) {
    if (!SameFilesystem(mount, *own)) continue;
    std::string alias;
    if (IsSameOrBelow(in_filesystem, mount.root)) {
      alias = Append(mount.mount_point, Rest(in_filesystem, mount.root));
    } else if (parts == Parts::kIncluded && IsBelow(mount.root, in_filesystem)) {
      alias = mount.mount_point;
    } else {
      continue;
    }
    if (alias == directory) continue;
    if (std::find(aliases.begin(), aliases.end(), alias) == aliases.end()) {
      aliases.push_back(std::move(alias));
    }
  }
  return aliases;
}

// A machine whose root is one of them waits for it all the time.
bool MayHang(std::string_view path, const std::vector<MountFact>& mounts) {
  const MountFact* mount = MountOf(path, mounts);
  return mount && mount->mount_point != "/" &&
         (Contains(kRemoteFilesystems, mount->filesystem) ||
          mount->filesystem.starts_with("fuse."));
}

bool SameMount(std::string_view a, std::string_view b, const std::vector<MountFact>& mounts) {
  return MountOf(a, mounts) == MountOf(b, mounts);
}

}  // namespace mini
