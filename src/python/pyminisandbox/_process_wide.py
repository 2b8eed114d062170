"""The functions of mini_sandbox.h that set up and start the sandbox of this whole program.

Each returns what the C function returns: 0, or a negative code of MiniSandboxErrors. None raises an
exception for what is wrong with a path or with the machine. One that is called with something that
is no string raises TypeError, as it would anywhere in Python.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Optional, Tuple

from . import _fork
from ._library import Library, Path, encode, libraries
from .errors import LibraryNotFoundError, MiniSandboxErrors


class ProcessWide:
    """The sandbox of this program by one of the two libraries."""

    def __init__(self, kind: str) -> None:
        self._library: Library = libraries[kind]
        self._own_error = threading.local()  # (code, message) of what this package has refused

    def call(self, name: str, *arguments: Any) -> int:
        """The setting mini_sandbox_NAME()."""
        try:
            code = int(self._library.function(f"mini_sandbox_{name}")(*arguments))
        except LibraryNotFoundError as error:
            return self._fail(error.code, error.message)
        if code != 0:
            self._own_error.last = None
        return code

    def _fail(self, code: int, message: str) -> int:
        self._own_error.last = (int(code), message)
        return int(code)

    def last_error(self) -> Tuple[int, str]:
        """Code and message of this thread's last call that failed."""
        own: Optional[Tuple[int, str]] = getattr(self._own_error, "last", None)
        if own:
            return own
        try:
            code = int(self._library.function("mini_sandbox_get_last_error_code")())
            return code, self._library.last_message()
        except LibraryNotFoundError as error:
            return int(error.code), error.message

    # --- Errors ---

    def mini_sandbox_get_last_error_code(self) -> int:
        """The code of this thread's last call that failed; 0 when there was none."""
        return self.last_error()[0]

    def mini_sandbox_get_last_error_msg(self) -> str:
        """The same in words: what was attempted, on which object, why it failed."""
        return self.last_error()[1]

    # --- Modes: one of these, or none for the read-only mode ---

    def mini_sandbox_setup_default(self) -> int:
        """The whole system read-only; HOME, /tmp, /run private and empty; the working directory
        writable through to the host."""
        return self.call("setup_default")

    def mini_sandbox_setup_custom(self, overlayfs_dir: Optional[Path], sandbox_root: Path) -> int:
        """An empty root in which only what is named shows. `overlayfs_dir` keeps the changes to
        overlays until the sandbox ends; None keeps them in memory."""
        return self.call("setup_custom", encode(overlayfs_dir), encode(sandbox_root))

    def mini_sandbox_setup_hermetic(self, sandbox_root: Path) -> int:
        """An empty root in which only what is named shows, without overlays."""
        return self.call("setup_hermetic", encode(sandbox_root))

    def mini_sandbox_setup_readonly(self) -> int:
        """The whole system read-only, HOME included but for known credentials; the working
        directory and a /tmp of its own writable."""
        return self.call("setup_readonly")

    # --- What shows inside ---

    def mini_sandbox_mount_bind(self, path: Path) -> int:
        """The path, read-only."""
        return self.call("mount_bind", encode(path))

    def mini_sandbox_mount_write(self, path: Path) -> int:
        """The path, writable through to the host."""
        return self.call("mount_write", encode(path))

    def mini_sandbox_mount_tmpfs(self, path: Path) -> int:
        """An empty directory in memory over this one."""
        return self.call("mount_tmpfs", encode(path))

    def mini_sandbox_mount_overlay(self, path: Path) -> int:
        """Custom mode: the directory, writable, with its changes gone afterwards."""
        return self.call("mount_overlay", encode(path))

    def mini_sandbox_mount_empty_output_file(self, path: Path) -> int:
        """A file for results, writable through: made empty, now, where there is none."""
        return self.call("mount_empty_output_file", encode(path))

    def mini_sandbox_mount_parents_write(self, num_of_parents: int = -1) -> int:
        """The directories above the working directory that this user may write to, writable
        through. With a number: the directory that many levels above, with all that is in it."""
        if num_of_parents == -1:
            return self.call("mount_parents_write")
        if num_of_parents < 1:
            return self._fail(MiniSandboxErrors.INVALID_ARG,
                              f"{num_of_parents} levels above the working directory: 1 or more")
        try:
            directory = os.getcwd()
        except OSError as error:
            return self._fail(MiniSandboxErrors.GENERAL_OS_ERROR,
                              f"the working directory: {error.strerror}")
        for _ in range(num_of_parents):
            directory = os.path.dirname(directory)
        if directory == "/":
            return self._fail(MiniSandboxErrors.INVALID_ARG,
                              f"{num_of_parents} levels above the working directory is /")
        return self.mini_sandbox_mount_write(directory)

    def mini_sandbox_set_working_dir(self, path: Path) -> int:
        """Where the program goes on inside."""
        return self.call("set_working_dir", encode(path))

    def mini_sandbox_enable_log(self, path: Path) -> int:
        """What is done and noticed, line by line, appended to this file."""
        return self.call("enable_log", encode(path))

    # --- Start ---

    def mini_sandbox_start(self) -> int:
        """Returns 0 inside the sandbox, where everything from here on runs: in a copy of this
        process with the calling thread only, as after os.fork(). The calling process becomes the
        sandbox's supervisor, which ends as the process inside ends. On failure it returns a
        negative code in the same process, which goes on as it was.

        Handlers of os.register_at_fork() run; atexit handlers run once, inside, and what the files
        of Python hold in their buffers is written once. An event loop of asyncio that runs goes
        on."""
        try:
            start = self._library.function("mini_sandbox_start")
        except LibraryNotFoundError as error:
            return self._fail(error.code, error.message)
        if not _fork.is_supported():
            return self._fail(MiniSandboxErrors.FEATURE_NOT_AVAILABLE,
                              "only CPython's main interpreter can go on in a sandbox")
        code = int(_fork.call(start))
        if code != 0:
            self._own_error.last = None
        return code

    def mini_sandbox_is_running(self) -> bool:
        """Whether mini_sandbox_start() has succeeded, in this process or in one it was forked
        from."""
        return self._library.is_running()


