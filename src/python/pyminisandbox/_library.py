"""The C libraries, by ctypes: which functions there are, with what arguments.

A library is looked for once, when it is first needed: in this package's directory, where wheels and
`cmake --install` have it, then where the system finds libraries. What is missing makes every call
fail; nothing else takes its place.
"""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from .errors import LibraryNotFoundError, MiniSandboxErrors

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

_HERE = os.path.dirname(os.path.abspath(__file__))

SANDBOX = "mini-sandbox"
TAPBOX = "mini-tapbox"

# The settings: name without mini_sandbox_ -> how many strings, or the types.
_SETTINGS_OF_BOTH: Dict[str, Tuple[Any, ...]] = {
    "setup_default": (),
    "setup_custom": (ctypes.c_char_p, ctypes.c_char_p),
    "setup_hermetic": (ctypes.c_char_p,),
    "setup_readonly": (),
    "mount_bind": (ctypes.c_char_p,),
    "mount_write": (ctypes.c_char_p,),
    "mount_tmpfs": (ctypes.c_char_p,),
    "mount_overlay": (ctypes.c_char_p,),
    "mount_empty_output_file": (ctypes.c_char_p,),
    "mount_parents_write": (),
    "set_working_dir": (ctypes.c_char_p,),
    "enable_log": (ctypes.c_char_p,),
}
_SETTINGS_OF_SANDBOX: Dict[str, Tuple[Any, ...]] = {"share_network": ()}
_SETTINGS_OF_TAPBOX: Dict[str, Tuple[Any, ...]] = {
    "allow_connections": (ctypes.c_char_p,),
    "allow_max_connections": (ctypes.c_int,),
    "allow_ipv4": (ctypes.c_char_p,),
    "allow_ipv4_subnet": (ctypes.c_char_p,),
    "allow_ipv6": (ctypes.c_char_p,),
    "allow_ipv6_subnet": (ctypes.c_char_p,),
    "allow_domain": (ctypes.c_char_p,),
    "allow_all_domains": (),
    "allow_rule": (ctypes.c_char_p,),
}
SETTINGS = {
    SANDBOX: {**_SETTINGS_OF_BOTH, **_SETTINGS_OF_SANDBOX},
    TAPBOX: {**_SETTINGS_OF_BOTH, **_SETTINGS_OF_TAPBOX},
}


class Command(ctypes.Structure):
    """struct mini_sandbox_command."""

    _fields_ = [
        ("size", ctypes.c_size_t),
        ("argv", ctypes.POINTER(ctypes.c_char_p)),
        ("envp", ctypes.POINTER(ctypes.c_char_p)),
        ("working_directory", ctypes.c_char_p),
        ("stdio", ctypes.c_int * 3),
    ]


# The rest: (result, arguments) of each.
_INT = ctypes.c_int
_SANDBOX_OBJECT = ctypes.c_void_p
_PROCESS = ctypes.c_void_p
_OTHERS: Dict[str, Tuple[Any, Tuple[Any, ...]]] = {
    "start": (_INT, ()),
    "is_running": (_INT, ()),
    "get_last_error_code": (_INT, ()),
    "get_last_error_msg": (ctypes.c_char_p, ()),
    "new": (_SANDBOX_OBJECT, ()),
    "free": (None, (_SANDBOX_OBJECT,)),
    "spawn": (_INT, (_SANDBOX_OBJECT, ctypes.POINTER(Command), ctypes.POINTER(_PROCESS))),
    "wait": (_INT, (_PROCESS, _INT, ctypes.POINTER(_INT))),
    "kill": (_INT, (_PROCESS, _INT)),
    "pid": (_INT, (_PROCESS,)),
    "pidfd": (_INT, (_PROCESS,)),
    "events_fd": (_INT, (_PROCESS,)),
    "process_free": (None, (_PROCESS,)),
}


def functions(kind: str) -> Dict[str, Tuple[Any, Tuple[Any, ...]]]:
    """Every function that this package calls: its whole name -> (result, arguments)."""
    found = {f"mini_sandbox_{name}": signature for name, signature in _OTHERS.items()}
    for name, arguments in SETTINGS[kind].items():
        found[f"mini_sandbox_{name}"] = (_INT, arguments)
        found[f"mini_sandbox_object_{name}"] = (_INT, (_SANDBOX_OBJECT, *arguments))
    return found


# Called with the interpreter's lock held: see _fork.py.
_FORKS = "mini_sandbox_start"


class Library:
    """One of the two, SANDBOX or TAPBOX."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._lock = threading.Lock()  # of loading
        os.register_at_fork(after_in_child=self._renew_lock)
        self._loaded = False
        self._path: Optional[str] = None
        self._functions: Dict[str, Callable[..., Any]] = {}
        self._error: Optional[LibraryNotFoundError] = None

    def function(self, name: str) -> Callable[..., Any]:
        """The C function of that name; raises LibraryNotFoundError."""
        if not self._loaded:
            with self._lock:
                if not self._loaded:
                    self._load()
                    self._loaded = True
        if self._error is not None:
            raise LibraryNotFoundError(self._error.code, self._error.message)
        if name not in self._functions:
            raise LibraryNotFoundError(
                MiniSandboxErrors.FEATURE_NOT_AVAILABLE, f"{self._path} has no {name}()")
        return self._functions[name]

    def is_running(self) -> bool:
        """Whether it has started a sandbox; it is not loaded for that."""
        is_running = self._functions.get("mini_sandbox_is_running")
        return is_running is not None and bool(is_running())

    def last_message(self) -> str:
        """What the library says of the last call of this thread that failed."""
        return str(self.function("mini_sandbox_get_last_error_msg")().decode("utf-8", "replace"))

    def _renew_lock(self) -> None:
        # A thread that held it is not in the child.
        self._lock = threading.Lock()

    def _load(self) -> None:
        reasons: List[str] = []
        for path in (os.path.join(_HERE, f"lib{self.kind}.so"), f"lib{self.kind}.so.1"):
            try:
                releasing, keeping = ctypes.CDLL(path), ctypes.PyDLL(path)
            except OSError as error:
                reasons.append(str(error))
                continue
            for name, (result, arguments) in functions(self.kind).items():
                loaded = keeping if name == _FORKS else releasing
                function = getattr(loaded, name, None)
                if function is not None:
                    function.restype = result
                    function.argtypes = arguments
                    self._functions[name] = function
            self._path = path
            return
        self._error = LibraryNotFoundError(
            MiniSandboxErrors.LIB_NOT_LOADED,
            f"lib{self.kind} cannot be loaded: {'; '.join(reasons)}; what `cmake --install` leaves "
            "in PREFIX/python has it inside, and so have wheels")


libraries = {SANDBOX: Library(SANDBOX), TAPBOX: Library(TAPBOX)}


def encode(text: Optional[Path]) -> Optional[bytes]:
    """A string or path as the C library takes it. None, where it is taken, is NULL."""
    if text is None:
        return None
    encoded = os.fsencode(text)
    if b"\0" in encoded:
        # The C library would take what is before it for the whole.
        raise ValueError("embedded null byte")
    return encoded
