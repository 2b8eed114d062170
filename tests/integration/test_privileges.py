"""Invariant 7: the command has no privilege, and the kernel's large or risky parts are closed."""

import os
import select
import shutil
import subprocess
import termios

import harness

# How a refusal looks. Anything else means that the kernel went on to look at the arguments.
REFUSED = {"refused EPERM", "refused EACCES", "refused ENOSYS", "refused SIGSYS"}
ALSO_REFUSED = {
    "socket-key": {"refused EAFNOSUPPORT"},  # a kernel without it
    "socket-alg": {"refused EAFNOSUPPORT"},
    "socket-vsock": {"refused EAFNOSUPPORT"},
    "socket-packet": {"refused EAFNOSUPPORT"},
    "setns-user": {"refused EINVAL"},  # setns(2): one's own user namespace
    "unshare-user-high-bits": {"refused EINVAL"},
    "i386-keyctl": {"refused SIGSEGV"},  # a kernel without that entry
    "setuid-root": {"refused EINVAL"},  # setuid(2): an id that is not mapped
    "process_vm_readv-init": {"refused ESRCH"},
}


@harness.as_root_too
class Privileges(harness.SandboxTest):
    def assert_all_refused(self, findings):
        reached = {name: result for name, result in findings.items()
                   if result not in REFUSED | ALSO_REFUSED.get(name, set())}
        self.assertEqual(reached, {})

    def test_the_command_has_none(self):
        outcome = self.sandbox("cat", "/proc/self/status")
        status = dict(line.split(":\t", 1) for line in outcome.lines() if ":\t" in line)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))

    def test_kernel_interfaces_are_closed(self):
        self.assert_all_refused(self.probe("kernel"))
        self.assertFalse((self.work / "probe-null").exists())

    def test_mounts_cannot_be_changed(self):
        self.assert_all_refused(self.probe("mounts"))

    def test_no_namespace_can_be_made_or_entered(self):
        self.assert_all_refused(self.probe("namespaces"))

    def test_nothing_can_be_typed_into_the_terminal(self):
        self.require("probe")
        shutil.copy(harness.stage.bin_dir / "probe", self.work / "probe")
        out, typed = self.on_a_terminal("./probe", "terminal")
        findings = dict(line.split(": ", 1) for line in out.splitlines()
                        if ": " in line and not line.startswith(self.program))
        self.assertEqual(len(findings), 4, out)
        self.assert_all_refused(findings)
        self.assertEqual(typed, b"")

    def test_a_terminal_stays_one(self):
        out, _ = self.on_a_terminal("sh", "-c", "test -t 0 && test -t 1 && echo a terminal")
        self.assertIn("a terminal", out)

    def on_a_terminal(self, *command):
        """Runs the command in a sandbox on a controlling terminal of its own: (what it printed,
        what is left to be read from the terminal as if it had been typed)."""
        main, side = os.openpty()
        self.addCleanup(os.close, main)
        self.addCleanup(os.close, side)
        if harness.stage.root():
            os.fchown(side, self.identity.uid, -1)
        attributes = termios.tcgetattr(side)
        attributes[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(side, 0, attributes)

        def take_terminal():
            os.setsid()
            os.close(os.open(os.ttyname(0), os.O_RDWR))  # the first opened becomes the controlling

        process = self.start_sandbox(*command, stdin=side, stdout=side, stderr=subprocess.STDOUT,
                                     before_exec=take_terminal)
        self.assertEqual(process.wait(harness.TIMEOUT), 0)
        out = b""
        while select.select([main], [], [], 0)[0]:
            out += os.read(main, 65536)
        typed = b""
        os.set_blocking(side, False)
        try:
            typed = os.read(side, 100)
        except BlockingIOError:
            pass
        return out.decode().replace("\r\n", "\n"), typed


@harness.as_root_too
class PrivilegesInTapbox(Privileges):
    program = "mini-tapbox"
    options = ("-x", "--allow", "allowed.example")
    needs = ("namespaces", "tun", "mini-tapbox")


class Control(harness.SandboxTest):
    """The probes do find what is open: outside of a sandbox."""

    needs = ("namespaces", "probe")

    def test_the_probe_succeeds_outside(self):
        open_outside = {"namespaces": ("unshare-user", "clone-user"), "kernel": ("add_key", "keyctl")}
        for verb, names in open_outside.items():
            outcome = harness.run_bounded([harness.stage.bin_dir / "probe", verb],
                                          identity=self.identity, cwd=self.work)
            findings = dict(line.split(": ", 1) for line in outcome.lines())
            for name in names:
                self.assertEqual(findings[name], "allowed", name)


class Setuid(harness.SandboxTest):
    needs_root = True  # to make a set-user-ID program of root's; a user starts the sandbox

    def test_a_setuid_program_gives_nothing(self):
        self.require("probe")
        program = self.work / "setuid-probe"
        shutil.copy(harness.stage.bin_dir / "probe", program)
        os.chmod(program, 0o6755)
        outside = harness.run_bounded([program, "ids"], identity=self.identity, cwd=self.work)
        self.assertIn("euid: 0", outside.out, "the control: outside it does give root's id")
        outcome = self.sandbox("./setuid-probe", "ids")
        user = self.identity
        self.assertEqual(outcome.out, f"uid: {user.uid} euid: {user.uid} gid: {user.gid} "
                         f"egid: {user.gid}\n", outcome)


# Every way from Python to a file with a mode; a line for each that did not raise EPERM.
MAKE_SET_USER_ID = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), 'call')

