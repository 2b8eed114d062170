"""A sandbox as an object: for commands, or for the rest of this program."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import weakref
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from . import _fork
from ._library import SANDBOX, TAPBOX, Command, Library, Path, encode, libraries
from .errors import MiniSandboxErrors, SandboxError, SettingError, error_of
from .process import PIPE, SandboxProcess, Streams

Paths = Union[Path, Iterable[Path]]
Arguments = Union[Path, Sequence[Path]]

# A list without a rule allows nothing; without a list, all that is public would be allowed.
_NO_RULES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "no_rules")

# By library: whose settings this process has. Those of another would add to them.
_starting: Dict[str, Sandbox] = {}

MODES = ("default", "readonly", "custom", "hermetic")

# What the C library calls the settings in its messages.
_KEYWORDS = {"mini_sandbox_setup_default": 'mode="default"',
             "mini_sandbox_setup_custom": 'mode="custom"',
             "mini_sandbox_setup_hermetic": 'mode="hermetic"',
             "mini_sandbox_mount_bind": "readable", "mini_sandbox_mount_write": "writable",
             "mini_sandbox_mount_tmpfs": "empty", "mini_sandbox_mount_overlay": "overlays",
             "mini_sandbox_set_working_dir": "working_directory",
             "mini_sandbox_allow_rule": "allow", "overlay_dir": "overlay_directory"}

_SETTING = re.compile(r"(?<![\w./-])(mini_sandbox_\w+|overlay_dir)\b")


class Sandbox:
    """What a sandbox is to be like. The object itself runs nothing: each run() and spawn() makes a
    sandbox of its own, for one command; start() makes one for the rest of this program. Every
    thread may use it, several at a time.

    mode                "default": the system read-only, HOME, /tmp and /run private and empty, the
                        working directory writable. "readonly": the system and HOME read-only, but
                        for known credentials. "custom", "hermetic": an empty root in which only
                        what is named shows; with a `root`, an existing empty directory
    writable            paths that are writable through to the host
    readable            paths that show, read-only
    empty               directories that are empty and in memory
    overlays            custom mode: directories that are writable, with the changes gone afterwards
    overlay_directory   custom mode: where those are kept meanwhile; without it, in memory
    output_files        files that are writable; made empty, now, where there are none
    writable_parents    directories above the working directory that this user may write to are
                        writable
    working_directory   where the command starts; without it, where this program is
    share_network       the host's network; without it, and without rules, there is none
    allow               rules of a network behind an allow-list, as --allow has them: "example.com",
                        "*.example.com:443", "192.0.2.0/24". An empty list allows nothing
    allow_files         files of such rules
    allow_public        every public address instead of rules
    max_connections     of that network, at a time
    log                 a file to which is appended what is done; start() empties it first

    Paths may be relative to the directory this program is in now. One path or rule stands for a
    list of one. Raises SettingError for what cannot be; LibraryNotFoundError.
    """

    _names = _KEYWORDS  # in messages

    def __init__(self, *, mode: str = "default", root: Optional[Path] = None,
                 writable: Paths = (), readable: Paths = (), empty: Paths = (),
                 overlays: Paths = (), overlay_directory: Optional[Path] = None,
                 output_files: Paths = (), writable_parents: bool = False,
                 working_directory: Optional[Path] = None, share_network: bool = False,
                 allow: Union[None, str, Iterable[str]] = None,
                 allow_files: Paths = (), allow_public: bool = False,
                 max_connections: Optional[int] = None, log: Optional[Path] = None) -> None:
        self._settings: List[Tuple[Any, ...]] = []
        self._applied = 0  # how many of them to this process, by start()
        self._set_mode(mode, root, overlay_directory)
        for name, paths in (("mount_bind", _several("readable", readable)),
                            ("mount_write", _several("writable", writable)),
                            ("mount_tmpfs", _several("empty", empty)),
                            ("mount_overlay", _several("overlays", overlays)),
                            ("mount_empty_output_file", _several("output_files", output_files))):
            for path in paths:
                self._set(name, _absolute(path))
        if writable_parents:
            self._set("mount_parents_write")
        if working_directory is not None:
            self._set("set_working_dir", _absolute(working_directory))
        if log is not None:
            self._set("enable_log", _absolute(log))
        kind = self._set_network(share_network, allow, allow_files, allow_public, max_connections)
        self._library: Library = libraries[kind]
        self._object = self._make_object()

    def _set(self, name: str, *arguments: Any) -> None:
        self._settings.append((name, *arguments))

    def _set_mode(self, mode: str, root: Optional[Path],
                  overlay_directory: Optional[Path]) -> None:
        if mode not in MODES:
            raise _mistake(f"no mode {mode!r}: {', '.join(MODES)}")
        if (root is not None) != (mode in ("custom", "hermetic")):
            raise _mistake("custom and hermetic mode need a root, and no other has one")
        if overlay_directory is not None and mode != "custom":
            raise _mistake("overlay_directory is for custom mode")
        if mode == "custom":
            overlay = None if overlay_directory is None else _absolute(overlay_directory)
            self._set("setup_custom", overlay, _absolute(root))
        elif mode == "hermetic":
            self._set("setup_hermetic", _absolute(root))
        else:
            self._set(f"setup_{mode}")

    def _set_network(self, share: bool, allow: Any, allow_files: Paths, public: bool,
                     max_connections: Optional[int]) -> str:
        """Which of the two libraries it takes."""
        rules = None if allow is None else _several("allow", allow)
        files = [_absolute(path) for path in _several("allow_files", allow_files)]
        behind_rules = rules is not None or bool(files) or public
        if not behind_rules:
            if max_connections is not None:
                raise _mistake("max_connections is for a network behind allow, allow_files or "
                               "allow_public")
            if share:
                self._set("share_network")
            return SANDBOX
        if share:
            raise _mistake("share_network, or a network behind rules: not both",
                           MiniSandboxErrors.ILLEGAL_NETWORK_CONFIGURATION)
        if public and (rules is not None or files):
            raise _mistake("allow_public, or rules in its place: not both",
                           MiniSandboxErrors.ILLEGAL_NETWORK_CONFIGURATION)
        if public:
            self._set("allow_all_domains")
        if rules is not None and not rules:
            self._set("allow_connections", encode(_NO_RULES))
        for rule in rules or ():
            self._set("allow_rule", encode(rule))
        for path in files:
            self._set("allow_connections", path)
        if max_connections is not None:
            if not isinstance(max_connections, int):
                raise TypeError("max_connections: expected int, not "
                                f"{type(max_connections).__name__}")
            if not 0 < max_connections < 2**31:  # a C int would take what is left of it
                raise _mistake(f"max_connections: {max_connections} is out of range")
            self._set("allow_max_connections", max_connections)
        return TAPBOX

    def _make_object(self) -> ctypes.c_void_p:
        made = self._library.function("mini_sandbox_new")()
        if not made:
            raise error_of(MiniSandboxErrors.UNKNOWN, self._library.last_message())
        handle = ctypes.c_void_p(made)
        weakref.finalize(self, self._library.function("mini_sandbox_free"), handle).atexit = False
        for name, *arguments in self._settings:
            code = self._library.function(f"mini_sandbox_object_{name}")(handle, *arguments)
            if code != 0:
                raise self._error(code)
        return handle

    # --- Commands ---

    def spawn(self, args: Arguments, *, stdin: Any = None, stdout: Any = None, stderr: Any = None,
              env: Optional[Mapping[Any, Any]] = None, cwd: Optional[Path] = None,
              text: Optional[bool] = None, encoding: Optional[str] = None,
              errors: Optional[str] = None) -> SandboxProcess:
        """Runs a command, and returns when its sandbox is set up; raises SetupError when it cannot
        be. The arguments are those of subprocess.Popen, with these differences: a command that is
        not there ends with 127; `env` None is this program's environment without what holds
        credentials or leads to sockets of this machine (docs/environment.md); no descriptor but the
        three is passed on."""
        argv = [args] if isinstance(args, (str, bytes, os.PathLike)) else list(args)
        is_text = bool(text or encoding or errors)
        words = [_text(word) for word in argv]
        environment = None if env is None else [_variable(*item) for item in env.items()]
        directory = None if cwd is None else _absolute(cwd)
        streams = Streams(stdin, stdout, stderr)
        try:
            command = Command(
                size=ctypes.sizeof(Command), argv=_array(words),
                envp=None if environment is None else _array(environment),
                working_directory=directory, stdio=(ctypes.c_int * 3)(*streams.theirs))
            return SandboxProcess(self._library, self._error, self._object, command, argv, streams,
                                  is_text, encoding, errors)
        except BaseException:
            streams.close_all()
            raise

    def run(self, args: Arguments, *, input: Any = None, stdin: Any = None, stdout: Any = None,
            stderr: Any = None, capture_output: bool = False, timeout: Optional[float] = None,
            check: bool = False, env: Optional[Mapping[Any, Any]] = None,
            cwd: Optional[Path] = None, text: Optional[bool] = None,
            encoding: Optional[str] = None,
            errors: Optional[str] = None) -> subprocess.CompletedProcess[Any]:
        """Runs a command to its end, as subprocess.run() does: same arguments (see spawn()), same
        result. Raises subprocess.TimeoutExpired after `timeout` seconds, with the sandbox ended;
        subprocess.CalledProcessError if `check` and the return code is not 0."""
        if input is not None:
            if stdin is not None:
                raise ValueError("stdin and input exclude each other")
            stdin = PIPE
        if capture_output:
            if stdout is not None or stderr is not None:
                raise ValueError("capture_output excludes stdout and stderr")
            stdout = stderr = PIPE
        # Not by `with`: an interrupt in its __enter__() would leave the command running.
        process: Optional[SandboxProcess] = None
        try:
            process = self.spawn(args, stdin=stdin, stdout=stdout, stderr=stderr, env=env, cwd=cwd,
                                 text=text, encoding=encoding, errors=errors)
            out, err = process.communicate(input, timeout)
            done: subprocess.CompletedProcess[Any] = subprocess.CompletedProcess(
                process.args, process.wait(), out, err)
        except BaseException:
            if process is not None:
                process.end()
            raise
        process.close()
        if check:
            done.check_returncode()
        return done

    # --- The rest of this program ---

    def start(self) -> None:
        """Returns inside the sandbox, where everything from here on runs, in a copy of this process
        with the calling thread only: see docs/python.md. Raises SandboxError in the process that
        called it, which goes on as it was; the settings stay with it, so another sandbox than this
        one cannot be started then."""
        start = self._library.function("mini_sandbox_start")
        if not _fork.is_supported():
            raise error_of(MiniSandboxErrors.FEATURE_NOT_AVAILABLE,
                           "only CPython's main interpreter can go on in a sandbox")
        self._apply_settings()
        self._check(_fork.call(start))

    def _apply_settings(self) -> None:
        kind = self._library.kind
        first = _starting.setdefault(kind, self)
        if first is not self and not self._library.function("mini_sandbox_is_running")():
            raise _mistake("another Sandbox was to be started: this process has its settings",
                           MiniSandboxErrors.INVALID_FUNCTIONING_MODE)
        try:
            for name, *arguments in self._settings[self._applied:]:
                self._check(self._library.function(f"mini_sandbox_{name}")(*arguments))
                self._applied += 1
        finally:
            if first is self and self._applied == 0:
                del _starting[kind]

    def _check(self, code: int) -> None:
        if code != 0:
            raise self._error(code)

    def _error(self, code: int) -> SandboxError:
        """The exception for what the library has just returned, in the words of this class."""
        def named(found: re.Match[str]) -> str:
            return self._names.get(found[0], found[0])

        return error_of(code, _SETTING.sub(named, self._library.last_message()))


def is_running() -> bool:
    """Whether this program runs in a sandbox that it has started itself."""
    return any(library.is_running() for library in libraries.values())


def _mistake(message: str, code: int = MiniSandboxErrors.INVALID_ARG) -> SettingError:
    return SettingError(code, message)


def _several(keyword: str, values: Any) -> List[Any]:
    if isinstance(values, (str, bytes, os.PathLike)):
        return [values]
    several = list(values) if isinstance(values, Iterable) else [values]
    for value in several:
        if not isinstance(value, (str, bytes, os.PathLike)):
            raise TypeError(f"{keyword}: expected str, bytes or os.PathLike object, or a list of "
                            f"them, not {type(value).__name__}")
    return several


def _absolute(path: Optional[Path]) -> bytes:
    # Not normalized: what ".." means behind a symlink the library looks at.
    encoded = encode(path)
    if not encoded:
        raise _mistake("the path is empty", MiniSandboxErrors.NOT_AN_ABSOLUTE_PATH)
    if encoded.startswith(b"/"):
        return encoded  # also where the working directory is gone
    return os.path.join(os.getcwdb(), encoded)


def _variable(name: Any, value: Any) -> bytes:
    encoded_name, encoded_value = _text(name), _text(value)
    if not encoded_name or b"=" in encoded_name:
        raise ValueError("illegal environment variable name")
    return encoded_name + b"=" + encoded_value


def _text(text: Any) -> bytes:
    # Not None, which would be the end of a list.
    return encode(os.fspath(text)) or b""


def _array(words: Sequence[Optional[bytes]]) -> Any:
    return (ctypes.c_char_p * (len(words) + 1))(*words, None)
