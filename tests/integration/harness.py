"""What every integration test shares: the staged binaries, identities, bounded runs, leftovers.

Theory of operation. `run` builds one World in its own process, so that the tests live on the world's
host: as root, or as root of a user namespace when an ordinary user runs them. Sandboxes are started
as an Identity, by default the unprivileged one. As the test process is the subreaper of everything it
starts, a process that a sandbox leaves behind shows up as its child: after every test there must be
none (invariant 9), and what is there is killed.
"""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

import linux
import world

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT = 20  # seconds a single sandbox may take, unless a test says otherwise
TEST_LIMIT = 30  # seconds a whole test may take, unless its class says otherwise
SECRET = "TOPSECRET"
# Of clients that are built with one, see tests/sanitizers/run.
SANITIZER_OPTIONS = {name: value for name, value in os.environ.items()
                     if name.endswith("SAN_OPTIONS")}
PYTHON = "/usr/bin/python3"  # inside; ours may lie in somebody's HOME


@dataclasses.dataclass
class Identity:
    """Who starts a sandbox."""
    name: str
    uid: int
    gid: int
    home: str
    assume: object  # called in the child before exec

    def environment(self):
        return {"HOME": self.home, "USER": self.name, "LOGNAME": self.name,
                "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8",
                "TERM": "dumb", **SANITIZER_OPTIONS}


@dataclasses.dataclass
class Outcome:
    code: int  # as subprocess has it: negative when a signal ended the sandbox's supervisor
    out: str
    err: str
    seconds: float

    def lines(self):
        return self.out.splitlines()

    def verdicts(self):
        """The lines that report a refusal."""
        return [line for line in self.err.splitlines() if ": refused " in line]

    def __str__(self):
        return (f"exit code {self.code} after {self.seconds:.2f} s\n--- stdout\n{self.out[-4000:]}"
                f"\n--- stderr\n{self.err[-4000:]}")


class Stage:
    """Where the tests of one run take place. One global instance, `stage`, filled in by `run`."""

    def __init__(self):
        self.run_dir = None
        self.bin_dir = None
        self.identities = {}
        self.problems = {}  # "namespaces", "tun", "mini-sandbox", "mini-tapbox", "probe" -> reason
        self.servers = None  # the pid of the world's servers, in whose network namespace they are
        self.kept = set()  # processes that belong to the run itself
        self.durations = {}  # seconds of every test
        self.started = set()  # sandboxes that a test still holds

    def user(self):
        return self.identities["user"]

    def root(self):
        return self.identities.get("root")


stage = Stage()
IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")


def stage_binaries(bin_dir, probe_dir):
    """Copies to where the unprivileged user can read and root's tests can change modes."""
    stage.bin_dir = pathlib.Path(stage.run_dir) / "bin"
    stage.bin_dir.mkdir()
    os.chmod(stage.bin_dir, 0o755)
    for directory, name in ((bin_dir, "mini-sandbox"), (bin_dir, "mini-tapbox"),
                            (probe_dir, "probe"), (probe_dir, "capi-client-static"),
                            (probe_dir, "capi-client-shared"), (probe_dir, "capi-client-tapbox"),
                            (probe_dir, "capi-objects-static"),
                            (probe_dir, "capi-objects-shared"),
                            (probe_dir, "capi-objects-tapbox"),
                            (probe_dir, "libmini-sandbox.so.1"),
                            (probe_dir, "libmini-tapbox.so.1")):
        source = directory / name if directory else None
        if source and source.is_file():
            shutil.copy(source, stage.bin_dir / name)
            os.chmod(stage.bin_dir / name, 0o755)
        else:
            stage.problems[name] = f"{name} is not built (looked in {directory})"


def identities_of_root(account):
    """Root, who runs the tests, and the account by which it shows what ordinary users get."""
    root = world.Account.find("root")
    stage.identities = {
        "user": Identity(account.name, account.uid, account.gid, account.home, account.assume),
        "root": Identity("root", 0, 0, root.home, lambda: None),
    }
    cover_home(stage.identities["root"])
    if account.name != world.DEFAULT_ACCOUNT:
        cover_home(stage.identities["user"])


def cover_home(identity):
    """An empty directory over somebody's HOME, in our own mount namespace only: tests put false
    secrets there."""
    fresh = pathlib.Path(stage.run_dir) / f"home-of-{identity.name}"
    fresh.mkdir(mode=0o700)
    if stage.root():
        os.chown(fresh, identity.uid, identity.gid)
    linux.mount(str(fresh), identity.home, flags=linux.MS_BIND)


