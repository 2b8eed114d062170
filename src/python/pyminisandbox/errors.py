"""Codes and exceptions."""

from __future__ import annotations

import enum
from typing import Union


class MiniSandboxErrors(enum.IntEnum):
    """What the functions of the C library return, and three codes of this package's own."""

    NOERROR = 0
    INVALID_FUNCTIONING_MODE = -1
    """Another mode was set up before."""
    SANDBOX_ROOT_NOT_UNIQUE = -2
    """This mode was set up before, with its root."""
    INVALID_FOLDER = -3
    """A directory is wanted, and this is none."""
    OVERLAY_OPTION_NOT_SET = -4
    """Overlays are named in custom mode only."""
    PATH_DOES_NOT_EXIST = -5
    NOT_AN_ABSOLUTE_PATH = -6
    LOG_FILE_NOT_UNIQUE = -7
    """A log was named before."""
    ILLEGAL_CONFIGURATION = -8
    """The overlay directory or the root lies in a writable path."""
    FILE_READ_AND_WRITE = -9
    """The same path read-only and writable."""
    ILLEGAL_NETWORK_CONFIGURATION = -10
    """Settings of the network that exclude each other."""
    TMP_IN_DEFAULT_MODE = -11
    """Default mode has a /tmp of its own."""
    INVALID_ARGUMENT = -12
    """A rule, an address, a command or a number that is none."""
    GENERAL_OS_ERROR = -100
    """The sandbox cannot be set up; the message says why."""
    NESTED_SANDBOX = -201
    """The sandbox around this program allows none inside."""
    SANDBOX_ALREADY_STARTED = -202
    TIMED_OUT = -203
    """The command still runs."""
    ENDED = -204
    """The command has ended already."""
    UNKNOWN = -1000
    """No memory, or a mistake of the library."""
    LIB_NOT_LOADED = -1001
    """This package's: the C library is not there, or not for this platform."""
    FEATURE_NOT_AVAILABLE = -1002
    """This package's: the C library that is there, or this interpreter, cannot do it."""
    INVALID_ARG = -1003
    """This package's: an argument that is none, or does not go with the others."""


class SandboxError(Exception):
    """A sandbox that is not there: `code` says what kind of mistake, `message` on which object."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code: Union[MiniSandboxErrors, int] = _known(code)
        self.message = message

    def __str__(self) -> str:
        name = getattr(self.code, "name", "")
        return f"{self.message} ({name + ', ' if name else ''}{int(self.code)})"


class SettingError(SandboxError, ValueError):
    """A setting that cannot be: a path that is missing, two modes."""


class SetupError(SandboxError):
    """The settings are right, but the sandbox could not be set up."""


class InsideSandboxError(SetupError):
    """The sandbox around this program allows none inside."""


class AlreadyStartedError(SandboxError):
    """This program is in its sandbox already, with the settings that it had."""


class LibraryNotFoundError(SandboxError):
    """The C library is not there, or too old, or this interpreter cannot use it."""


def error_of(code: int, message: str) -> SandboxError:
    """The exception for a code."""
    if code in (MiniSandboxErrors.LIB_NOT_LOADED, MiniSandboxErrors.FEATURE_NOT_AVAILABLE):
        return LibraryNotFoundError(code, message)
    if code == MiniSandboxErrors.NESTED_SANDBOX:
        return InsideSandboxError(code, message)
    if code == MiniSandboxErrors.SANDBOX_ALREADY_STARTED:
        return AlreadyStartedError(code, message)
    if code == MiniSandboxErrors.INVALID_ARG or -100 < code < 0:
        return SettingError(code, message)
    return SetupError(code, message)


def _known(code: int) -> Union[MiniSandboxErrors, int]:
    try:
        return MiniSandboxErrors(code)
    except ValueError:
        return code
