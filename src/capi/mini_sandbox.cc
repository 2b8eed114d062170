// The C API of both libraries, of which each exports what its .map names: what is about this
// process's own sandbox; object.cc has the rest. All process-wide state is here, the settings and
// whether the sandbox has been started, but for each thread's last error.
//
// Theory of operation. Every function goes through Call(): one mutex for all, no exception out, the
// error kept for its thread. Inside the sandbox the mutex is held by the one thread that there is,
// which has just copied itself, and is released as usual.
#include "include/mini_sandbox.h"

#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "capi/error.h"
#include "capi/last_error.h"
#include "capi/library.h"
#include "capi/settings.h"
#include "sandbox/enter.h"
#include "sys/clone.h"

namespace mini::capi {

namespace {

struct ThisProcess {
  std::mutex mutex;
  Settings settings;
  bool is_inside = false;
};

// Never destroyed: handlers of atexit(3) and threads may still ask.
ThisProcess& TheProcess() {
  static auto* const process = new ThisProcess;
  return *process;
}

template <typename Function>
int Call(Function function) noexcept {
  return Guard([&]() -> Error {
    ThisProcess& process = TheProcess();
    const std::lock_guard<std::mutex> lock(process.mutex);
    if (process.is_inside) {
      return {MINI_SANDBOX_ALREADY_STARTED, "the sandbox is already started"};
    }
    return function(process);
  });
}

template <typename... Arguments>
int Set(Error (Settings::*setter)(Arguments...), Arguments... arguments) noexcept {
  return Call([&](ThisProcess& process) { return (process.settings.*setter)(arguments...); });
}

template <typename... Arguments>
int Set(Error (NetworkSettings::*setter)(Arguments...), Arguments... arguments) noexcept {
  return Call(
      [&](ThisProcess& process) { return (process.settings.network().*setter)(arguments...); });
}

Error Start(ThisProcess& process) {
  Result<Policy> policy = process.settings.ToPolicy();
  if (!policy.ok()) return SystemErrorOf(policy.status());
  const Status status = EnterSandbox({.policy = std::move(*policy),
                                      .debug_log = process.settings.log(),
                                      .supervisor = CarriedSupervisor()});
  if (status.ok()) {
    process.is_inside = true;
    return Done();
  }
  // The kernel says no more than that it may not be.
  if (status.stage() == Stage::kClone && IsInSandboxOfOurs()) {
    return {MINI_SANDBOX_INSIDE_ALREADY, status.ToString()};
  }
  return SystemErrorOf(status);
}

}  // namespace
}  // namespace mini::capi

using mini::capi::Call;
using mini::capi::NetworkSettings;
using mini::capi::Set;
using mini::capi::Settings;

extern "C" {

int mini_sandbox_get_last_error_code(void) { return mini::capi::LastErrorCode(); }
const char* mini_sandbox_get_last_error_msg(void) { return mini::capi::LastErrorMessage(); }

int mini_sandbox_setup_default(void) { return Set(&Settings::SetupDefault); }
int mini_sandbox_setup_readonly(void) { return Set(&Settings::SetupReadOnly); }
int mini_sandbox_setup_custom(const char* overlay_dir, const char* sandbox_root) {
  return Set(&Settings::SetupCustom, overlay_dir, sandbox_root);
}
int mini_sandbox_setup_hermetic(const char* sandbox_root) {
  return Set(&Settings::SetupHermetic, sandbox_root);
}

int mini_sandbox_mount_bind(const char* path) { return Set(&Settings::MountBind, path); }
int mini_sandbox_mount_write(const char* path) { return Set(&Settings::MountWrite, path); }
int mini_sandbox_mount_tmpfs(const char* path) { return Set(&Settings::MountTmpfs, path); }
int mini_sandbox_mount_overlay(const char* path) { return Set(&Settings::MountOverlay, path); }
int mini_sandbox_mount_empty_output_file(const char* path) {
  return Set(&Settings::MountEmptyOutputFile, path);
}
int mini_sandbox_mount_parents_write(void) { return Set(&Settings::MountParentsWrite); }
int mini_sandbox_set_working_dir(const char* path) {
  return Set(&Settings::SetWorkingDirectory, path);
}
int mini_sandbox_share_network(void) { return Set(&Settings::ShareNetwork); }
int mini_sandbox_enable_log(const char* path) { return Set(&Settings::EnableLog, path); }

int mini_sandbox_allow_connections(const char* file) {
  return Set(&NetworkSettings::AllowConnections, file);
}
int mini_sandbox_allow_max_connections(int connections) {
  return Set(&NetworkSettings::AllowMaxConnections, connections);
}
int mini_sandbox_allow_ipv4(const char* address) {
  return Set(&NetworkSettings::AllowIpv4, address);
}
int mini_sandbox_allow_ipv4_subnet(const char* subnet) {
  return Set(&NetworkSettings::AllowIpv4Subnet, subnet);
}
int mini_sandbox_allow_ipv6(const char* address) {
  return Set(&NetworkSettings::AllowIpv6, address);
}
int mini_sandbox_allow_ipv6_subnet(const char* subnet) {
  return Set(&NetworkSettings::AllowIpv6Subnet, subnet);
}
int mini_sandbox_allow_domain(const char* name) { return Set(&NetworkSettings::AllowDomain, name); }
int mini_sandbox_allow_all_domains(void) { return Set(&NetworkSettings::AllowAllDomains); }
int mini_sandbox_allow_rule(const char* rule) { return Set(&NetworkSettings::AllowRule, rule); }

int mini_sandbox_start(void) { return Call(mini::capi::Start); }

int mini_sandbox_is_running(void) {
  mini::capi::ThisProcess& process = mini::capi::TheProcess();
  const std::lock_guard<std::mutex> lock(process.mutex);
  return process.is_inside ? 1 : 0;
}

}  // extern "C"