def cover_shared_directories():
    """Fresh /tmp and /dev/shm, in our own mount namespace: what a sandbox left there would show."""
    for path in ("/tmp", "/dev/shm"):
        linux.mount("mini-test", path, "tmpfs", data="mode=1777")


def run_bounded(argv, *, identity, cwd, env=None, stdin=b"", timeout=TIMEOUT, before_exec=None,
                pass_fds=()):
    """Runs argv as identity and returns its Outcome. What does not end in time is killed."""
    environment = {**identity.environment(), **(env or {})}
    process = start(argv, identity=identity, cwd=cwd, env=environment, before_exec=before_exec,
                    pass_fds=pass_fds, stdin=subprocess.PIPE if stdin is not None else None)
    begun = time.monotonic()
    try:
        out, err = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        kill_family(process.pid)
        out, err = process.communicate()
        outcome = Outcome(process.returncode, _text(out), _text(err), time.monotonic() - begun)
        raise AssertionError(f"{argv[:8]} did not end within {timeout} s: {outcome}") from None
    finally:
        stage.started.discard(process.pid)
    return Outcome(process.returncode, _text(out), _text(err), time.monotonic() - begun)


def start(argv, *, identity, cwd, env=None, before_exec=None, pass_fds=(),
          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE):
    holder = os.getpid()

    def in_child():
        # A runner in the background or behind nohup(1) ignores some, and so would what it starts.
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        identity.assume()
        linux.die_with_parent(holder)
        if before_exec:
            before_exec()

    process = subprocess.Popen([os.fspath(argument) for argument in argv], cwd=cwd,
                               env=identity.environment() if env is None else env,
                               stdin=stdin, stdout=stdout, stderr=stderr, preexec_fn=in_child,
                               pass_fds=pass_fds)
    stage.started.add(process.pid)
    return process


def _text(raw):
    return raw.decode("utf-8", "replace")


def kill_family(pid):
    for member in [*linux.descendants_of(pid), pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)


