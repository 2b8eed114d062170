"""A shell that does what it is told: in a sandbox, behind a network stack, or in neither."""

import os
import re
import select
import subprocess
import tempfile
import time

from machine import BenchError

PATIENCE = 30


def numbers(line):
    """{"done": 10.0, ...} of `done=10 ...`."""
    return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", line)}


def reap(process):
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()


class Shell:
    """Ends with its `with`, and with its standard input at the latest."""

    def __init__(self, name, command, env):
        self.name = name
        self.errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=self.errors)
        self.pid = self._process.pid
        self._asked = 0
        self._received = b""

    def __enter__(self):
        try:
            self.tell("true")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        reap(self._process)
        self.errors.close()

    def fail(self, what):
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace")
        raise BenchError(f"{self.name}: {what}\n{said[-1000:]}")

    def tell(self, script, limit=PATIENCE):
        """Runs a script; what it printed."""
        self._asked += 1
        try:
            self._process.stdin.write(f"( {script}\n) </dev/null; echo END {self._asked} $?\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            self.fail("has ended")
        deadline = time.monotonic() + limit
        end = re.compile(rf"^END {self._asked} (\d+)\n".encode(), re.MULTILINE)
        while not (found := end.search(self._received)):
            readable, _, _ = select.select([self._process.stdout], [], [], max(0, deadline - time.monotonic()))
            if not readable:
                self.fail(f"hangs at: {script}")
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                self.fail("has ended")
            self._received += data
        text = self._received[:found.start()].decode()
        self._received = self._received[found.end():]
        if found[1] != b"0":
            self.fail(f"{script}: exit {found[1].decode()}\n{text[-1000:]}")
        return text
