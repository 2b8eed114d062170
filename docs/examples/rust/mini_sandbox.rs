//! What mini_sandbox.h declares, which documents it. Functions that a program does not call it is not
//! linked with: `_allow_` is in libmini-tapbox only, `_share_network` in libmini-sandbox only.
#![allow(dead_code)]

use std::ffi::CStr;
use std::os::raw::{c_char, c_int};

pub const MINI_SANDBOX_OK: c_int = 0;
pub const MINI_SANDBOX_MORE_THAN_ONE_MODE: c_int = -1;
pub const MINI_SANDBOX_ROOT_TWICE: c_int = -2;
pub const MINI_SANDBOX_NOT_A_DIRECTORY: c_int = -3;
pub const MINI_SANDBOX_NO_OVERLAYS: c_int = -4;
pub const MINI_SANDBOX_NO_SUCH_PATH: c_int = -5;
pub const MINI_SANDBOX_NOT_ABSOLUTE: c_int = -6;
pub const MINI_SANDBOX_LOG_TWICE: c_int = -7;
pub const MINI_SANDBOX_OVERLAY_IN_WRITABLE: c_int = -8;
pub const MINI_SANDBOX_READ_AND_WRITE: c_int = -9;
pub const MINI_SANDBOX_NETWORK_CONFLICT: c_int = -10;
pub const MINI_SANDBOX_TMP_IN_DEFAULT_MODE: c_int = -11;
pub const MINI_SANDBOX_INVALID_ARGUMENT: c_int = -12;
pub const MINI_SANDBOX_SYSTEM_ERROR: c_int = -100;
pub const MINI_SANDBOX_INSIDE_ALREADY: c_int = -201;
pub const MINI_SANDBOX_ALREADY_STARTED: c_int = -202;
pub const MINI_SANDBOX_TIMED_OUT: c_int = -203;
pub const MINI_SANDBOX_ENDED: c_int = -204;
pub const MINI_SANDBOX_UNKNOWN_ERROR: c_int = -1000;

/// mini_sandbox_t
#[repr(C)]
pub struct Sandbox {
    _private: [u8; 0],
}

/// mini_sandbox_process_t
#[repr(C)]
pub struct Process {
    _private: [u8; 0],
}

/// struct mini_sandbox_command
#[repr(C)]
pub struct Command {
    pub size: usize,
    pub argv: *const *const c_char,
    pub envp: *const *const c_char,
    pub working_directory: *const c_char,
    pub stdio: [c_int; 3],
}

