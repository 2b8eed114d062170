"""--allow-degraded: where namespaces are refused, landlock and seccomp have to do. Hostile attempts
fail, useful work works, and nothing is left behind."""

import errno
import os
import pathlib
import signal
import socket

import harness
import linux


def refuse_namespaces():
    """As the seccomp profile of a container does it."""
    linux.refuse_calls({"clone3": errno.ENOSYS, "unshare": errno.EPERM, "clone": errno.EPERM})


def forbid_namespaces():
    """As an administrator does it; the command stays an ordinary user."""
    linux.enter_user_namespace(os.getuid(), os.getgid())
    with open("/proc/sys/user/max_user_namespaces", "w", encoding="ascii") as file:
        file.write("0")


def hide_landlock():
    """A kernel without landlock."""
    refuse_namespaces()
    linux.refuse_calls({"landlock_create_ruleset": errno.ENOSYS})


class DegradedTest(harness.SandboxTest):
    options = ("-x", "--allow-degraded")

    def sandbox(self, *command, before_exec=refuse_namespaces, **more):
        return super().sandbox(*command, before_exec=before_exec, **more)

    def python(self, script, *arguments, **more):
        return self.sandbox(harness.PYTHON, "-c", script, *map(str, arguments), **more)

    def scratch_directories(self):
        return sorted(path for path in os.listdir("/tmp") if path.startswith("mini-sandbox-"))

    def assert_refused(self, script, *arguments, answer=("EACCES", "EPERM")):
        """The Python statement raises an OSError with one of these."""
        wrapped = ("import errno, os, socket, sys\ntry:\n    " + script +
                   "\nexcept OSError as error:\n    print(errno.errorcode[error.errno])\n"
                   "else:\n    print('done')\n")
        outcome = self.python(wrapped, *arguments)
        self.assert_code(outcome, 0)
        self.assertIn(outcome.out.strip(), answer, f"{script}: {outcome}")


class Choice(DegradedTest):
    def test_without_the_option_nothing_runs(self):
        for restriction in (refuse_namespaces, forbid_namespaces):
            outcome = self.sandbox("true", options=("-x",), before_exec=restriction)
            self.assert_setup_error(outcome, 125)

    def test_the_full_sandbox_is_made_where_it_can_be(self):
        outcome = self.sandbox("sh", "-c", "ls /tmp; echo $$", before_exec=None)
        self.assert_code(outcome, 0)
        self.assertEqual(outcome.err, "")
        self.assertLess(int(outcome.lines()[-1]), 10)  # of a PID namespace

    def test_it_says_what_is_missing(self):
        for restriction in (refuse_namespaces, forbid_namespaces):
            outcome = self.sandbox("true", before_exec=restriction)
            self.assert_code(outcome, 0)
            for part in ("DEGRADED", "no private HOME, /tmp", "command lines are visible",
                         "no overlays", "no sockets"):
                self.assertIn(part, outcome.err)

    def test_a_kernel_without_landlock_runs_nothing(self):
        outcome = self.sandbox("echo", "ran", before_exec=hide_landlock)
        self.assert_setup_error(outcome, 125, "landlock")

    def test_what_needs_namespaces_is_refused_by_name(self):
        for option in (("-R",), ("-U",), ("-H",), ("-n",), ("-e", "/srv"), ("--nested",),
                       ("-M", "/usr/share", "-m", "/opt")):
            outcome = self.sandbox("echo", "ran", options=(*self.options, *option))
            self.assertIn(outcome.code, (2, 125), outcome)
            self.assertEqual(outcome.out, "")

    def test_the_plan_shows_it_and_does_nothing(self):
        before = self.scratch_directories()
        outcome = self.sandbox("true", options=(*self.options, "--print-plan"))
        self.assert_code(outcome, 0)
        self.assertIn("no namespaces, landlock", outcome.out)
        self.assertIn(f"allow write {self.work}\n", outcome.out)
        self.assertEqual(self.scratch_directories(), before)


class Root(harness.SandboxTest):
    identity_name = "root"
    needs_root = True

    def test_root_is_refused(self):
        outcome = self.sandbox("echo", "ran", options=("-x", "--allow-degraded"),
                               before_exec=refuse_namespaces)
        self.assert_setup_error(outcome, 125, "root without them is root")


