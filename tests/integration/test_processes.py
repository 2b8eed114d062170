"""Invariants 1, 8, 9 and 12: processes, signals, time limits, exit codes, descriptors, arguments."""

import hashlib
import itertools
import os
import resource
import signal
import time

import harness
import linux

_ORPHANS = """
import os, time
for _ in range(200):
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
for _ in range(200):
    os.wait()
def zombies():
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/stat') as file:
                if file.read().rpartition(')')[2].split()[0] == 'Z':
                    found.append(pid)
        except OSError:
            pass
    return found
deadline = time.monotonic() + 5
while (left := zombies()) and time.monotonic() < deadline:
    time.sleep(0.01)  # a late one may follow, and is reaped as well
print('zombies:', len(left))
"""


@harness.as_root_too
class ExitCodes(harness.SandboxTest):
    def test_are_those_of_the_command(self):
        for code in (0, 1, 2, 42, 125, 255):
            with self.subTest(code=code):
                outcome = self.shell(f"exit {code}")
                self.assert_code(outcome, code)
                self.assertEqual(outcome.err, "")

    def test_are_128_and_the_signal_that_ended_the_command(self):
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT,
                       signal.SIGUSR1):
            with self.subTest(signal=number.name):
                self.assert_code(self.shell(f"kill -{int(number)} $$"), 128 + number)

    def test_127_when_there_is_no_such_command(self):
        for name in ("no-such-command-here", "/nonexistent/command", "./nonexistent"):
            with self.subTest(name=name):
                self.assert_setup_error(self.sandbox(name), 127, name)

    def test_126_when_the_command_cannot_be_run(self):
        self.make_file(self.work / "plain", "no program", 0o644)
        for name in ("./plain", "/etc", "/etc/passwd"):
            with self.subTest(name=name):
                self.assert_setup_error(self.sandbox(name), 126, name)

    def test_127_when_the_interpreter_of_a_script_is_missing(self):
        self.make_file(self.work / "script", "#!/nonexistent/interpreter\n", 0o755)
        self.assert_setup_error(self.sandbox("./script"), 127, "./script")

    def test_2_for_a_mistake_on_the_command_line(self):
        for options in (("--no-such-option",), ("-x", "-T", "abc"), ("-x", "-T"),
                        ("-x", "-n", "-N"), ("-x", "-R", "-U"), ("-x", "-h", "/"), ("-k", "/etc")):
            with self.subTest(options=options):
                self.assert_setup_error(self.sandbox("echo", "ran", options=options), 2)

    def test_125_when_a_path_that_an_option_names_is_missing(self):
        missing = str(self.work / "missing")
        for options in (("-x", "-w"), ("-x", "-M"), ("-x", "-e"), ("-x", "-W"), ("-x", "-d"), ("-h",),
                        ("-o",), ("-o", str(self.work), "-k")):
            with self.subTest(options=options):
                outcome = self.sandbox("echo", "ran", options=(*options, missing))
                self.assert_setup_error(outcome, 125, f"{options[-1]} {missing}: ")
                self.assertNotIn("usage:", outcome.err)
        outcome = self.sandbox("echo", "ran", options=("-x", "-w", "../missing"))
        self.assert_setup_error(outcome, 125, "-w ../missing: ")

    def test_125_when_a_path_that_an_option_names_is_of_another_kind(self):
        file = str(self.make_file(self.work / "file"))
        directory = str(self.make_directory(self.work / "directory"))
        for options in (("-x", "-e", file), ("-x", "-W", file), ("-x", "-d", file), ("-h", file),
                        ("-o", file), ("-o", directory, "-k", file),
                        ("-x", "-M", file, "-m", directory), ("-x", "-M", directory, "-m", file)):
            with self.subTest(options=options):
                self.assert_setup_error(self.sandbox("echo", "ran", options=options), 125)

    def test_2_when_a_value_or_the_command_is_missing(self):
        for words in ((), ("-x",), ("-x", "--"), ("-x", "-W"), ("-x", "-T", "1")):
            with self.subTest(words=words):
                outcome = harness.run_bounded([self.binary, *words], identity=self.identity,
                                              cwd=self.work)
                self.assert_setup_error(outcome, 2)

    def test_help_and_version_succeed(self):
        for option in ("--help", "--version"):
            with self.subTest(option=option):
                outcome = harness.run_bounded([self.binary, option], identity=self.identity,
                                              cwd=self.work)
                self.assert_code(outcome, 0)
                self.assertIn("mini-sandbox", outcome.out)
                self.assertEqual(outcome.err, "")


