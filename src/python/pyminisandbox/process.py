"""A command that runs in a sandbox, in the manner of subprocess.Popen.

Theory of operation. The C library's process object is freed with this one, which ends what still
runs. Waiting is done here, by poll(2) on the pidfd, so that Python's signal handlers run meanwhile;
the answer is then the library's. Each call into the library that uses the object holds _lock, so
that close() cannot take it away meanwhile.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import select
import selectors
import signal
import subprocess
import threading
import time
import warnings
import weakref
from typing import IO, Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from ._library import Command, Library
from .errors import MiniSandboxErrors, SandboxError

PIPE = subprocess.PIPE
STDOUT = subprocess.STDOUT
DEVNULL = subprocess.DEVNULL

_CHUNK = 65536


class Streams:
    """The three descriptors that a command gets, and our ends of its pipes."""

    def __init__(self, stdin: Any, stdout: Any, stderr: Any) -> None:
        self._to_close: List[int] = []
        self.ours: List[Optional[int]] = [None, None, None]
        self.theirs: List[int] = []
        try:
            for number, wanted in enumerate((stdin, stdout, stderr)):
                self.theirs.append(self._descriptor(number, wanted))
        except BaseException:
            self.close_all()
            raise

    def _descriptor(self, number: int, wanted: Any) -> int:
        if wanted is None:
            return number if _is_open(number) else -1
        if wanted == DEVNULL:
            return -1
        if wanted == STDOUT:
            if number != 2:
                raise ValueError("STDOUT is for stderr only")
            return self.theirs[1]
        if wanted != PIPE:
            return int(wanted) if isinstance(wanted, int) else int(wanted.fileno())
        reader, writer = os.pipe()
        theirs, self.ours[number] = (reader, writer) if number == 0 else (writer, reader)
        self._to_close.append(theirs)
        return theirs

    def close_theirs(self) -> None:
        """When the command has its own."""
        while self._to_close:
            os.close(self._to_close.pop())

    def close_all(self) -> None:
        """When there is no command."""
        self.close_theirs()
        for number, descriptor in enumerate(self.ours):
            if descriptor is not None:
                os.close(descriptor)
            self.ours[number] = None

    def opened(self, text: bool, encoding: Optional[str],
               errors: Optional[str]) -> List[Optional[IO[Any]]]:
        """Our ends, as files whose owner the caller is."""
        files: List[Optional[IO[Any]]] = []
        for number, descriptor in enumerate(self.ours):
            file: Optional[IO[Any]] = None
            if descriptor is not None:
                file = open(descriptor, "wb" if number == 0 else "rb")
                self.ours[number] = None
            if file is not None and text:
                file = io.TextIOWrapper(file, encoding, errors, write_through=number == 0,
                                        line_buffering=number == 0)
            files.append(file)
        return files


class SandboxProcess:
    """A running command. As a context manager it waits for the command, or ends it if the block is
    left by an exception. One that is dropped is ended: keep it for as long as the command shall
    run.

    args, pid (of the supervisor, which ends as the command does), stdin, stdout, stderr and
    returncode are as subprocess.Popen has them: returncode is negative when a signal ended the
    command; 126 and 127 are a command that cannot be executed, or is not there.
    """

    def __init__(self, library: Library, error: Callable[[int], SandboxError],
                 sandbox: ctypes.c_void_p, command: Command, args: Sequence[Any],
                 streams: Streams, text: bool, encoding: Optional[str],
                 errors: Optional[str]) -> None:
        """Sandbox.spawn() makes these."""
        self.args = args
        self.returncode: Optional[int] = None
        self.stdin: Optional[IO[Any]] = None
        self.stdout: Optional[IO[Any]] = None
        self.stderr: Optional[IO[Any]] = None
        self._library = library
        self._error = error
        self._lock = threading.Lock()
        self._text = text
        self._unsent: Optional[memoryview] = None
        self._received: Dict[IO[Any], List[bytes]] = {}
        self._handle: Optional[ctypes.c_void_p] = ctypes.c_void_p()
        # Before there is anything to free: an interrupt may come at any moment.
        self._free = weakref.finalize(self, library.function("mini_sandbox_process_free"),
                                      self._handle)
        self._free.atexit = False  # it goes on when this program ends, as a child process does
        try:
            code = library.function("mini_sandbox_spawn")(
                sandbox, ctypes.byref(command), ctypes.byref(self._handle))
            if code != 0:
                raise error(code)
            self.pid: int = library.function("mini_sandbox_pid")(self._handle)
            self._pidfd: int = library.function("mini_sandbox_pidfd")(self._handle)
            streams.close_theirs()
            self.stdin, self.stdout, self.stderr = streams.opened(text, encoding, errors)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<SandboxProcess: returncode: {self.returncode} args: {self.args!r}>"

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None and self.returncode is None:
            warnings.warn(f"{self!r} still runs, and is ended", ResourceWarning, source=self)

    def __enter__(self) -> SandboxProcess:
        return self

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        if kind is not None:
            self.end()
            return
        try:
            self._close_streams()
            self.wait()
        finally:
            self.close()

    def end(self) -> None:
        """Ends what still runs, waits until nothing of the sandbox is left, and closes all."""
        try:
            self.kill()
            self.wait()
        except SandboxError:
            pass  # 125, as it is ended anyway
        finally:
            self._close_streams()
            self.close()

    def _close_streams(self) -> None:
        # Without a reader, what the command still writes fails, instead of waiting for us.
        for stream in (self.stdout, self.stderr):
            if stream:
                stream.close()
        try:
            if self.stdin:
                self.stdin.close()  # may flush
        except BrokenPipeError:
            pass

    def close(self) -> None:
        """Ends what still runs, and gives everything back but the streams."""
        with self._lock:
            self._handle = None
            self._free()

    def _call(self, name: str, *arguments: Any) -> int:
        with self._lock:
            if self._handle is None:
                raise ValueError("the process is closed")
            return int(self._library.function(name)(self._handle, *arguments))

    # --- Its end ---

    def poll(self) -> Optional[int]:
        """The return code, or None while the command runs."""
        return self.wait() if self._has_ended(0) else None

    def wait(self, timeout: Optional[float] = None) -> int:
        """The return code, when the command has ended and nothing of the sandbox is left. Raises
        subprocess.TimeoutExpired after `timeout` seconds, and SetupError if the sandbox could not
        be kept up."""
        if self.returncode is None:
            if not self._has_ended(timeout):
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            self._collect()
        assert self.returncode is not None
        return self.returncode

    def _has_ended(self, timeout: Optional[float]) -> bool:
        if self.returncode is not None:
            return True
        if self._handle is None:
            raise ValueError("the process is closed")
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(None if timeout is None else max(0, timeout * 1000)))

    def _collect(self) -> None:
        status = ctypes.c_int(125 << 8)  # where the library cannot tell
        code = self._call("mini_sandbox_wait", -1, ctypes.byref(status))
        # os.waitstatus_to_exitcode() without what it says of a stopped child.
        self.returncode = (-os.WTERMSIG(status.value) if os.WIFSIGNALED(status.value)
                           else os.WEXITSTATUS(status.value))
        if code != 0:
            raise self._error(code)

    def send_signal(self, number: int) -> None:
        """To the command; SIGKILL ends the whole sandbox. Does nothing when it has ended."""
        if self.poll() is not None:
            return
        code = self._call("mini_sandbox_kill", int(number))
        if code not in (0, MiniSandboxErrors.ENDED):
            raise self._error(code)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: nothing of the sandbox goes on."""
        self.send_signal(signal.SIGKILL)

    # --- Input and output ---

    def communicate(self, input: Any = None,
                    timeout: Optional[float] = None) -> Tuple[Any, Any]:
        """Sends `input`, reads stdout and stderr to their end, waits, and returns both. After
        subprocess.TimeoutExpired it may be called again: nothing is lost."""
        deadline = None if timeout is None else time.monotonic() + timeout
        if self._unsent is None:
            self._unsent = memoryview(self._encoded(input))
            if self.stdin and not self.stdin.closed:
                _flush(self.stdin)
        self._exchange(deadline, timeout)
        if not self._has_ended(None if deadline is None else deadline - time.monotonic()):
            raise self._expired(timeout)
        self.wait()
        return self._all_received(self.stdout), self._all_received(self.stderr)

    def _exchange(self, deadline: Optional[float], timeout: Optional[float]) -> None:
        with selectors.PollSelector() as selector:
            if self.stdin and not self.stdin.closed:
                os.set_blocking(self.stdin.fileno(), False)
                selector.register(self.stdin, selectors.EVENT_WRITE, self._send)
            for stream in (self.stdout, self.stderr):
                if stream and not stream.closed:
                    selector.register(stream, selectors.EVENT_READ, self._receive)
            while selector.get_map():
                left = None if deadline is None else deadline - time.monotonic()
                ready = [] if left is not None and left < 0 else selector.select(left)
                if not ready and deadline is not None and time.monotonic() >= deadline:
                    raise self._expired(timeout)
                for key, _ in ready:
                    go_on: Callable[[Any], bool] = key.data
                    if not go_on(key.fileobj):
                        selector.unregister(key.fileobj)
                        key.fileobj.close()  # type: ignore[union-attr]

    def _expired(self, timeout: Optional[float]) -> subprocess.TimeoutExpired:
        return subprocess.TimeoutExpired(
            self.args, timeout or 0.0, self._received_bytes(self.stdout),
            self._received_bytes(self.stderr))

    def _send(self, stream: IO[Any]) -> bool:
        assert self._unsent is not None
        if self._unsent:
            try:
                sent = os.write(stream.fileno(), self._unsent[:_CHUNK])
            except BlockingIOError:
                return True
            except BrokenPipeError:
                return False
            self._unsent = self._unsent[sent:]
        return bool(self._unsent)

    def _receive(self, stream: IO[Any]) -> bool:
        data = os.read(stream.fileno(), _CHUNK)
        self._received.setdefault(stream, []).append(data)
        return bool(data)

    def _encoded(self, data: Any) -> bytes:
        if data is None:
            return b""
        if not self.stdin:
            raise ValueError("input needs stdin=PIPE")
        if self._text:
            if not isinstance(data, str):
                raise TypeError(f"input: expected str, as text was asked for, not "
                                f"{type(data).__name__}")
            return data.encode(self.stdin.encoding, self.stdin.errors)  # type: ignore
        return bytes(memoryview(data))

    def _received_bytes(self, stream: Optional[IO[Any]]) -> Optional[bytes]:
        return b"".join(self._received.get(stream, [])) if stream else None

    def _all_received(self, stream: Optional[IO[Any]]) -> Any:
        data = self._received_bytes(stream)
        if data is None or not self._text:
            return data
        text = data.decode(stream.encoding, stream.errors)  # type: ignore[union-attr]
        return text.replace("\r\n", "\n").replace("\r", "\n")

    # --- What the network does ---

    def events(self) -> Iterator[Dict[str, Any]]:
        """What the network of a sandbox with rules allowed and refused, as it happens, until its
        end: the objects that `mini-tapbox --log` writes, a line each (docs/flags.md). Lines that a
        slow reader has missed are counted by one of their own. For one reader."""
        descriptor = self._call("mini_sandbox_events_fd")
        if descriptor < 0:
            raise ValueError("no events: they are of a network behind allow, allow_files or "
                             "allow_public")
        return self._read_events(descriptor)

    def _read_events(self, descriptor: int) -> Iterator[Dict[str, Any]]:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        unfinished = b""
        while True:
            poll.poll()
            with self._lock:  # close() closes it
                if self._handle is None:
                    return
                try:
                    data = os.read(descriptor, _CHUNK)
                except BlockingIOError:
                    continue
            if not data:
                return
            *lines, unfinished = (unfinished + data).split(b"\n")
            for line in lines:
                yield json.loads(line)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _flush(stream: IO[Any]) -> None:
    try:
        stream.flush()
    except BrokenPipeError:
        pass