def attempt(name, action, expected=errno.EPERM):
    try:
        action()
    except OSError as error:
        if error.errno != expected:
            print(name, error)
    else:
        print(name, 'done')

open('file', 'w').close()
file = os.open('file', os.O_RDWR)
how = (ctypes.c_uint64 * 3)(os.O_CREAT | os.O_WRONLY, 0o4755, 0)
attempt('chmod', lambda: os.chmod('file', 0o4755))
attempt('chmod 6755', lambda: os.chmod('file', 0o6755))
attempt('fchmod', lambda: os.fchmod(file, 0o4755))
attempt('fchmodat', lambda: os.chmod('file', 0o4755, dir_fd=os.open('.', os.O_RDONLY)))
attempt('fchmodat2', lambda: call(452, -100, b'file', 0o4755, 0))
attempt('open', lambda: os.open('opened', os.O_CREAT | os.O_WRONLY, 0o4755))
attempt('O_TMPFILE', lambda: os.open('.', os.O_TMPFILE | os.O_WRONLY, 0o4755))
attempt('openat2', lambda: call(437, -100, b'opened2', how, ctypes.sizeof(how)), errno.ENOSYS)
attempt('mknod', lambda: os.mknod('made', 0o104755))
attempt('mkfifo', lambda: os.mkfifo('fifo', 0o4644))
os.chmod('file', 0o2755)
print('rest of the modes')
"""


@harness.as_root_too
class MadeSetuid(harness.SandboxTest):
    """The bit would be there outside as well, for other users to start the file by."""

    def assert_none_made(self, outcome):
        self.assert_code(outcome, 0)
        self.assertEqual(outcome.out, "rest of the modes\n", outcome)
        for entry in os.scandir(self.work):
            self.assertEqual(entry.stat(follow_symlinks=False).st_mode & 0o4000, 0, entry.name)
        self.assertEqual((self.work / "file").stat().st_mode & 0o7777, 0o2755)

    def test_no_file_is_made_set_user_id(self):
        self.assert_none_made(self.sandbox(harness.PYTHON, "-c", MAKE_SET_USER_ID))

    def test_none_is_copied(self):
        program = self.work / "original"
        shutil.copy("/bin/true", program)
        if harness.stage.root():
            os.chown(program, self.identity.uid, self.identity.gid)
        os.chmod(program, 0o4755)
        self.shell("cp -p original copy; install -m 4755 original installed")
        for path in (self.work / "copy", self.work / "installed"):
            if path.exists():
                self.assertEqual(path.stat().st_mode & 0o4000, 0, path)
        self.assertTrue((self.work / "copy").exists())


class NoNesting(harness.SandboxTest):
    def test_a_user_namespace_cannot_be_made_by_a_program_of_the_host(self):
        outcome = self.sandbox("unshare", "-Ur", "id", "-u")
        self.assertNotEqual(outcome.code, 0, outcome)
        self.assertEqual(outcome.out, "")