class DescriptorLimit(harness.SandboxTest):
    def test_is_the_callers_again_and_does_not_hinder_the_sandbox(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (12, hard))

        outcome = self.shell("ulimit -Sn; ulimit -Hn", before_exec=few)
        self.assert_code(outcome, 0)
        self.assertEqual(outcome.lines(), ["12", str(hard)])

    def test_suffices_for_hardly_more_than_there_are_mounts(self):
        given = self.make_file(self.scratch / "given", "text\n")
        options = self.make_file(self.scratch / "options", "".join(
            f"-M {given}\n-m /tmp/bound/{number}\n" for number in range(700)))

        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (800, 800))

        outcome = self.shell("ls /tmp/bound | wc -l", options=("-x", f"@{options}"), before_exec=few)
        self.assertEqual(outcome.out, "700\n", outcome)


@harness.as_root_too
class FailClosed(harness.SandboxTest):
    def test_without_descriptors_nothing_runs(self):
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))

        self.assert_setup_error(self.sandbox("echo", "ran", before_exec=few), 125)

    def test_without_user_namespaces_nothing_runs(self):
        def forbid():
            linux.enter_user_namespace(self.identity.uid, self.identity.gid)
            with open("/proc/sys/user/max_user_namespaces", "w", encoding="ascii") as file:
                file.write("0")

        self.assert_setup_error(self.sandbox("echo", "ran", before_exec=forbid), 125, "namespace")

    # It is made by a process of its own, beside the one that mounts.
    def test_without_network_namespaces_nothing_runs(self):
        def forbid():
            linux.enter_user_namespace(self.identity.uid, self.identity.gid)
            with open("/proc/sys/user/max_net_namespaces", "w", encoding="ascii") as file:
                file.write("0")

        for options in (["-x"], ["-x", "-n"]):
            outcome = self.sandbox("echo", "ran", options=options, before_exec=forbid)
            self.assert_setup_error(outcome, 125, "make a network namespace",
                                    "sysctl user.max_net_namespaces")

    def test_when_the_maker_of_the_network_namespace_is_killed_nothing_runs(self):
        self.assert_setup_error(
            self.sandbox("echo", "ran",
                         before_exec=lambda: linux.refuse_calls({"unshare": None})),
            125, "make a network namespace", "was killed")


class FailClosedForUsers(harness.SandboxTest):
    def test_without_processes_nothing_runs(self):
        def none():
            resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))

        self.assert_setup_error(self.sandbox("echo", "ran", before_exec=none), 125)


@harness.as_root_too
class CommandLine(harness.SandboxTest):
    def test_options_end_at_the_command_without_dashes_too(self):
        outcome = harness.run_bounded([self.binary, "-x", "echo", "-x", "--help", "-T"],
                                      identity=self.identity, cwd=self.work)
        self.assertEqual(outcome.out, "-x --help -T\n", outcome)

    def test_arguments_arrive_as_they_are(self):
        strange = ["", " ", "\n", "*", "$HOME", "--", "ünï☃", "\\", "'", '"', "\x01"]
        outcome = self.sandbox(harness.PYTHON, "-c", "import sys; print(ascii(sys.argv[1:]))",
                               *strange)
        self.assertEqual(outcome.out, ascii(strange) + "\n", outcome)

    def test_ten_thousand_arguments(self):
        arguments = [f"argument {number}" for number in range(10_000)]
        outcome = self.sandbox(
            harness.PYTHON, "-c", "import sys, hashlib; a = sys.argv[1:]; print(len(a), "
            "hashlib.sha256('\\0'.join(a).encode()).hexdigest())", *arguments)
        expected = hashlib.sha256("\0".join(arguments).encode()).hexdigest()
        self.assertEqual(outcome.out, f"10000 {expected}\n", outcome)

    def test_a_long_argument_and_a_long_environment(self):
        longest = "x" * 131_000  # the kernel's limit of a single string is 131072 (execve(2))
        env = {f"VARIABLE_{number}": f"value {number}" for number in range(2000)}
        env["LONGEST"] = longest
        outcome = self.sandbox(
            harness.PYTHON, "-c", "import os, sys; print(len(sys.argv[1]), "
            "len(os.environ['LONGEST']), sum(k.startswith('VARIABLE_') and "
            "os.environ[k] == 'value ' + k[9:] for k in os.environ))", longest, env=env)
        self.assertEqual(outcome.out, "131000 131000 2000\n", outcome)

    def test_the_environment_arrives(self):
        outcome = self.shell('printf "%s" "$STRANGE"', env={"STRANGE": "a=b\nünï"})
        self.assertEqual(outcome.out, "a=b\nünï", outcome)


