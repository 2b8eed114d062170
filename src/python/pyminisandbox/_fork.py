"""A C function that forks under the interpreter's feet, called as os.fork() would have it.

Theory of operation. mini_sandbox_start() returns in a copy of this process that fork(2) made with
the calling thread only. For Python to go on there, the interpreter has to know: the lock that
threads take turns with must be this thread's, the states of the other threads have to go, handlers
of os.register_at_fork() have to run (random numbers get a new seed, threading forgets threads that
are not there). For that, C programs that fork call PyOS_BeforeFork() before, and
PyOS_AfterFork_Child() or PyOS_AfterFork_Parent() after (https://docs.python.org/3/c-api/sys.html).

Here a Python program does it, and there must be no byte code in between: wherever byte code runs,
another thread may get its turn or a signal handler run, while PyOS_BeforeFork() holds locks of the
interpreter that they may need for good. So the three calls are made by one iteration over map
objects, which is C from end to end, and garbage, whose collection may run any code, is not
collected meanwhile. The functions keep the interpreter's lock (ctypes.PyDLL).

What the handlers of asyncio take from an event loop, as the child of a fork is meant to leave its
parent's alone, is given back: nobody else runs this one any more.
"""

from __future__ import annotations

import ctypes
import gc
import itertools
import operator
import signal
import sys
from typing import Any, Callable, Optional

Function = Callable[[], Any]


def is_supported() -> bool:
    """Whether this interpreter can go on in such a copy: CPython's main interpreter."""
    if sys.implementation.name != "cpython":
        return False
    current = _python_function("PyInterpreterState_Get", ctypes.c_void_p)
    return bool(current() == _python_function("PyInterpreterState_Main", ctypes.c_void_p)())


def call(function: Function) -> int:
    """The result of function(), which returns 0 in a copy of this process that it has made by fork,
    else something else in this process. `function` is of a ctypes.PyDLL and has no argument."""
    before = _python_function("PyOS_BeforeFork")
    after_in_child = _python_function("PyOS_AfterFork_Child")
    after_in_parent = _python_function("PyOS_AfterFork_Parent")
    loop = _EventLoop()
    collects = gc.isenabled()
    gc.disable()
    try:
        result = _call_between(before, function, after_in_child, after_in_parent)
    finally:
        if collects:
            gc.enable()
    if result == 0:
        loop.restore()
    return int(result)


def _call_between(before: Function, function: Function, after_in_child: Function,
                  after_in_parent: Function) -> Any:
    # Each result decides what is called next: None, that of before(), calls list(), which does
    # nothing; 0 calls after_in_child(); anything else calls after_in_parent().
    do = operator.methodcaller("__call__")
    results, seen = itertools.tee(map(do, (before, function)))
    choices: Any = {None: list, 0: after_in_child}
    next_calls = map(choices.get, results, itertools.repeat(after_in_parent))
    list(map(do, next_calls))
    return list(seen)[1]


def _python_function(name: str, result: Any = None) -> Function:
    # Not ctypes.pythonapi.NAME, whose result type is shared by the whole program.
    return ctypes.PYFUNCTYPE(result)((name, ctypes.pythonapi))


class _EventLoop:
    """What a loop has of this thread and of the process."""

    def __init__(self) -> None:
        asyncio = sys.modules.get("asyncio")
        # In asyncio.__all__, for the loops of others.
        self._running = asyncio and asyncio._get_running_loop()
        if self._running:
            # Now: the interpreter's files may not show inside.
            from concurrent.futures import ThreadPoolExecutor
            # The threads of the one it has will be gone, which it does not know.
            self._executor = ThreadPoolExecutor(thread_name_prefix="asyncio")
        self._wakeup: Optional[int] = None
        try:
            self._wakeup = signal.set_wakeup_fd(-1)
            signal.set_wakeup_fd(self._wakeup)
        except ValueError:
            pass  # not the main thread, which alone has to do with signals

    def restore(self) -> None:
        if self._wakeup is not None:
            signal.set_wakeup_fd(self._wakeup)
        if self._running:
            asyncio: Any = sys.modules["asyncio"]
            asyncio._set_running_loop(self._running)
            asyncio.set_event_loop(self._running)
            self._running.set_default_executor(self._executor)
