// The C API of sandboxes as objects: settings of each, and commands that run in them.
//
// Theory of operation. A setter holds its object's mutex; a spawn does while it copies the
// settings, so that the next one need not wait for a sandbox to be made. A process has a mutex of
// its own (process.h). Nothing here touches the settings of this process's own sandbox.
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include "base/strings.h"
#include "capi/last_error.h"
#include "capi/process.h"
#include "capi/settings.h"
#include "capi/spawn.h"
#include "include/mini_sandbox.h"

struct mini_sandbox {
  std::mutex mutex;
  mini::capi::Settings settings;
};

struct mini_sandbox_process {
  std::unique_ptr<mini::capi::Process> process;
};

namespace mini::capi {
namespace {

Error NoObject() { return {MINI_SANDBOX_INVALID_ARGUMENT, "the object is NULL"}; }
Error NoProcess() { return {MINI_SANDBOX_INVALID_ARGUMENT, "the process is NULL"}; }

template <typename... Arguments>
int Set(mini_sandbox_t* sandbox, Error (Settings::*setter)(Arguments...),
        Arguments... arguments) noexcept {
  return Guard([&]() -> Error {
    if (!sandbox) return NoObject();
    const std::lock_guard<std::mutex> lock(sandbox->mutex);
    return (sandbox->settings.*setter)(arguments...);
  });
}

template <typename... Arguments>
int Set(mini_sandbox_t* sandbox, Error (NetworkSettings::*setter)(Arguments...),
        Arguments... arguments) noexcept {
  return Guard([&]() -> Error {
    if (!sandbox) return NoObject();
    const std::lock_guard<std::mutex> lock(sandbox->mutex);
    return (sandbox->settings.network().*setter)(arguments...);
  });
}

std::vector<std::string> TextsOf(const char* const* texts) {
  std::vector<std::string> copies;
  for (; *texts != nullptr; ++texts) copies.emplace_back(*texts);
  return copies;
}

Error CheckCommand(const mini_sandbox_command* command) {
  if (!command) return {MINI_SANDBOX_INVALID_ARGUMENT, "the command is NULL"};
  // A longer one has fields that this library knows nothing of.
  if (command->size != sizeof *command) {
    return {MINI_SANDBOX_INVALID_ARGUMENT,
            StrCat("the command has size ", command->size, ", not ", sizeof *command)};
  }
  if (!command->argv || !command->argv[0] || command->argv[0][0] == '\0') {
    return {MINI_SANDBOX_INVALID_ARGUMENT, "the command has no name"};
  }
  return Done();
}

Error Spawn(mini_sandbox_t* sandbox, const mini_sandbox_command* command,
            std::unique_ptr<Process>* process) {
  if (!sandbox) return NoObject();
  if (Error error = CheckCommand(command); !error.ok()) return error;
  std::unique_lock<std::mutex> lock(sandbox->mutex);
  Settings settings = sandbox->settings;
  lock.unlock();
  if (command->working_directory) {
    if (Error error = settings.SetWorkingDirectory(command->working_directory); !error.ok()) {
      return error;
    }
  }
  const Result<Policy> policy = settings.ToPolicy();
  if (!policy.ok()) return SystemErrorOf(policy.status());
  SpawnRequest request{.options = settings.ToOptions(), .command = TextsOf(command->argv)};
  if (command->envp) request.environment = TextsOf(command->envp);
  Error error = SpawnCommand({.request = std::move(request),
                              .rules = policy->rules ? &*policy->rules : nullptr,
                              .stdio = command->stdio},
                             process);
  // Nobody started the sandbox around this process but itself.
  if (error.code == MINI_SANDBOX_INSIDE_ALREADY && mini_sandbox_is_running() != 0) {
    error.message =
        "this program is in a sandbox since mini_sandbox_start(), and that one allows none inside: "
        "spawn before, or do not start one";
  }
  return error;
}

}  // namespace
}  // namespace mini::capi

using mini::capi::Error;
using mini::capi::Guard;
using mini::capi::NetworkSettings;
using mini::capi::NoObject;
using mini::capi::NoProcess;
using mini::capi::Set;
using mini::capi::Settings;

