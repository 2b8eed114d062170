"""The rest of this program, in a sandbox behind an allow-list: the functions of libmini-tapbox.

    from pyminisandbox import pyminitapbox as tapbox

    tapbox.mini_sandbox_setup_default()
    tapbox.mini_sandbox_allow_domain("example.com")
    if tapbox.mini_sandbox_start() != 0:
        sys.exit(f"no sandbox: {tapbox.mini_sandbox_get_last_error_msg()}")
    ...                     # everything from here on runs confined
"""

from ._library import TAPBOX
from ._process_wide import TapboxProcessWide
from .errors import MiniSandboxErrors

_process_wide = TapboxProcessWide(TAPBOX)

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
mini_sandbox_allow_connections = _process_wide.mini_sandbox_allow_connections
mini_sandbox_allow_max_connections = _process_wide.mini_sandbox_allow_max_connections
mini_sandbox_allow_ipv4 = _process_wide.mini_sandbox_allow_ipv4
mini_sandbox_allow_ipv4_subnet = _process_wide.mini_sandbox_allow_ipv4_subnet
mini_sandbox_allow_ipv6 = _process_wide.mini_sandbox_allow_ipv6
mini_sandbox_allow_ipv6_subnet = _process_wide.mini_sandbox_allow_ipv6_subnet
mini_sandbox_allow_domain = _process_wide.mini_sandbox_allow_domain
mini_sandbox_allow_all_domains = _process_wide.mini_sandbox_allow_all_domains
mini_sandbox_allow_rule = _process_wide.mini_sandbox_allow_rule

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
    "mini_sandbox_allow_connections",
    "mini_sandbox_allow_max_connections",
    "mini_sandbox_allow_ipv4",
    "mini_sandbox_allow_ipv4_subnet",
    "mini_sandbox_allow_ipv6",
    "mini_sandbox_allow_ipv6_subnet",
    "mini_sandbox_allow_domain",
    "mini_sandbox_allow_all_domains",
    "mini_sandbox_allow_rule",
]
