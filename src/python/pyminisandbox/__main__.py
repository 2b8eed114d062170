"""usage: python -m pyminisandbox [mode] [options] [--] command [args]

Runs a command in a sandbox, as mini-sandbox does, or mini-tapbox where a rule is given.

Modes; without one the system is read-only, and the working directory and /tmp writable:
  -x, --default             HOME, /tmp and /run private and empty
  -o, --custom ROOT         an empty root in which -k, -M, -w and -e show
  -h, --hermetic ROOT       the same without -k
Options:
  -w, --write PATH          writable through to the host
  -M, --bind PATH           read-only
  -e, --tmpfs DIR           empty, in memory
  -k, --overlay PATH        writable, with the changes gone afterwards (-o)
  -d, --scratch-dir DIR     where those are kept meanwhile (-o)
  -W, --chdir DIR           where the command starts
  -N, --share-network       the host's network
      --allow RULE          a rule of the allow-list
  -F, --rules FILE          a file of such rules
      --max-connections N   of that network
  -T, --time-limit S        SIGTERM after S seconds
  -t, --kill-delay S        SIGKILL S seconds after that; otherwise 10
  -D, --debug-log FILE      what is done, line by line
      --help, --version

Exit code: the command's own; 128+n when signal n ended it; 2 wrong usage; 125 the sandbox could not
be set up; 126 the command could not be executed, 127 it was not found.
"""

from __future__ import annotations

import getopt
import math
import signal
import sys
import time
from typing import Any, Dict, List, Optional, Sequence, Tuple

from . import MiniSandboxErrors, Sandbox, SandboxError, SettingError, __version__

PROGRAM = "pyminisandbox"
USAGE = str(__doc__).strip()

Option = Tuple[str, str]  # its long name and its value

# Long name -> (its letter, what of Sandbox it sets).
LISTS = {"write": ("w", "writable"), "bind": ("M", "readable"), "tmpfs": ("e", "empty"),
         "overlay": ("k", "overlays"), "allow": ("", "allow"), "rules": ("F", "allow_files")}
VALUES = {"scratch-dir": ("d", "overlay_directory"), "chdir": ("W", "working_directory"),
          "max-connections": ("", "max_connections"),
          "debug-log": ("D", "log"), "time-limit": ("T", ""), "kill-delay": ("t", "")}
MODES = {"default": ("x", False), "custom": ("o", True), "hermetic": ("h", True)}
FLAGS = {"share-network": ("N", "share_network")}

# How messages name them.
NAMES = {"mini_sandbox_setup_default": "--default", "mini_sandbox_setup_custom": "--custom",
         "mini_sandbox_setup_hermetic": "--hermetic", "mini_sandbox_mount_bind": "--bind",
         "mini_sandbox_mount_write": "--write", "mini_sandbox_mount_tmpfs": "--tmpfs",
         "mini_sandbox_mount_overlay": "--overlay", "mini_sandbox_set_working_dir": "--chdir",
         "mini_sandbox_allow_rule": "--allow", "overlay_dir": "--scratch-dir"}

# What is passed on. A stop (SIGTSTP) the terminal sends to the command as well as to us.
FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1,
             signal.SIGUSR2, signal.SIGWINCH)


# Mistakes that may be none elsewhere.
OF_THIS_MACHINE = (MiniSandboxErrors.INVALID_FOLDER, MiniSandboxErrors.PATH_DOES_NOT_EXIST,
                   MiniSandboxErrors.ILLEGAL_CONFIGURATION)


class OptionSandbox(Sandbox):
    """One whose messages name its settings as they were typed."""

    _names = NAMES


class UsageError(Exception):
    """A command line that is wrong on any machine."""