extern "C" {

mini_sandbox_t* mini_sandbox_new(void) {
  auto* sandbox = new (std::nothrow) mini_sandbox;
  if (!sandbox) mini::capi::FailWithoutMemory();
  return sandbox;
}

void mini_sandbox_free(mini_sandbox_t* sandbox) { delete sandbox; }

int mini_sandbox_object_setup_default(mini_sandbox_t* sandbox) {
  return Set(sandbox, &Settings::SetupDefault);
}
int mini_sandbox_object_setup_custom(mini_sandbox_t* sandbox, const char* overlay_dir,
                                     const char* sandbox_root) {
  return Set(sandbox, &Settings::SetupCustom, overlay_dir, sandbox_root);
}
int mini_sandbox_object_setup_hermetic(mini_sandbox_t* sandbox, const char* sandbox_root) {
  return Set(sandbox, &Settings::SetupHermetic, sandbox_root);
}
int mini_sandbox_object_setup_readonly(mini_sandbox_t* sandbox) {
  return Set(sandbox, &Settings::SetupReadOnly);
}
int mini_sandbox_object_mount_bind(mini_sandbox_t* sandbox, const char* path) {
  return Set(sandbox, &Settings::MountBind, path);
}
int mini_sandbox_object_mount_write(mini_sandbox_t* sandbox, const char* path) {
  return Set(sandbox, &Settings::MountWrite, path);
}
int mini_sandbox_object_mount_tmpfs(mini_sandbox_t* sandbox, const char* path) {
  return Set(sandbox, &Settings::MountTmpfs, path);
}
int mini_sandbox_object_mount_overlay(mini_sandbox_t* sandbox, const char* path) {
  return Set(sandbox, &Settings::MountOverlay, path);
}
int mini_sandbox_object_mount_empty_output_file(mini_sandbox_t* sandbox, const char* path) {
  return Set(sandbox, &Settings::MountEmptyOutputFile, path);
}
int mini_sandbox_object_mount_parents_write(mini_sandbox_t* sandbox) {
  return Set(sandbox, &Settings::MountParentsWrite);
}
int mini_sandbox_object_set_working_dir(mini_sandbox_t* sandbox, const char* path) {
  return Set(sandbox, &Settings::SetWorkingDirectory, path);
}
int mini_sandbox_object_share_network(mini_sandbox_t* sandbox) {
  return Set(sandbox, &Settings::ShareNetwork);
}
int mini_sandbox_object_enable_log(mini_sandbox_t* sandbox, const char* path) {
  return Set(sandbox, &Settings::EnableLog, path);
}

int mini_sandbox_object_allow_connections(mini_sandbox_t* sandbox, const char* file) {
  return Set(sandbox, &NetworkSettings::AllowConnections, file);
}
int mini_sandbox_object_allow_max_connections(mini_sandbox_t* sandbox, int connections) {
  return Set(sandbox, &NetworkSettings::AllowMaxConnections, connections);
}
int mini_sandbox_object_allow_ipv4(mini_sandbox_t* sandbox, const char* address) {
  return Set(sandbox, &NetworkSettings::AllowIpv4, address);
}
int mini_sandbox_object_allow_ipv4_subnet(mini_sandbox_t* sandbox, const char* subnet) {
  return Set(sandbox, &NetworkSettings::AllowIpv4Subnet, subnet);
}
int mini_sandbox_object_allow_ipv6(mini_sandbox_t* sandbox, const char* address) {
  return Set(sandbox, &NetworkSettings::AllowIpv6, address);
}
int mini_sandbox_object_allow_ipv6_subnet(mini_sandbox_t* sandbox, const char* subnet) {
  return Set(sandbox, &NetworkSettings::AllowIpv6Subnet, subnet);
}
int mini_sandbox_object_allow_domain(mini_sandbox_t* sandbox, const char* name) {
  return Set(sandbox, &NetworkSettings::AllowDomain, name);
}
int mini_sandbox_object_allow_all_domains(mini_sandbox_t* sandbox) {
  return Set(sandbox, &NetworkSettings::AllowAllDomains);
}
int mini_sandbox_object_allow_rule(mini_sandbox_t* sandbox, const char* rule) {
  return Set(sandbox, &NetworkSettings::AllowRule, rule);
}

int mini_sandbox_spawn(mini_sandbox_t* sandbox, const struct mini_sandbox_command* command,
                       mini_sandbox_process_t** process) {
  return Guard([&]() -> Error {
    if (!process) return NoProcess();
    *process = nullptr;
    auto handle = std::make_unique<mini_sandbox_process>();
    if (Error error = mini::capi::Spawn(sandbox, command, &handle->process); !error.ok()) {
      return error;
    }
    *process = handle.release();
    return mini::capi::Done();
  });
}

int mini_sandbox_wait(mini_sandbox_process_t* process, int timeout_ms, int* status) {
  return Guard([&] { return process ? process->process->Wait(timeout_ms, status) : NoProcess(); });
}

int mini_sandbox_kill(mini_sandbox_process_t* process, int signal) {
  return Guard([&] { return process ? process->process->Kill(signal) : NoProcess(); });
}

pid_t mini_sandbox_pid(const mini_sandbox_process_t* process) {
  return process ? process->process->pid() : -1;
}

int mini_sandbox_pidfd(const mini_sandbox_process_t* process) {
  return process ? process->process->pidfd() : -1;
}

int mini_sandbox_events_fd(const mini_sandbox_process_t* process) {
  return process ? process->process->events() : -1;
}

void mini_sandbox_process_free(mini_sandbox_process_t* process) { delete process; }

}  // extern "C"
