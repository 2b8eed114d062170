"""Runs a command, or the rest of this program, in a sandbox."""

from .errors import (AlreadyStartedError, InsideSandboxError, LibraryNotFoundError,
                     MiniSandboxErrors, SandboxError, SettingError, SetupError)

__version__ = "0.1.0"

__all__ = [
    "AlreadyStartedError",
    "InsideSandboxError",
    "LibraryNotFoundError",
    "MiniSandboxErrors",
    "SandboxError",
    "SettingError",
    "SetupError",
]
