"""Runs a command, or the rest of this program, in a sandbox.

    from pyminisandbox import Sandbox

    done = Sandbox(readable="/srv/data").run(["make", "check"], capture_output=True, text=True)
    Sandbox(allow=["example.com"]).start()     # everything from here on runs confined

pyminisandbox.pyminisandbox and pyminisandbox.pyminitapbox have the functions of the C libraries by
their own names.
"""

from .errors import (AlreadyStartedError, InsideSandboxError, LibraryNotFoundError,
                     MiniSandboxErrors, SandboxError, SettingError, SetupError)
from .process import DEVNULL, PIPE, STDOUT, SandboxProcess
from .sandbox import Sandbox, is_running

__version__ = "0.1.0"

__all__ = [
    "AlreadyStartedError",
    "DEVNULL",
    "InsideSandboxError",
    "LibraryNotFoundError",
    "MiniSandboxErrors",
    "PIPE",
    "STDOUT",
    "Sandbox",
    "SandboxError",
    "SandboxProcess",
    "SettingError",
    "SetupError",
    "is_running",
]