@harness.as_root_too
class Init(harness.SandboxTest):
    def test_is_process_1_and_not_the_command(self):
        outcome = self.shell("echo $$ $PPID; cat /proc/1/stat | cut -d' ' -f1,4")
        pid, parent, init, init_parent = outcome.out.split()
        self.assertNotEqual(pid, "1")
        self.assertEqual((parent, init, init_parent), ("1", "1", "0"), outcome)

    def test_no_process_of_the_host_is_seen(self):
        outcome = self.sandbox(harness.PYTHON, "-c",
                               "import os; print(*filter(str.isdigit, os.listdir('/proc')))")
        self.assertLessEqual(len(outcome.out.split()), 2, outcome)

    def test_reaps_orphans(self):
        outcome = self.sandbox(harness.PYTHON, "-c", _ORPHANS)
        self.assertEqual(outcome.out, "zombies: 0\n", outcome)

    def test_cannot_be_killed_from_inside(self):
        outcome = self.shell("kill -9 1; kill -15 1; echo alive")
        self.assertEqual(outcome.out, "alive\n", outcome)

    def test_tells_nothing_about_itself(self):
        outcome = self.shell("cd /proc/1; cat environ maps mem syscall; cat fd/* task/1/fd/* ; "
                             "readlink cwd root exe ns/* fd/* task/1/fd/*; ls map_files; ls root/ cwd/")
        self.assertEqual(outcome.out, "", outcome)

    def test_ends_what_the_command_left_running(self):
        outcome = self.shell("sleep 1000 </dev/null >/dev/null 2>&1 & setsid sleep 1000 "
                             "</dev/null >/dev/null 2>&1 & exit 5")
        self.assert_code(outcome, 5)
        self.assertLess(outcome.seconds, 3)

    def test_sees_the_user_as_he_is(self):
        outcome = self.shell("id -u; id -g; stat -c %u .")
        self.assertEqual(outcome.out.split(),
                         [str(self.identity.uid), str(self.identity.gid), str(self.identity.uid)],
                         outcome)


@harness.as_root_too
class Supervisor(harness.SandboxTest):
    def started(self, script, **more):
        process = self.start_sandbox("sh", "-c", script, **more)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        return process

    def test_learns_the_exit_code_although_the_caller_ignores_what_its_children_do(self):
        outcome = self.shell("exit 3", before_exec=lambda: signal.signal(signal.SIGCHLD,
                                                                         signal.SIG_IGN))
        self.assert_code(outcome, 3)

    def test_killed_leaves_no_process_mount_file_or_socket(self):
        def traces():
            with open("/proc/self/mountinfo", encoding="utf-8") as mounts, \
                 open("/proc/net/unix", encoding="utf-8") as sockets:
                names = sorted(line.split()[-1] for line in sockets if "@" in line or "/" in line)
                return mounts.read(), names, os.listdir("/tmp"), os.listdir("/dev/shm"), \
                    sorted(os.listdir(self.scratch)), os.listdir(self.work)

        before = traces()
        process = self.started("echo x > /tmp/x; touch ~/y; sleep 1000 & setsid sleep 1000 & "
                               "trap '' TERM HUP; echo ready; while :; do sleep 1; done",
                               stderr=None)
        process.kill()
        process.wait()
        harness.wait_until(lambda: not harness.strangers(), 2, "the sandbox ends")
        self.assertEqual(traces(), before)

    def test_killed_at_any_moment_leaves_no_process(self):
        for delay in range(0, 60, 3):
            process = self.start_sandbox("sleep", "1000", stdout=None, stderr=None)
            time.sleep(delay / 1000)  # the moment is the point; no event is waited for
            process.kill()
            process.wait()
            harness.wait_until(lambda: not harness.strangers(), 2, f"killed after {delay} ms")
        self.assertEqual(os.listdir("/tmp"), [])

    def test_forwards_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1,
                       signal.SIGUSR2):
            with self.subTest(signal=number.name):
                name = number.name[3:]
                process = self.started(f"trap 'echo got {name}; exit 7' {name}; echo ready; "
                                       "while :; do sleep 0.05; done")
                process.send_signal(number)
                out, _ = process.communicate(timeout=5)
                self.assertEqual((out, process.returncode), (f"got {name}\n".encode(), 7))

    def test_ends_as_the_command_does_on_a_signal(self):
        process = self.started("echo ready; exec sleep 1000")
        process.terminate()
        process.communicate(timeout=5)
        self.assertEqual(process.returncode, 128 + signal.SIGTERM)

    def test_ends_with_its_sandbox(self):
        process = self.started("echo ready; exec sleep 1000")
        inits = linux.children_of(process.pid)
        for init in inits:
            os.kill(init, signal.SIGKILL)
        process.communicate(timeout=5)
        self.assertTrue(inits)
        self.assertNotEqual(process.returncode, 0)

    def test_ends_the_command_at_the_time_limit(self):
        outcome = self.shell("trap 'echo told; exit 3' TERM; echo ready; "
                             "while :; do sleep 0.05; done", options=("-x", "-T", "1"))
        self.assertEqual(outcome.out, "ready\ntold\n", outcome)
        self.assertNotEqual(outcome.code, 0)
        self.assertTrue(0.9 < outcome.seconds < 3, outcome)

    def test_kills_the_command_that_outlives_the_limit(self):
        outcome = self.shell("trap '' TERM; echo ready; while :; do sleep 0.05; done",
                             options=("-x", "-T", "1", "-t", "1"))
        self.assertEqual(outcome.out, "ready\n", outcome)
        self.assertNotEqual(outcome.code, 0)
        self.assertTrue(1.9 < outcome.seconds < 4, outcome)

    def test_is_in_no_hurry_below_the_limit(self):
        outcome = self.shell("sleep 0.2; exit 4", options=("-x", "-T", "60"))
        self.assert_code(outcome, 4)

    def test_many_at_once(self):
        processes = [self.start_sandbox("sh", "-c", f"echo {number}; exit {number}")
                     for number in range(20)]
        for number, process in enumerate(processes):
            out, err = process.communicate(timeout=20)
            self.assertEqual((out, process.returncode), (f"{number}\n".encode(), number), err)