class SandboxProcessWide(ProcessWide):
    """What libmini-sandbox has beyond."""

    def mini_sandbox_share_network(self) -> int:
        """The host's network instead of none, services on its loopback included."""
        return self.call("share_network")


class TapboxProcessWide(ProcessWide):
    """What libmini-tapbox has beyond: the network, through a user-space TCP/IP stack that lets
    through what these allow."""

    def mini_sandbox_allow_connections(self, path: Path) -> int:
        """What the rules in this file allow, one a line."""
        return self.call("allow_connections", encode(path))

    def mini_sandbox_allow_max_connections(self, max_connections: int) -> int:
        """At most this many connections at the same time."""
        if not 0 < max_connections < 2**31:  # a C int would take what is left of it
            return self._fail(MiniSandboxErrors.INVALID_ARG,
                              f"{max_connections} connections: not a number for that")
        return self.call("allow_max_connections", max_connections)

    def mini_sandbox_allow_ipv4(self, ip: str) -> int:
        """This address."""
        return self.call("allow_ipv4", encode(ip))

    def mini_sandbox_allow_ipv4_subnet(self, subnet: str) -> int:
        """These addresses: 192.0.2.0/24."""
        return self.call("allow_ipv4_subnet", encode(subnet))

    def mini_sandbox_allow_ipv6(self, ip: str) -> int:
        """This address."""
        return self.call("allow_ipv6", encode(ip))

    def mini_sandbox_allow_ipv6_subnet(self, subnet: str) -> int:
        """These addresses: 2001:db8::/32."""
        return self.call("allow_ipv6_subnet", encode(subnet))

    def mini_sandbox_allow_domain(self, domain: str) -> int:
        """The addresses that this name has: example.com, or *.example.com for all names below."""
        return self.call("allow_domain", encode(domain))

    def mini_sandbox_allow_all_domains(self) -> int:
        """Every name, and every public address."""
        return self.call("allow_all_domains")

    def mini_sandbox_allow_rule(self, rule: str) -> int:
        """What this line of an allow-list allows."""
        return self.call("allow_rule", encode(rule))
