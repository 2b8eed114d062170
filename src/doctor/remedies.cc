#include "doctor/remedies.h"

#include <cerrno>

#include "base/strings.h"
#include "doctor/checks.h"

namespace mini {
namespace {

// Sets it now and for every later start.
std::vector<std::string> SetSysctl(const std::string& name, const std::string& value) {
  return {StrCat("echo ", name, "=", value, " | sudo tee -a /etc/sysctl.d/60-userns.conf"),
          "sudo sysctl --system"};
}

// A path in a profile: in quotes, with the characters that make patterns escaped (apparmor.d(5)).
std::string QuotedForAppArmor(const std::string& path) {
  std::string quoted = "\"";
  for (const char c : path) {
    if (std::string_view("\"\\*?[]{}^").find(c) != std::string_view::npos) quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

}  // namespace

bool IsRestrictedByAppArmor(const Machine& machine) {
  return machine.apparmor_restriction && *machine.apparmor_restriction != "0";
}

std::string AppArmorProfile(const std::string& program, const std::string& executable) {
  // "unconfined" takes nothing away; "userns" is what programs without a profile lack.
  return StrCat("abi <abi/4.0>,\ninclude <tunables/global>\n\nprofile ", program, " ",
                QuotedForAppArmor(executable), " flags=(unconfined) {\n  userns,\n\n  ",
                "include if exists <local/", program, ">\n}\n");
}

std::vector<std::string> LoadAppArmorProfile(const std::string& program,
                                             const std::string& executable) {
  const std::string file = StrCat("/etc/apparmor.d/", program);
  std::vector<std::string> lines = {
      "# Whoever can write to the program gets what this gives: keep it where only root",
      "# can, such as /usr/local/bin, and name that path here.", StrCat("# ", file, ":")};
  const std::string profile = AppArmorProfile(program, executable);
  for (const std::string_view line : StrSplit(profile, '\n')) lines.emplace_back(line);
  lines.back() = "# and then:";
  lines.push_back(StrCat("sudo apparmor_parser -r ", file));
  return lines;
}

std::vector<std::string> StartOuterNested() {
  return {"# start the outer sandbox so that others can be made in it:",
          "mini-sandbox -x --nested -- ..."};
}

std::vector<std::string> AllowSystemCalls() {
  return {"# a container that lets namespaces be made in it:",
          "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined \\",
          "    --security-opt systempaths=unconfined ...",
          "podman run --security-opt seccomp=unconfined --security-opt unmask=ALL ...",
          "# in Kubernetes: securityContext: {seccompProfile: {type: Unconfined}, procMount: "
          "Unmasked}"};
}

std::vector<std::string> UnmaskProc() {
  return {"# a container whose /proc is not covered:",
          "docker run --security-opt systempaths=unconfined ...",
          "podman run --security-opt unmask=ALL ...",
          "# in Kubernetes: securityContext: {procMount: Unmasked}"};
}

Remedy RemedyForNamespaces(const Machine& machine) {
  const Trial& trial = machine.namespaces;
  if (machine.in_own_sandbox) {
    return {"a sandbox of ours refuses namespaces to what runs in it", StartOuterNested()};
  }
  if (!machine.forbidden_namespaces.empty()) {
    const std::string& name = machine.forbidden_namespaces.front();
    return {StrCat("the limit ", name, " is 0: nobody here may make them"),
            SetSysctl(name, "15000")};
  }
  if (trial.error == ENOSPC || trial.error == EUSERS) {
    return {
        "the limit on namespaces is reached: many sandboxes at a time, or too deep in each "
        "other",
        {"sysctl user",
         "# and raise the one that is too low:", "sudo sysctl -w user.max_user_namespaces=15000"}};
  }
  if (machine.userns_clone == "0" && machine.uid != 0) {
    return {"kernel.unprivileged_userns_clone is 0: only root may make user namespaces here",
            SetSysctl("kernel.unprivileged_userns_clone", "1")};
  }
  const bool refused = trial.error == EPERM || trial.error == EACCES;
  if (refused && IsRestrictedByAppArmor(machine) && machine.uid != 0) {
    return {"AppArmor restricts them for programs without a profile: see AppArmor", {}};
  }
  if ((refused || trial.error == ENOSYS) && machine.under_seccomp_filter) {
    return {"a seccomp filter refuses them: that of a container, or of a sandbox",
            AllowSystemCalls()};
  }
  if (refused && trial.stage == Stage::kClone) {
    return {
        "the kernel refuses them; so it does to whoever runs in a chroot(2), and a security "
        "module may",
        {"sysctl kernel.unprivileged_userns_clone user.max_user_namespaces"}};
  }
  if (trial.error == EINVAL && trial.stage == Stage::kClone) {
    return {"this kernel is built without one of them",
            {"grep -E 'CONFIG_(USER|PID|NET|IPC|UTS)_NS|CONFIG_CGROUPS' /boot/config-$(uname -r)"}};
  }
  return {};
}

std::vector<std::string> RemedyForMounts(const Machine& machine) {
  if (machine.in_own_sandbox) return StartOuterNested();
  const int error = machine.mounts.error;
  if (error != EPERM && error != EACCES && error != ENOSYS) return {};
  if (IsRestrictedByAppArmor(machine) && machine.uid != 0) return {};  // that check has it
  if (machine.under_seccomp_filter || !machine.apparmor_profile.empty()) return AllowSystemCalls();
  return {};
}

Remedy RemedyForTun(const Machine& machine) {
  if (machine.tap.stage != Stage::kNetwork) return {};
  const std::vector<std::string> in_container = {"# in a container:",
                                                 "docker run --device /dev/net/tun ..."};
  Remedy remedy;
  switch (machine.tap.error) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      remedy = {"the TUN driver is not there", {"sudo modprobe tun"}};
      break;
    case EACCES:
    case EPERM:
      remedy = {"this user may not open it", {"sudo chmod 0666 /dev/net/tun"}};
      break;
    case ENOTTY:
    case EINVAL:
      remedy.reason = "what is there is not the TUN device";
      remedy.lines = {"ls -l /dev/net/tun  # should be a character device 10, 200",
                      "sudo rm /dev/net/tun && sudo mknod -m 0666 /dev/net/tun c 10 200"};
      break;
    default:
      return {};
  }
  if (!machine.container.empty()) {
    remedy.lines.insert(remedy.lines.end(), in_container.begin(), in_container.end());
  }
  return remedy;
}

}  // namespace mini
