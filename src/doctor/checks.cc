#include "doctor/checks.h"

#include <cerrno>
#include <utility>

#include "base/strings.h"
#include "doctor/remedies.h"
#include "netstack/dns/host_config.h"
#include "plan/degraded_plan.h"

namespace mini {
namespace {

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += StrCat(text.empty() ? "" : ", ", word);
  return text;
}

Finding Information(std::string id, std::string name, std::string meaning) {
  return {.id = std::move(id), .name = std::move(name), .meaning = std::move(meaning)};
}

// A trial whose failure is a reason that the default mode does not run.
Finding FromTrial(std::string id, std::string name, const Trial& trial, std::string works,
                  std::string fails) {
  Finding finding = {.id = std::move(id), .name = std::move(name), .required = true};
  if (trial.end == Trial::End::kNotTried) {
    finding.health = Health::kNotTried;
    finding.meaning = "it needs namespaces";
  } else if (trial.set_up()) {
    finding.health = Health::kWorks;
    finding.meaning = std::move(works);
  } else {
    finding.health = Health::kFails;
    finding.meaning = StrCat(fails, fails.empty() ? "" : ". ", trial.message);
  }
  return finding;
}

Finding Surroundings(const Machine& machine) {
  std::string text;
  if (machine.in_own_sandbox) {
    text = "a sandbox of ours";
  } else if (!machine.container.empty()) {
    text = StrCat("a container: ", EscapeForTerminal(machine.container));
  } else {
    text = "no container that shows itself";
  }
  if (machine.in_user_namespace) text += "; a user namespace";
  if (machine.under_seccomp_filter) text += "; a seccomp filter";
  if (!machine.apparmor_profile.empty()) {
    text += StrCat("; AppArmor profile ", EscapeForTerminal(machine.apparmor_profile));
  }
  return Information("surroundings", "surroundings", std::move(text));
}

Finding Namespaces(const Machine& machine) {
  Finding finding =
      FromTrial("namespaces", "namespaces", machine.namespaces,
                "all that are used can be made; in them, id maps, loopback and giving up every "
                "capability work",
                "");
  if (finding.health != Health::kFails) return finding;
  Remedy remedy = RemedyForNamespaces(machine);
  if (!remedy.reason.empty()) finding.meaning = std::move(remedy.reason);
  finding.remedy = std::move(remedy.lines);
  return finding;
}

Finding AppArmor(const std::string& program, const Machine& machine) {
  Finding finding = {.id = "apparmor", .name = "AppArmor"};
  if (!IsRestrictedByAppArmor(machine)) {
    finding.health = Health::kWorks;
    finding.meaning = machine.apparmor_restriction
                          ? "it does not restrict user namespaces on this machine"
                          : "this kernel has no restriction of user namespaces by it";
  } else if (machine.namespaces.set_up() && machine.mounts.set_up()) {
    finding.health = Health::kWorks;
    finding.meaning = machine.uid == 0 ? "it restricts user namespaces, but not root's"
                                       : "it restricts user namespaces, and a profile lets this "
                                         "program make them";
  } else {
    finding.health = Health::kFails;
    finding.required = true;
    finding.meaning =
        "it takes every right away in user namespaces that programs without a profile make "
        "(kernel.apparmor_restrict_unprivileged_userns); a profile for this program mends it";
    finding.remedy = LoadAppArmorProfile(program, machine.executable);
  }
  return finding;
}

Finding SystemCalls(const Machine& machine) {
  Finding finding = {.id = "system-calls", .name = "system calls", .required = true};
  if (!machine.missing_calls) {
    finding.health = Health::kFails;
    finding.meaning = "a seccomp filter kills who makes calls that a sandbox is made with";
    finding.remedy = AllowSystemCalls();
  } else if (machine.missing_calls->empty()) {
    finding.health = Health::kWorks;
    finding.meaning = "all that a sandbox is made with are there";
  } else {
    finding.health = Health::kFails;
    finding.meaning =
        StrCat("missing: ", Joined(*machine.missing_calls),
               machine.under_seccomp_filter
                   ? "; a seccomp filter hides them, or the kernel is older than Linux 5.12"
                   : "; the sandbox needs Linux 5.12 or newer");
    finding.remedy = machine.in_own_sandbox ? StartOuterNested() : AllowSystemCalls();
    if (!machine.under_seccomp_filter) finding.remedy.clear();
  }
  return finding;
}

Finding Mounts(const Machine& machine) {
  Finding finding = FromTrial("mounts", "mounts", machine.mounts,
                              "the whole tree can be copied and made read-only in one step",
                              "the tree cannot be made read-only");
  if (finding.health == Health::kFails) finding.remedy = RemedyForMounts(machine);
  return finding;
}

Finding Proc(const Machine& machine) {
  Finding finding = FromTrial("proc", "fresh /proc", machine.proc,
                              "a /proc that shows only the sandbox can be mounted", "");
  if (finding.health != Health::kFails) return finding;
  if (machine.proc.error == EPERM) {
    finding.meaning =
        "parts of /proc are covered here, as containers do it; the kernel then refuses a new "
        "/proc, which would show them";
  }
  finding.remedy = UnmaskProc();
  return finding;
}

// Where it is missing, what would be an overlay is read-only: stricter, so not required.
Finding Overlay(const Machine& machine) {
  Finding finding = FromTrial("overlay", "overlays", machine.overlay,
                              "directories can be overlaid in a user namespace", "");
  finding.required = false;
  if (finding.health != Health::kFails) return finding;
  finding.meaning =
      StrCat("what would be an overlay (HOME as working directory) is read-only instead: ",
             machine.overlay.error == ENODEV ? "this kernel has no overlay file system"
                                             : "overlays in a user namespace need Linux 5.11");
  if (machine.overlay.error == ENODEV) finding.remedy = {"sudo modprobe overlay"};
  return finding;
}

Finding MemoryOverlay(const Machine& machine) {
  Trial trial = machine.memory_overlay;
  if (trial.set_up() && trial.overlay_error != 0) {
    trial.end = Trial::End::kFailed;
    trial.error = trial.overlay_error;
  }
  Finding finding =
      FromTrial("overlay-in-memory", "overlays in memory", trial,
                "what is written to an overlay is kept in memory (tmpfs, userxattr)", "");
  finding.required = false;
  if (finding.health != Health::kFails) return finding;
  if (!machine.overlay.set_up()) {
    finding.health = Health::kNotTried;
    finding.meaning = "it needs overlays";
    return finding;
  }
  finding.meaning =
      StrCat("a tmpfs cannot take what is written to an overlay (", ErrnoName(trial.error),
             "; Linux 6.6 is the first that can). What would be an overlay is read-only instead");
  return finding;
}

Finding Seccomp(const Machine& machine) {
  Finding finding = {.id = "seccomp", .name = "seccomp", .required = true};
  finding.health = machine.seccomp_filters ? Health::kWorks : Health::kFails;
  finding.meaning = machine.seccomp_filters
                        ? "system calls can be filtered"
                        : "this kernel has no filters for system calls (CONFIG_SECCOMP_FILTER)";
  return finding;
}

// What each version adds that we use.
Finding Landlock(const Machine& machine) {
  Finding finding = {.id = "landlock", .name = "landlock"};
  const std::string version = StrCat("version ", machine.landlock_abi, ": ");
  if (machine.landlock_abi >= 6) {
    finding.health = Health::kWorks;
    finding.meaning = version + "a second wall around files, and signals stay inside";
  } else if (machine.landlock_abi >= 2) {
    finding.health = Health::kPartly;
    finding.meaning =
        version + "a second wall around files" +
        (machine.landlock_abi == 2 ? " (but for truncating them, from Linux 6.2 on)" : "") +
        "; kill(0) still reaches the process group outside. Linux 6.12 (version 6) keeps signals "
        "inside";
  } else {
    finding.health = Health::kFails;
    finding.meaning =
        "none: the sandbox does without this second wall around files, and kill(0) reaches the "
        "process group outside";
    finding.remedy = {"# in the kernel's command line, where the kernel has it (Linux 5.19):",
                      "lsm=landlock,..."};
  }
  return finding;
}

// What is left where namespaces are refused for good.
Finding DegradedMode(const Machine& machine) {
  Finding finding = {.id = "allow-degraded", .name = "--allow-degraded"};
  if (machine.uid == 0) {
    finding.meaning = "for ordinary users: root without namespaces is root";
  } else if (machine.landlock_abi < kOldestLandlockForDegraded) {
    finding.health = Health::kFails;
    finding.meaning = "needs landlock of Linux 6.2 or newer";
  } else if (machine.landlock_abi < kLandlockWithSignalScope) {
    finding.health = Health::kPartly;
    finding.meaning = "the command could send no signals, not even to its own programs";
  } else {
    finding.health = Health::kWorks;
    finding.meaning = "a weaker sandbox could be made even without namespaces";
  }
  return finding;
}

Finding Tun(const Machine& machine) {
  Finding finding =
      FromTrial("tun", "/dev/net/tun", machine.tap,
                "a TAP device can be made and configured in a new network namespace", "");
  if (finding.health != Health::kFails) return finding;
  Remedy remedy = RemedyForTun(machine);
  if (!remedy.reason.empty()) finding.meaning = std::move(remedy.reason);
  finding.remedy = std::move(remedy.lines);
  return finding;
}

// No query is sent: the check must not depend on the network of the moment.
Finding Resolver(const Machine& machine) {
  Finding finding = {.id = "resolver", .name = "resolver"};
  const size_t servers =
      machine.resolv_conf ? netstack::ParseResolvConf(*machine.resolv_conf).servers.size() : 0;
  if (servers > 0) {
    finding.health = Health::kWorks;
    finding.meaning =
        StrCat("/etc/resolv.conf names ", servers, servers == 1 ? " name server" : " name servers");
  } else {
    finding.health = Health::kPartly;
    finding.meaning = StrCat(machine.resolv_conf ? "/etc/resolv.conf names no name server"
                                                 : "/etc/resolv.conf cannot be read",
                             "; rules for addresses work, names may not resolve");
    finding.remedy = {"# your network's name server instead of 192.0.2.53:",
                      "echo nameserver 192.0.2.53 | sudo tee -a /etc/resolv.conf"};
  }
  return finding;
}

Finding Cgroup(const std::string& program, const Machine& machine) {
  Finding finding = {.id = "cgroup", .name = "cgroup"};
  switch (machine.cgroup) {
    case CgroupAccess::kWritable:
      finding.health = Health::kWorks;
      finding.meaning = "our own cgroup (version 2) is ours to divide: limits can be set in it";
      break;
    case CgroupAccess::kReadOnly:
      finding.meaning =
          "our own cgroup (version 2) is not delegated to us. No option needs that; limits on "
          "memory or CPU can be set from outside";
      finding.remedy = {"systemd-run --user --scope -p Delegate=yes -p MemoryMax=2G -- \\",
                        StrCat("    ", program, " -x -- command")};
      break;
    case CgroupAccess::kNoVersion2:
      finding.meaning = "version 2 is not mounted, or our group does not show. No option needs it";
      break;
  }
  return finding;
}

Finding DefaultMode(const std::string& program, const Machine& machine) {
  return FromTrial(kWholeRun, "a whole run", machine.default_mode,
                   StrCat(program, " -x was set up from end to end"), "");
}

}  // namespace

Diagnosis Diagnose(const std::string& program, Network network, const Machine& machine) {
  Diagnosis diagnosis;
  diagnosis.program = program;
  diagnosis.findings = {
      Information("kernel", "kernel", EscapeForTerminal(machine.kernel)),
      Surroundings(machine),
      Namespaces(machine),
      AppArmor(program, machine),
      SystemCalls(machine),
      Mounts(machine),
      Proc(machine),
      Overlay(machine),
      MemoryOverlay(machine),
      Seccomp(machine),
      Landlock(machine),
  };
  if (network == Network::kStack) {
    diagnosis.findings.push_back(Tun(machine));
    diagnosis.findings.push_back(Resolver(machine));
  } else {
    diagnosis.findings.push_back(DegradedMode(machine));
  }
  diagnosis.findings.push_back(Cgroup(program, machine));
  diagnosis.findings.push_back(DefaultMode(program, machine));
  return diagnosis;
}

}  // namespace mini