extern "C" {
    pub fn mini_sandbox_get_last_error_code() -> c_int;
    pub fn mini_sandbox_get_last_error_msg() -> *const c_char;
    pub fn mini_sandbox_setup_default() -> c_int;
    pub fn mini_sandbox_setup_custom(
        overlay_dir: *const c_char,
        sandbox_root: *const c_char,
    ) -> c_int;
    pub fn mini_sandbox_setup_hermetic(sandbox_root: *const c_char) -> c_int;
    pub fn mini_sandbox_setup_readonly() -> c_int;
    pub fn mini_sandbox_mount_bind(path: *const c_char) -> c_int;
    pub fn mini_sandbox_mount_write(path: *const c_char) -> c_int;
    pub fn mini_sandbox_mount_tmpfs(path: *const c_char) -> c_int;
    pub fn mini_sandbox_mount_overlay(path: *const c_char) -> c_int;
    pub fn mini_sandbox_mount_empty_output_file(path: *const c_char) -> c_int;
    pub fn mini_sandbox_mount_parents_write() -> c_int;
    pub fn mini_sandbox_set_working_dir(path: *const c_char) -> c_int;
    pub fn mini_sandbox_share_network() -> c_int;
    pub fn mini_sandbox_enable_log(path: *const c_char) -> c_int;
    pub fn mini_sandbox_allow_connections(file: *const c_char) -> c_int;
    pub fn mini_sandbox_allow_rule(rule: *const c_char) -> c_int;
    pub fn mini_sandbox_allow_ipv4(address: *const c_char) -> c_int;
    pub fn mini_sandbox_allow_ipv6(address: *const c_char) -> c_int;
    pub fn mini_sandbox_allow_ipv4_subnet(subnet: *const c_char) -> c_int;
    pub fn mini_sandbox_allow_ipv6_subnet(subnet: *const c_char) -> c_int;
    pub fn mini_sandbox_allow_domain(name: *const c_char) -> c_int;
    pub fn mini_sandbox_allow_all_domains() -> c_int;
    pub fn mini_sandbox_allow_max_connections(connections: c_int) -> c_int;
    pub fn mini_sandbox_start() -> c_int;
    pub fn mini_sandbox_is_running() -> c_int;
    pub fn mini_sandbox_new() -> *mut Sandbox;
    pub fn mini_sandbox_free(sandbox: *mut Sandbox);
    pub fn mini_sandbox_object_setup_default(sandbox: *mut Sandbox) -> c_int;
    pub fn mini_sandbox_object_setup_custom(
        sandbox: *mut Sandbox,
        overlay_dir: *const c_char,
        sandbox_root: *const c_char,
    ) -> c_int;
    pub fn mini_sandbox_object_setup_hermetic(
        sandbox: *mut Sandbox,
        sandbox_root: *const c_char,
    ) -> c_int;
    pub fn mini_sandbox_object_setup_readonly(sandbox: *mut Sandbox) -> c_int;
    pub fn mini_sandbox_object_mount_bind(sandbox: *mut Sandbox, path: *const c_char) -> c_int;
    pub fn mini_sandbox_object_mount_write(sandbox: *mut Sandbox, path: *const c_char) -> c_int;
    pub fn mini_sandbox_object_mount_tmpfs(sandbox: *mut Sandbox, path: *const c_char) -> c_int;
    pub fn mini_sandbox_object_mount_overlay(sandbox: *mut Sandbox, path: *const c_char) -> c_int;
    pub fn mini_sandbox_object_mount_empty_output_file(
        sandbox: *mut Sandbox,
        path: *const c_char,
    ) -> c_int;
    pub fn mini_sandbox_object_mount_parents_write(sandbox: *mut Sandbox) -> c_int;
    pub fn mini_sandbox_object_set_working_dir(sandbox: *mut Sandbox, path: *const c_char) -> c_int;
    pub fn mini_sandbox_object_share_network(sandbox: *mut Sandbox) -> c_int;
    pub fn mini_sandbox_object_allow_connections(
        sandbox: *mut Sandbox,
        file: *const c_char,
    ) -> c_int;
    pub fn mini_sandbox_object_allow_max_connections(
        sandbox: *mut Sandbox,
        connections: c_int,
    ) -> c_int;
    pub fn mini_sandbox_object_allow_ipv4(sandbox: *mut Sandbox, address: *const c_char) -> c_int;
    pub fn mini_sandbox_object_allow_ipv4_subnet(
        sandbox: *mut Sandbox,
        subnet: *const c_char,
    ) -> c_int;
    pub fn mini_sandbox_object_allow_ipv6(sandbox: *mut Sandbox, address: *const c_char) -> c_int;
    pub fn mini_sandbox_object_allow_ipv6_subnet(
        sandbox: *mut Sandbox,
        subnet: *const c_char,
    ) -> c_int;
    pub fn mini_sandbox_object_allow_domain(sandbox: *mut Sandbox, name: *const c_char) -> c_int;
    pub fn mini_sandbox_object_allow_all_domains(sandbox: *mut Sandbox) -> c_int;
    pub fn mini_sandbox_object_allow_rule(sandbox: *mut Sandbox, rule: *const c_char) -> c_int;
    pub fn mini_sandbox_object_enable_log(sandbox: *mut Sandbox, path: *const c_char) -> c_int;
    pub fn mini_sandbox_spawn(
        sandbox: *mut Sandbox,
        command: *const Command,
        process: *mut *mut Process,
    ) -> c_int;
    pub fn mini_sandbox_wait(process: *mut Process, timeout_ms: c_int, status: *mut c_int) -> c_int;
    pub fn mini_sandbox_kill(process: *mut Process, signal: c_int) -> c_int;
    pub fn mini_sandbox_pid(process: *const Process) -> c_int;
    pub fn mini_sandbox_pidfd(process: *const Process) -> c_int;
    pub fn mini_sandbox_events_fd(process: *const Process) -> c_int;
    pub fn mini_sandbox_process_free(process: *mut Process);
}

/// The last error of this thread, in words.
pub fn last_error() -> String {
    // SAFETY: never NULL, and valid until the next call that fails.
    unsafe { CStr::from_ptr(mini_sandbox_get_last_error_msg()) }.to_string_lossy().into_owned()
}

/// A code of the library's as a Result.
pub fn check(code: c_int) -> Result<(), String> {
    if code == MINI_SANDBOX_OK { Ok(()) } else { Err(last_error()) }
}