@harness.as_root_too
class Descriptors(harness.SandboxTest):
    def test_above_2_are_closed(self):
        secret = self.make_file(self.scratch / "secret", harness.SECRET, 0o600)
        opened = [os.open(secret, os.O_RDWR), os.open("/", os.O_RDONLY | os.O_DIRECTORY)]
        opened += [os.dup2(opened[0], 100), os.dup2(opened[1], 999)]
        for fd in opened:
            self.addCleanup(os.close, fd)
        self.require("probe")
        outcome = self.sandbox(str(harness.stage.bin_dir / "probe"), "fds", pass_fds=opened)
        self.assert_code(outcome, 0)
        numbers = sorted(int(line.split()[0]) for line in outcome.lines())
        self.assertEqual(numbers, [0, 1, 2], outcome)

    def test_stdin_passes_every_byte(self):
        data = os.urandom(5 << 20)
        outcome = self.sandbox("sha256sum", stdin=data)
        self.assertEqual(outcome.out.split()[:1], [hashlib.sha256(data).hexdigest()], outcome)

    def test_a_reader_that_goes_away_ends_the_command(self):
        process = self.start_sandbox("yes")
        process.stdout.read(100)
        process.stdout.close()
        harness.wait_until(lambda: process.poll() is not None, 5, "the end of `yes`")
        self.assertEqual(process.returncode, 128 + signal.SIGPIPE)

    def test_closed_standard_ones_are_no_one_elses(self):
        for closed in ((0,), (1,), (2,), (0, 1), (0, 1, 2)):
            with self.subTest(closed=closed):
                script = "echo data > file; ls -l /proc/self/fd > fds 2>&1; exit 9"

                def close_them(closed=closed):
                    for fd in closed:
                        os.close(fd)

                outcome = self.shell(script, before_exec=close_them)
                self.assert_code(outcome, 9)
                self.assertEqual((self.work / "file").read_text(), "data\n")
                for line in (self.work / "fds").read_text().splitlines():
                    if " -> " not in line:
                        continue
                    number, target = line.split(" -> ")
                    if int(number.split()[-1]) in closed:
                        self.assertTrue(target == "/dev/null" or target.endswith("/fds") or
                                        target.startswith("/proc/"), line)

    def test_a_directory_among_the_standard_ones_is_an_error(self):
        """It would be a way around the mount namespace: openat(2) from it reaches the host."""
        for number, flags in itertools.product((0, 1, 2), (os.O_RDONLY | os.O_DIRECTORY, os.O_PATH)):
            with self.subTest(descriptor=number, flags=flags):
                def make_directory(number=number, flags=flags):
                    os.dup2(os.open("/", flags), number)

                outcome = self.shell("touch ran; cat ../secret; ls /proc/self/fd/0/ >&2",
                                     before_exec=make_directory)
                self.assert_code(outcome, 125)
                self.assertFalse((self.work / "ran").exists())

    def test_signal_mask_and_umask_are_the_callers(self):
        outcome = self.shell("umask; grep -E '^Sig(Blk|Ign)' /proc/self/status",
                             before_exec=lambda: os.umask(0o027))
        self.assertEqual(outcome.lines()[0], "0027", outcome)
        outside = harness.run_bounded(["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"],
                                      identity=self.identity, cwd=self.work)
        self.assertEqual(outcome.lines()[1:], outside.lines())
