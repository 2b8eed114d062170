#include "plan/environment.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/strings.h"

namespace mini {
namespace {

// docs/environment.md says the same in words. What is not here on purpose: "*KEY*" as such
// (KEYMAP, KEYBOARD_LAYOUT), and names of programs that ask for a password (SSH_ASKPASS).
constexpr auto kSensitive = std::to_array<std::string_view>({
    // Agents.
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "GPG_AGENT_INFO",
    "GNOME_KEYRING_*",
    // The session: message buses, displays, sound.
    "DBUS_*",
    "AT_SPI_BUS_ADDRESS",
    "DISPLAY",
    "XAUTHORITY",
    "ICEAUTHORITY",
    "SESSION_MANAGER",
    "WAYLAND_DISPLAY",
    "WAYLAND_SOCKET",
    "SWAYSOCK",
    "I3SOCK",
    "HYPRLAND_INSTANCE_SIGNATURE",
    "PULSE_SERVER",
    "PULSE_COOKIE",
    "PIPEWIRE_REMOTE",
    // Daemons that act for who asks them.
    "DOCKER_HOST",
    "CONTAINER_HOST",
    "BUILDKIT_HOST",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    // Multiplexers, terminals and editors that run commands for who asks them.
    "TMUX",
    "STY",
    "ZELLIJ*",
    "KITTY_LISTEN_ON",
    "WEZTERM_UNIX_SOCKET",
    "ALACRITTY_SOCKET",
    "KONSOLE_DBUS_*",
    "NVIM",
    "NVIM_LISTEN_ADDRESS",
    "EMACS_SOCKET_NAME",
    "VSCODE_*IPC*",
    "*_SOCK",
    "*_SOCKET",
    // Words for credentials.
    "*TOKEN",
    "*_TOKEN_*",
    "*_JWT",
    "*_JWT_*",
    "*SECRET*",
    "*PASSWORD*",
    "*PASSWD*",
    "*PASSPHRASE*",
    "*_PASS",
    "SSHPASS",
    "*CREDENTIAL*",
    "*API_KEY",
    "*APIKEY",
    "*_API_KEYS",
    "*_API_KEY_*",
    "*ACCESS_KEY*",
    "*PRIVATE_KEY*",
    "*_SIGNING_KEY",
    "*_ENCRYPTION_KEY",
    "*_MASTER_KEY",
    "*_DEPLOY_KEY",
    "*_SSH_KEY",
    "*_ACCOUNT_KEY",
    "*_AUTH_KEY",
    "*_LICENSE_KEY",
    "*_AUTH",
    "*_AUTH_CONFIG",
    "*_BEARER",
    "*_COOKIE",
    "*_PAT",
    "*_CONNECTION_STRING",
    "*_WEBHOOK*",
    // Clouds, clusters and stores of secrets.
    "AWS_*KEY*",
    "AWS_CONFIG_FILE",
    "AZURE_*",
    "ARM_CLIENT_*",
    "CLOUDSDK_CONFIG",
    "KUBECONFIG",
    "VAULT_*",
    "TF_TOKEN_*",
    "OP_SESSION_*",
    "BW_SESSION",
    "SOPS_AGE_KEY*",
    // What continuous integration hands to its jobs.
    "ACTIONS_*",
    "CI_JOB_JWT*",
    // Databases, Kerberos and files of credentials.
    "MYSQL_PWD",
    "PGPASSFILE",
    "PGSERVICEFILE",
    "REDISCLI_AUTH",
    "KRB5CCNAME",
    "KRB5_KTNAME",
    "NETRC",
});

char Capital(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

// As file names are matched: "*" is anything, in linear time, since taking the first place where a
// piece between two stars fits never spoils what follows. `name` is in capitals.
bool Matches(std::string_view name, std::string_view pattern) {
  size_t star = pattern.find('*');
  if (star == std::string_view::npos) return name == pattern;
  if (!name.starts_with(pattern.substr(0, star))) return false;
  name.remove_prefix(star);
  pattern.remove_prefix(star + 1);
  while ((star = pattern.find('*')) != std::string_view::npos) {
    const size_t at = name.find(pattern.substr(0, star));
    if (at == std::string_view::npos) return false;
    name.remove_prefix(at + star);
    pattern.remove_prefix(star + 1);
  }
  return name.ends_with(pattern);
}

// Most of the list begins with letters, and most names with others.
bool BeginsOtherwise(std::string_view name, std::string_view pattern) {
  return pattern[0] != '*' && (name.empty() || name[0] != pattern[0]);
}

std::string InCapitals(std::string_view text) {
  std::string capitals(text);
  std::transform(capitals.begin(), capitals.end(), capitals.begin(), Capital);
  return capitals;
}

bool IsSchemeCharacter(char c) {
  return (Capital(c) >= 'A' && Capital(c) <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '-' || c == '.';
}

// "scheme://user:password@": RFC 3986, section 3.2. A user name alone ("ssh://git@host") is no
// credential, and an empty password neither.
bool HoldsUrlWithPassword(std::string_view value) {
  constexpr std::string_view kMark = "://";
  for (size_t mark = value.find(kMark); mark != std::string_view::npos;
       mark = value.find(kMark, mark + 1)) {
    if (mark == 0 || !IsSchemeCharacter(value[mark - 1])) continue;
    const std::string_view after = value.substr(mark + kMark.size());
    const std::string_view authority = after.substr(0, after.find_first_of("/?# \t\n\"'<>"));
    const size_t at = authority.rfind('@');
    if (at == std::string_view::npos) continue;
    const size_t colon = authority.find(':');
    if (colon != std::string_view::npos && colon + 1 < at) return true;
  }
  return false;
}

bool HoldsPrivateKey(std::string_view value) {
  return value.find("-----BEGIN ") != std::string_view::npos &&
         value.find("PRIVATE KEY-----") != std::string_view::npos;
}

std::string_view NameOf(std::string_view entry) { return entry.substr(0, entry.find('=')); }

bool IsVariable(std::string_view entry) {
  const size_t end = entry.find('=');
  return end != std::string_view::npos && end > 0;
}

void RemoveVariable(std::string_view name, std::vector<std::string>& variables) {
  std::erase_if(variables, [&](const std::string& entry) { return NameOf(entry) == name; });
}

}  // namespace

std::span<const std::string_view> SensitiveVariables() { return kSensitive; }

bool IsSensitiveVariable(std::string_view name, std::string_view value) {
  const std::string capitals = InCapitals(name);
  return std::any_of(kSensitive.begin(), kSensitive.end(),
                     [&](std::string_view pattern) {
                       return !BeginsOtherwise(capitals, pattern) && Matches(capitals, pattern);
                     }) ||
         HoldsUrlWithPassword(value) || HoldsPrivateKey(value);
}

CommandEnvironment MakeCommandEnvironment(const Policy& policy,
                                          const std::vector<std::string>& host_environment) {
  if (policy.whole_environment) return {*policy.whole_environment, {}};
  CommandEnvironment result;
  const auto is_named = [](const auto& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const std::string& entry : host_environment) {
    // execve(2) takes any string. Programs look variables up by "NAME=" and do not see others.
    if (!IsVariable(entry)) continue;
    const std::string_view name = NameOf(entry);
    const std::string_view value = std::string_view(entry).substr(name.size() + 1);
    if (!is_named(policy.kept_variables, name) && IsSensitiveVariable(name, value)) {
      result.removed.emplace_back(name);
    } else {
      result.variables.push_back(entry);
    }
  }
  for (const EnvironmentChange& change : policy.environment) {
    RemoveVariable(change.name, result.variables);
    if (change.value) result.variables.push_back(StrCat(change.name, "=", *change.value));
    std::erase(result.removed, change.name);  // the user's decision, not ours
  }
  std::sort(result.removed.begin(), result.removed.end());
  result.removed.erase(std::unique(result.removed.begin(), result.removed.end()),
                       result.removed.end());
  return result;
}

std::string RemovedVariablesNotice(const std::vector<std::string>& removed) {
  std::string text = "not passed on, as they hold credentials or lead to sockets of this host:";
  for (size_t i = 0; i < removed.size(); ++i) {
    text += StrCat(i == 0 ? " " : ", ", EscapeForTerminal(removed[i]));
  }
  return StrCat(text, " (--keep-env NAME passes one on)");
}

const std::string* FindVariable(const std::vector<std::string>& environment,
                                std::string_view name) {
  for (const std::string& entry : environment) {
    if (entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name)) {
      return &entry;
    }
  }
  return nullptr;
}

}  // namespace mini