class Hostile(DegradedTest):
    def setUp(self):
        super().setUp()
        self.victim = self.make_file(self.scratch / "victim", "text\n")

    def test_nothing_outside_is_changed(self):
        before = harness.snapshot(self.scratch)
        for script in ("open(sys.argv[1], 'a')", "os.truncate(sys.argv[1], 0)",
                       "os.unlink(sys.argv[1])", "os.rename(sys.argv[1], sys.argv[1] + 'x')",
                       "os.chmod(sys.argv[1], 0o777)", "os.utime(sys.argv[1], (1, 1))",
                       "os.chown(sys.argv[1], os.getuid(), os.getgid())",
                       "os.fchmod(os.open(sys.argv[1], os.O_RDONLY), 0o777)",
                       "os.utime(os.open(sys.argv[1], os.O_RDONLY), (1, 1))",
                       "os.chmod('/proc/self/fd/%d' % os.open(sys.argv[1], 0), 0o777)",
                       "os.symlink(sys.argv[1], 'link'); os.chmod('link', 0o777)",
                       "os.mkdir(sys.argv[1] + '.d')", "os.mknod(sys.argv[1] + '.f', 0o10600)"):
            self.assert_refused(script, self.victim)
        self.assert_refused("os.link(sys.argv[1], 'mine')", self.victim,
                            answer=("EXDEV", "EACCES"))
        self.assert_refused("os.rename('probe-me', sys.argv[1])", self.victim,
                            answer=("ENOENT", "EXDEV", "EACCES"))
        self.assert_refused("os.setxattr(sys.argv[1], 'user.a', b'b')", self.victim,
                            answer=("ENOTSUP", "EOPNOTSUPP"))
        after = harness.snapshot(self.scratch)
        changed = [path for path in harness.differences(before, after)
                   if not path.startswith(str(self.work))]
        self.assertEqual(changed, [])

    def test_no_file_becomes_set_user_id(self):
        for script in ("open('f', 'w'); os.chmod('f', 0o4755)",
                       "os.fchmod(os.open('f', os.O_CREAT | os.O_RDWR), 0o6755)",
                       "os.open('g', os.O_CREAT | os.O_WRONLY, 0o4755)"):
            self.assert_refused(script, answer=("EPERM",))
        for entry in os.scandir(self.work):
            self.assertEqual(entry.stat().st_mode & 0o4000, 0, entry.name)

    def test_no_path_leads_to_files_of_the_supervisor(self):
        """Its working directory is the command's own: what changed would show there."""
        before = os.stat(self.work).st_mode
        self.assert_refused("os.symlink('/proc/self', 'self'); os.chmod('self/cwd', 0o777)",
                            answer=("ELOOP",))
        for path in ("/proc/../proc/self/cwd", "//proc/self/cwd", "/proc//self/cwd",
                     "/proc/./thread-self/cwd", "/dev/fd/0", "/dev/fd/3", "//proc/self/fd/3",
                     "/proc/self/cwd/self/cwd", "/proc/self/../self/cwd", "/dev/stdin",
                     "/proc/self/task/../cwd", "../../../../../../proc/self/cwd"):
            self.assert_refused("os.chmod(sys.argv[1], 0o777)", path,
                                answer=("ELOOP", "ENOENT", "EPERM"))
            self.assert_refused("os.utime(sys.argv[1], (1, 1))", path,
                                answer=("ELOOP", "ENOENT", "EPERM"))
        self.assertEqual(os.stat(self.work).st_mode, before)

    def test_secrets_cannot_be_read(self):
        for name in (".degraded-secret", "degraded-secret"):
            secret = self.make_file(self.in_home(name), harness.SECRET)
            self.assert_refused("open(sys.argv[1])", secret)
        self.assert_refused("os.listdir(sys.argv[1])", self.home)
        for name in ("/tmp", "/run", "/var/tmp", "/dev", "/dev/shm"):
            self.assert_refused("os.listdir(sys.argv[1])", name)

    def test_a_link_in_the_work_tree_leads_to_no_secret(self):
        directory = self.make_directory(self.in_home("degraded-secrets"))
        self.make_file(directory / "key", harness.SECRET)
        os.symlink(directory, self.work / "link")
        self.assert_refused("open('link/key')")
        self.assert_refused("open('/proc/self/cwd/link/key')")

    def test_no_socket_is_reached(self):
        path = str(self.scratch / "listener")
        with harness.listen_on_unix(path), socket.socket(socket.AF_UNIX) as abstract, \
                socket.create_server(("127.0.0.1", 0)) as server:
            abstract.bind("\0mini-test-degraded")
            abstract.listen()
            for script in ("socket.socket(socket.AF_UNIX).connect(sys.argv[1])",
                           "socket.socket(socket.AF_UNIX).connect('\\0mini-test-degraded')",
                           "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
                           "socket.create_connection(('127.0.0.1', int(sys.argv[2])))"):
                self.assert_refused(script, path, server.getsockname()[1])

    def test_no_process_of_the_host_is_touched(self):
        process = harness.start(["sleep", "100"], identity=self.identity, cwd=self.work)
        self.addCleanup(self._end, process)
        pid = process.pid
        for script in ("os.kill(int(sys.argv[1]), 15)", "os.kill(int(sys.argv[1]), 0)",
                       "open('/proc/%s/environ' % sys.argv[1]).read()",
                       "open('/proc/%s/mem' % sys.argv[1], 'r+b')",
                       "os.readlink('/proc/%s/exe' % sys.argv[1])",
                       "import resource; resource.prlimit(int(sys.argv[1]), 0, (1, 1))",
                       "os.setpriority(os.PRIO_PROCESS, int(sys.argv[1]), 19)",
                       "os.sched_setaffinity(int(sys.argv[1]), {0})",
                       "import signal; signal.pidfd_send_signal("
                       "os.pidfd_open(int(sys.argv[1])), 15)"):
            self.assert_refused(script, pid)
        attach = ("import ctypes; libc = ctypes.CDLL(None, use_errno=True); "
                  "libc.ptrace(16, int(sys.argv[1]), 0, 0) == 0 or sys.exit(print("
                  "errno.errorcode[ctypes.get_errno()]) or 0)")
        self.assert_refused(attach, pid)
        self.assertIsNone(process.poll())

    def test_the_supervisor_cannot_be_killed(self):
        outcome = self.shell("kill -9 $PPID; kill -9 -1; echo survived")
        self.assertNotEqual(outcome.code, 137 - 256, outcome)
        self.assertIn("mini-sandbox: DEGRADED", outcome.err)
        # kill(-1) reaches only what is inside: the shell itself is spared (kill(2)).
        self.assertEqual(outcome.out, "survived\n", outcome)

    def test_output_files_keep_their_modes(self):
        result = self.make_file(self.scratch / "result", "", 0o640)
        with open(result, "w", encoding="ascii") as file:
            process = self.start_sandbox(harness.PYTHON, "-c", "import os\nprint('out', flush=True)"
                                         "\nos.fchmod(1, 0o777)", stdout=file,
                                         before_exec=refuse_namespaces)
            self.assertEqual(process.wait(harness.TIMEOUT), 1)
        self.assertEqual(result.read_text(), "out\n")
        self.assertEqual(os.stat(result).st_mode & 0o777, 0o640)

    def test_the_command_has_no_privilege(self):
        outcome = self.sandbox("cat", "/proc/self/status")
        status = dict(line.split(":\t", 1) for line in outcome.lines() if ":\t" in line)
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))

    def test_the_kernel_interfaces_are_closed(self):
        findings = self.probe("namespaces")
        self.assertEqual([name for name, result in findings.items() if result == "allowed"], [])
        findings = self.probe("kernel")
        self.assertEqual([name for name, result in findings.items() if result == "allowed"], [])
        findings = self.probe("mounts")
        self.assertEqual([name for name, result in findings.items() if result == "allowed"], [])


