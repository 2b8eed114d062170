#include "plan/kernel_filesystems.h"

#include <sys/mount.h>

#include <array>

#include "base/paths.h"
#include "plan/mount_ops.h"

namespace mini {
namespace {

constexpr std::array<std::array<const char*, 2>, 6> kDeviceLinks = {
    {{"core", "/proc/kcore"},
     {"fd", "/proc/self/fd"},
     {"ptmx", "pts/ptmx"},
     {"stderr", "/proc/self/fd/2"},
     {"stdin", "/proc/self/fd/0"},
     {"stdout", "/proc/self/fd/1"}}};

// What of /proc belongs to the whole machine and may be open for writing: to everybody (some of
// /proc/sys, /proc/pressure), or to the user id 0 of the host, for which plain file modes count
// instead of capabilities.
constexpr std::array<const char*, 2> kMachinesProc = {"/proc/pressure", "/proc/sys"};
constexpr std::array<const char*, 7> kMachinesProcOfRoot = {
    "/proc/acpi", "/proc/bus",  "/proc/dynamic_debug", "/proc/fs",
    "/proc/irq",  "/proc/scsi", "/proc/sysrq-trigger"};

void PlanProc(uid_t uid, int& slot_count, KernelFilesystems& plan) {
  const int proc = slot_count++;
  plan.on_host.push_back(NewFilesystem("proc", "", "", proc, kUntrusted | MOUNT_ATTR_NOEXEC));
  plan.inside.push_back(Attach(proc, "/proc"));
  const auto close = [&](const char* path) {
    plan.inside.push_back({.kind = MountOpKind::kReadOnlyBind,
                           .target = path,
                           .base_slot = proc,
                           .below_base = path + sizeof "/proc"});
  };
  for (const char* path : kMachinesProc) close(path);
  if (uid != 0) return;
  for (const char* path : kMachinesProcOfRoot) close(path);
}

void PlanDev(TunDevice tun, int& slot_count, KernelFilesystems& plan) {
  const int dev = slot_count++;
  plan.on_host.push_back(
      NewFilesystem("tmpfs", "mode", "755", dev, kUntrusted | MOUNT_ATTR_NOEXEC));
  plan.inside.push_back(Attach(dev, "/dev"));
  const auto attach_in = [&](int slot, const char* name) {
    plan.inside.push_back(
        {.kind = MountOpKind::kAttachIn, .source = name, .slot = slot, .lower_slot = dev});
  };
  const auto add_node = [&](const char* name) {
    const int node = slot_count++;
    plan.on_host.push_back(
        {.kind = MountOpKind::kCloneNode, .source = JoinPath("/dev", name), .slot = node});
    plan.inside.push_back(FileIn(dev, name, "", 0644));
    attach_in(node, name);
  };
  for (const char* name : kDeviceNodes) add_node(name);
  if (tun == TunDevice::kShown) {
    plan.inside.push_back(DirectoryIn(dev, "net", 0755));
    add_node("net/tun");
  }
  for (const auto& [name, leads_to] : kDeviceLinks) {
    plan.inside.push_back(
        {.kind = MountOpKind::kSymlinkIn, .source = name, .data = leads_to, .slot = dev});
  }
  plan.inside.push_back(DirectoryIn(dev, "shm", 0755));
  plan.inside.push_back(DirectoryIn(dev, "pts", 0755));
  plan.inside.push_back({.kind = MountOpKind::kMountIn,
                         .source = "ptmxmode=0666",
                         .target = "/dev/pts",
                         .data = "devpts",
                         .attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC});
  // Devices stay usable on a read-only mount; what is sealed is the directory.
  plan.sealed.push_back({.kind = MountOpKind::kSetTreeAttributes,
                         .target = "/dev",
                         .attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
                         .base_slot = dev});
  plan.dev_slot = dev;
}

}  // namespace

KernelFilesystems MakeKernelFilesystems(uid_t uid, TunDevice tun, int& slot_count) {
  KernelFilesystems plan;
  PlanProc(uid, slot_count, plan);
  PlanDev(tun, slot_count, plan);
  return plan;
}

}  // namespace mini