def listen_on_unix(path):
    """A listening socket that everybody may connect to."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    os.chmod(path, 0o777)
    listener.listen()
    return listener


def wait_until(condition, seconds, what):
    """Polls; the interval is short against what is waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def resident_memory(pid):
    """In bytes (proc(5), statm)."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def strangers():
    """Processes that run below us and that nobody accounts for. What has ended and became our child
    is reaped, as process 1 of a host does it."""
    found = []
    for pid in linux.children_of(os.getpid()):
        if pid in stage.kept or pid in stage.started:
            continue
        with contextlib.suppress(ChildProcessError, FileNotFoundError):
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    name = file.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
                found.append((pid, name))
    return found


class SandboxTest(unittest.TestCase):
    """Base of the tests. `program`, `options` and `identity_name` may be overridden by a class."""

    program = "mini-sandbox"
    options = ("-x",)
    identity_name = "user"
    needs = ("namespaces", "mini-sandbox")
    limit = TEST_LIMIT

    def run(self, result=None):
        def too_long(*_):
            raise AssertionError(f"the test took longer than {self.limit} s")

        previous = signal.signal(signal.SIGALRM, too_long)
        signal.alarm(self.limit)
        begun = time.monotonic()
        try:
            return super().run(result)
        finally:
            stage.durations[self.id()] = time.monotonic() - begun
            signal.alarm(0)
            signal.signal(signal.SIGALRM, previous)

    @property
    def identity(self):
        return stage.identities[self.identity_name]

    @property
    def binary(self):
        return stage.bin_dir / self.program

    def setUp(self):
        self.require(*self.needs)
        # Neither in /tmp nor in HOME, which the sandbox hides or overlays.
        self.scratch = pathlib.Path(stage.run_dir) / f"test-{self._testMethodName[:60]}"
        self.scratch.mkdir()
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)
        self.work = self.scratch / "work"
        self.make_directory(self.work)
        self.addCleanup(self._expect_no_leftover)

    def require(self, *needs):
        for need in needs:
            reason = stage.problems.get(need)
            if reason and IN_CI:
                self.fail(reason)
            if reason:
                self.skipTest(f"{reason} (test_machine fails for it)")

    @property
    def home(self):
        return pathlib.Path(self.identity.home)

    def in_home(self, name):
        """A path in HOME that is not there, and will not be after the test."""
        path = self.home / name
        self.assertFalse(os.path.lexists(path), f"{path} is in the way")
        self.addCleanup(_remove, path)
        return path

    def plant_secrets(self):
        """What thieves look for, in HOME; every file says SECRET."""
        for name in (".ssh", ".aws", ".gnupg", ".config"):
            self.make_directory(self.in_home(name), 0o700)
        for name in (".ssh/id_ed25519", ".aws/credentials", ".gnupg/secring.gpg", ".config/token"):
            self.make_file(self.home / name, f"{SECRET} {name}\n", 0o600)
        for name in (".netrc", ".bash_history"):
            self.make_file(self.in_home(name), f"{SECRET} {name}\n", 0o600)

    def mount_tmpfs(self, path):
        """A submount, seen by sandboxes started from now on."""
        linux.mount("submount", str(path), "tmpfs", data="mode=0755")
        self.addCleanup(linux.umount_lazily, str(path))
        self.give(path)

    def make_directory(self, path, mode=0o755):
        path.mkdir(mode=mode)
        self.give(path)
        return path

    def make_file(self, path, text="", mode=0o644):
        data = text if isinstance(text, bytes) else text.encode()
        path.write_bytes(data)
        os.chmod(path, mode)
        self.give(path)
        return path

    def give(self, path):
        """To the identity of this test; root of a user namespace is that user already."""
        if stage.root():
            os.chown(path, self.identity.uid, self.identity.gid, follow_symlinks=False)

    def sandbox(self, *command, options=None, program=None, cwd=None, **more):
        """`program OPTIONS -- COMMAND` in the work directory, as this test's identity."""
        argv = [stage.bin_dir / (program or self.program),
                *(self.options if options is None else options), "--", *command]
        return run_bounded(argv, identity=self.identity, cwd=cwd or self.work, **more)

    def shell(self, script, *arguments, **more):
        return self.sandbox("sh", "-c", script, "sh", *arguments, **more)

    def start_sandbox(self, *command, options=None, cwd=None, **more):
        """The running Popen; the test ends it, and a cleanup makes sure."""
        argv = [self.binary, *(self.options if options is None else options), "--", *command]
        process = start(argv, identity=self.identity, cwd=cwd or self.work, **more)
        self.addCleanup(self._end, process)
        return process

    @staticmethod
    def _end(process):
        if process.poll() is None:
            kill_family(process.pid)
        if process.stdin:
            process.stdin.close()
        process.stdin = None
        process.communicate()
        stage.started.discard(process.pid)

    def probe(self, *arguments, **more):
        """What the probe printed, as {name: result}."""
        self.require("probe")
        shutil.copy(stage.bin_dir / "probe", self.work / "probe")
        outcome = self.sandbox("./probe", *arguments, **more)
        self.assert_code(outcome, 0)
        findings = dict(line.split(": ", 1) for line in outcome.lines() if ": " in line)
        self.assertTrue(findings, outcome)
        return findings

    def assert_code(self, outcome, code):
        self.assertEqual(outcome.code, code, outcome)

    def assert_setup_error(self, outcome, code, *parts):
        """Exit code `code`, nothing on stdout, and one of our messages that has every part."""
        self.assert_code(outcome, code)
        self.assertEqual(outcome.out, "", outcome)
        self.assertTrue(any(line.startswith(f"{self.program}: ") for line in
                            outcome.err.splitlines()), outcome)
        for part in parts:
            self.assertIn(part, outcome.err, outcome)

    def _expect_no_leftover(self):
        # What has just been told to die may need a moment, and so may whoever reaps orphans here.
        deadline = time.monotonic() + 5
        while strangers() and time.monotonic() < deadline:
            time.sleep(0.01)
        left = strangers()
        for pid, _ in left:
            kill_family(pid)
        self.assertEqual(left, [], "processes were left behind")


def only_by_root(test):
    """Where somebody else runs the tests this is none, rather than one that is skipped."""
    return test if os.geteuid() == 0 else None


def as_root_too(cls):
    """Adds a twin of the class to its module whose sandboxes are started by root."""
    twin = type(cls.__name__ + "AsRoot", (cls,),
                {"identity_name": "root", "needs_root": True, "__module__": cls.__module__})
    setattr(sys.modules[cls.__module__], twin.__name__, twin)
    return cls


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def snapshot(*trees):
    """Everything about every entry that a write would change, for comparing before and after.
    Access times are left out: reading changes those."""
    state = {}
    for tree in trees:
        _record(os.fspath(tree), state)
        for parent, directories, files in os.walk(tree, followlinks=False):
            for name in (*directories, *files):
                _record(os.path.join(parent, name), state)
    return state


def _record(path, state):
    with contextlib.suppress(FileNotFoundError):
        entry = os.lstat(path)
        link = os.readlink(path) if os.path.islink(path) else ""
        state[path] = (entry.st_mode, entry.st_uid, entry.st_gid, entry.st_ino, entry.st_nlink,
                       entry.st_size, entry.st_mtime_ns, entry.st_ctime_ns, link)


def differences(before, after):
    return sorted(path for path in before.keys() | after.keys()
                  if before.get(path) != after.get(path))