class Useful(DegradedTest):
    def test_modes_and_times_can_be_set_where_it_may_write(self):
        outcome = self.python(
            "import os\nopen('f', 'w').close()\nos.chmod('f', 0o751)\nos.utime('f', (5, 6))\n"
            "os.chmod(os.path.join(os.environ['TMPDIR']), 0o700)\n"
            "fd = os.open('f', os.O_RDONLY)\nos.fchmod(fd, 0o740)\nos.utime(fd, (7, 8))\n"
            "d = os.open('.', os.O_RDONLY)\nos.chmod('f', 0o750, dir_fd=d)\n"
            "os.symlink('f', 'l')\nos.utime('l', (9, 9), follow_symlinks=False)\n")
        self.assert_code(outcome, 0)
        entry = os.stat(self.work / "f")
        self.assertEqual((entry.st_mode & 0o777, entry.st_atime, entry.st_mtime), (0o750, 7, 8))
        self.assertEqual(os.lstat(self.work / "l").st_mtime, 9)

    def test_the_command_s_own_descriptors_and_directory_are_meant_below_proc(self):
        outcome = self.python(
            "import os\nopen('f', 'w').close()\nos.mkdir('d')\nos.chdir('d')\n"
            "open('g', 'w').close()\nfd = os.open('../f', os.O_RDONLY)\n"
            "os.chmod(f'/proc/self/fd/{fd}', 0o751)\nos.chmod('/proc/self/cwd', 0o711)\n"
            "os.chmod('/proc/thread-self/cwd//g', 0o640)\nos.utime('/proc/self/cwd/', (5, 6))\n")
        self.assert_code(outcome, 0)
        self.assertEqual(os.stat(self.work / "f").st_mode & 0o777, 0o751)
        self.assertEqual(os.stat(self.work / "d").st_mode & 0o777, 0o711)
        self.assertEqual(os.stat(self.work / "d").st_mtime, 6)
        self.assertEqual(os.stat(self.work / "d" / "g").st_mode & 0o777, 0o640)

    def test_a_compiler_and_make_work(self):
        self.make_file(self.work / "a.c", "int main(void) { return 7; }\n")
        self.make_file(self.work / "Makefile", "a: a.c\n\tcc -o a a.c\n")
        outcome = self.shell("make -s -j2 && ./a")
        self.assert_code(outcome, 7)

    def test_python_with_processes_and_pipes(self):
        outcome = self.python(
            "import asyncio, subprocess, tempfile\n"
            "with tempfile.NamedTemporaryFile() as file: file.write(b'x')\n"
            "p = subprocess.Popen(['sleep', '100'])\np.terminate()\nprint(p.wait())\n"
            "async def f():\n"
            "    p = await asyncio.create_subprocess_exec('echo', 'hi', stdout=-1)\n"
            "    print((await p.communicate())[0])\n"
            "asyncio.run(f())\n")
        self.assert_code(outcome, 0)
        self.assertEqual(outcome.out, "-15\nb'hi\\n'\n")

    def test_git_works(self):
        outcome = self.shell("git init -q . && echo 1 > f && git add f && "
                             "git -c user.name=n -c user.email=e@example.com commit -qm m && "
                             "git log --format=%s", env={"GIT_CONFIG_GLOBAL": "/dev/null"})
        self.assert_code(outcome, 0)
        self.assertEqual(outcome.out, "m\n")

    def test_what_is_named_is_open(self):
        data = self.make_directory(self.in_home("data"))
        self.make_file(self.in_home("config"), "setting\n")
        outcome = self.sandbox("sh", "-c", f"cat {self.home}/config; echo 1 > {data}/f",
                               options=(*self.options, "-w", data, "-M", self.home / "config"))
        self.assert_code(outcome, 0)
        self.assertEqual((outcome.out, (data / "f").read_text()), ("setting\n", "1\n"))

    def test_exit_codes(self):
        self.assert_code(self.sandbox("sh", "-c", "exit 5"), 5)
        self.assert_code(self.sandbox("sh", "-c", "kill -TERM $$"), 143)
        self.assert_code(self.sandbox("no-such-command"), 127)
        self.assert_code(self.sandbox("/etc/passwd"), 126)


