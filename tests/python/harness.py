"""What the tests of the Python package share: programs that are run in a process of their own."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PACKAGE_DIR = pathlib.Path(
    os.environ.get("MINI_SANDBOX_PYTHON_DIR", REPOSITORY / "dist/python")).resolve()
TIMEOUT = 30  # seconds

# What shows of the interpreter inside, wherever it is installed.
PYTHON_PLACES = sorted({os.path.realpath(place) for place in (sys.prefix, sys.base_prefix)})

PREAMBLE = """
import os, sys
from pyminisandbox import pyminisandbox as sandbox

def start():
    sandbox.mini_sandbox_setup_default()
    for place in {places}:
        if not place.startswith("/usr"):
            assert sandbox.mini_sandbox_mount_bind(place) == 0
    code = sandbox.mini_sandbox_start()
    assert code == 0, sandbox.mini_sandbox_get_last_error_msg()
""".format(places=PYTHON_PLACES)


class ProgramTest(unittest.TestCase):
    maxDiff = None
    once = False  # True: who runs it makes no difference, and root leaves it to the user

    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="mini-sandbox-python-", dir="/var/tmp"))
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.work = self.place / "work"
        self.work.mkdir()

    def environment(self, package=PACKAGE_DIR, **more):
        kept = {name: os.environ[name] for name in ("HOME", "PATH", "LANG", "CI")
                if name in os.environ}
        return {**kept, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1", **more}

    def execute(self, argv, *, code=0, env=None, **more):
        """Runs argv in the work directory and returns the CompletedProcess."""
        done = subprocess.run([os.fspath(word) for word in argv], text=True, check=False,
                              cwd=self.work, env=env or self.environment(), timeout=TIMEOUT,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, **more)
        self.assertEqual(done.returncode, code, f"\n{done.stdout}{done.stderr}")
        return done

    def program(self, text, *arguments, preamble=PREAMBLE, stderr="", **more):
        """Runs the Python program `text` and returns the lines that it printed."""
        done = self.execute([sys.executable, "-c", preamble + textwrap.dedent(text), *arguments],
                            **more)
        self.assertEqual(done.stderr, stderr)
        return done.stdout.splitlines()

    def start_program(self, text, *arguments, **more):
        """The running Popen of the same, which ends with the test at the latest."""
        process = subprocess.Popen(
            [sys.executable, "-c", PREAMBLE + textwrap.dedent(text), *arguments], text=True,
            cwd=self.work, env=self.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)

        def end():
            process.kill()
            process.communicate()

        self.addCleanup(end)
        return process