def main(arguments: List[str]) -> int:
    try:
        options, command = split(arguments)
        if ("help", "") in options:
            print(USAGE)
            return 0
        if ("version", "") in options:
            print(f"{PROGRAM} {__version__}")
            return 0
        settings, limit, delay = read(options)
        if not command:
            raise UsageError("no command")
        return run(make_sandbox(settings), command, limit, delay)
    except UsageError as error:
        print(f"{PROGRAM}: {error}\n{USAGE.splitlines()[0]} (--help for more)", file=sys.stderr)
        return 2
    except SandboxError as error:
        print(f"{PROGRAM}: {error.message}", file=sys.stderr)
        return 125


def make_sandbox(settings: Dict[str, Any]) -> Sandbox:
    try:
        return OptionSandbox(**settings)
    except SettingError as error:
        if error.code in OF_THIS_MACHINE:
            raise
        raise UsageError(error.message) from None


def split(arguments: List[str]) -> Tuple[List[Option], List[str]]:
    """The options and the command."""
    names = {}
    letters, words = "", ["help", "version"]
    tables: Tuple[Tuple[Dict[str, Any], bool], ...] = (
        (LISTS, True), (VALUES, True), (FLAGS, False), (MODES, False))
    for table, with_value in tables:
        for name, (letter, more) in table.items():
            takes = with_value or more is True  # of modes: a root
            names["-" + letter] = name
            if letter:
                letters += letter + (":" if takes else "")
            words.append(name + ("=" if takes else ""))
    try:
        found, command = getopt.getopt(arguments, letters, words)
    except getopt.GetoptError as error:
        raise UsageError(str(error)) from None
    return [(names.get(name) or name[2:], value) for name, value in found], command


def read(options: List[Option]) -> Tuple[Dict[str, Any], Optional[float], float]:
    """The arguments of Sandbox, the time limit and the delay of SIGKILL."""
    settings: Dict[str, Any] = {"mode": "readonly"}
    limits: Dict[str, float] = {}
    for name, value in options:
        if name in MODES:
            if settings["mode"] != "readonly":
                raise UsageError("modes exclude each other")
            settings["mode"] = name
            if MODES[name][1]:
                settings["root"] = value
        elif name in LISTS:
            settings.setdefault(LISTS[name][1], []).append(value)
        elif name in ("time-limit", "kill-delay"):
            limits[name] = seconds(name, value)
        elif name in FLAGS:
            settings[FLAGS[name][1]] = True
        elif VALUES[name][1] in settings:
            raise UsageError(f"--{name}: given twice")
        else:
            settings[VALUES[name][1]] = number(name, value) if name == "max-connections" else value
    return settings, limits.get("time-limit"), limits.get("kill-delay", 10.0)


def number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise UsageError(f"--{name}: {value} is no number")
    return int(value)


def seconds(name: str, value: str) -> float:
    try:
        parsed = float(value)
    except ValueError:
        parsed = math.nan
    if not 0 <= parsed < math.inf:
        raise UsageError(f"--{name}: {value} is no number of seconds")
    return parsed


def run(sandbox: Sandbox, command: Sequence[str], limit: Optional[float], delay: float) -> int:
    """Waits for the command and for signals at once: blocked, those tell where they come from."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    awaited = {signal.SIGCHLD} | {number for number in FORWARDED
                                  if signal.getsignal(number) != signal.SIG_IGN}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    with sandbox.spawn(command) as process:
        stages = [] if limit is None else [(limit, signal.SIGTERM), (limit + delay, signal.SIGKILL)]
        begun = time.monotonic()
        while process.poll() is None:
            if stages:
                left = begun + stages[0][0] - time.monotonic()
                came = signal.sigtimedwait(awaited, left) if left > 0 else None
            else:
                came = signal.sigwaitinfo(awaited)
            if came is None:
                process.send_signal(stages.pop(0)[1])
            elif came.si_signo != signal.SIGCHLD and came.si_code <= 0:
                # From a process. What the terminal sends (SI_KERNEL), it sends the command, too.
                process.send_signal(came.si_signo)
        code = process.wait()
    return 128 - code if code < 0 else code


def console() -> int:
    """The program of that name. Unlike `python -m` it imports nothing from the current directory."""
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(console())