class Ends(DegradedTest):
    # Told from those of another run by how long they would sleep.
    SECONDS = [str(10_000_000 + 10 * os.getpid() + i) for i in range(3)]
    DAEMONS = ("setsid sleep {} & (setsid sh -c 'setsid sleep {} & sleep {}') & "
               "trap '' TERM; echo $TMPDIR; ").format(*SECONDS)

    def daemons(self):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[:1] == [b"sleep"] and words[1].decode() in self.SECONDS:
                found.append(int(pid))
        return found

    def assert_gone(self, scratch):
        harness.wait_until(lambda: not self.daemons(), 5, "the daemons end")
        harness.wait_until(lambda: not os.path.exists(scratch), 5, "the scratch directory goes")

    def test_daemons_end_with_the_command(self):
        outcome = self.shell(self.DAEMONS + "sleep 0.2; touch $TMPDIR/file; exit 4")
        self.assert_code(outcome, 4)
        self.assertEqual(self.daemons(), [])
        self.assertFalse(os.path.exists(outcome.out.strip()))

    def test_the_time_limit_ends_all(self):
        outcome = self.shell(self.DAEMONS + "while :; do sleep 1; done",
                             options=(*self.options, "-T", "0.5", "-t", "0.5"))
        self.assert_code(outcome, 137)
        self.assertEqual(self.daemons(), [])
        self.assertFalse(os.path.exists(outcome.out.strip()))

    def test_a_killed_supervisor_takes_all_along(self):
        process = self.start_sandbox("sh", "-c", self.DAEMONS + "while :; do sleep 1; done",
                                     before_exec=refuse_namespaces)
        scratch = process.stdout.readline().decode().strip()
        harness.wait_until(lambda: len(self.daemons()) == 3, 5, "the daemons start")
        self.assertTrue(os.path.isdir(scratch))
        self.assertEqual(os.stat(scratch).st_mode & 0o777, 0o700)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        self.assert_gone(scratch)

    def test_a_terminating_signal_is_passed_on(self):
        process = self.start_sandbox("sh", "-c", "trap 'echo got; exit 9' TERM; echo ready; "
                                     "while :; do sleep 0.05; done", before_exec=refuse_namespaces)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.stdout.readline(), b"got\n")
        self.assertEqual(process.wait(harness.TIMEOUT), 9)
