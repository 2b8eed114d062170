"""The rest of this program, in a sandbox: the functions of libmini-sandbox.

    from pyminisandbox import pyminisandbox as sandbox

    sandbox.mini_sandbox_setup_default()
    if sandbox.mini_sandbox_start() != 0:
        sys.exit(f"no sandbox: {sandbox.mini_sandbox_get_last_error_msg()}")
    ...                     # everything from here on runs confined
"""

from ._library import SANDBOX
from ._process_wide import SandboxProcessWide
from .errors import MiniSandboxErrors

_process_wide = SandboxProcessWide(SANDBOX)

mini_sandbox_get_last_error_code = _process_wide.mini_sandbox_get_last_error_code
mini_sandbox_get_last_error_msg = _process_wide.mini_sandbox_get_last_error_msg
mini_sandbox_setup_default = _process_wide.mini_sandbox_setup_default
mini_sandbox_setup_custom = _process_wide.mini_sandbox_setup_custom
mini_sandbox_setup_hermetic = _process_wide.mini_sandbox_setup_hermetic
mini_sandbox_setup_readonly = _process_wide.mini_sandbox_setup_readonly
mini_sandbox_mount_bind = _process_wide.mini_sandbox_mount_bind
mini_sandbox_mount_write = _process_wide.mini_sandbox_mount_write
mini_sandbox_mount_tmpfs = _process_wide.mini_sandbox_mount_tmpfs
mini_sandbox_mount_overlay = _process_wide.mini_sandbox_mount_overlay
mini_sandbox_mount_empty_output_file = _process_wide.mini_sandbox_mount_empty_output_file
mini_sandbox_mount_parents_write = _process_wide.mini_sandbox_mount_parents_write
mini_sandbox_set_working_dir = _process_wide.mini_sandbox_set_working_dir
mini_sandbox_enable_log = _process_wide.mini_sandbox_enable_log
mini_sandbox_start = _process_wide.mini_sandbox_start
mini_sandbox_is_running = _process_wide.mini_sandbox_is_running
mini_sandbox_share_network = _process_wide.mini_sandbox_share_network

__all__ = [
    "MiniSandboxErrors",
    "mini_sandbox_get_last_error_code",
    "mini_sandbox_get_last_error_msg",
    "mini_sandbox_setup_default",
    "mini_sandbox_setup_custom",
    "mini_sandbox_setup_hermetic",
    "mini_sandbox_setup_readonly",
    "mini_sandbox_mount_bind",
    "mini_sandbox_mount_write",
    "mini_sandbox_mount_tmpfs",
    "mini_sandbox_mount_overlay",
    "mini_sandbox_mount_empty_output_file",
    "mini_sandbox_mount_parents_write",
    "mini_sandbox_set_working_dir",
    "mini_sandbox_enable_log",
    "mini_sandbox_start",
    "mini_sandbox_is_running",
    "mini_sandbox_share_network",
]
