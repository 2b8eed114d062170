"""libmini-tapbox: programs whose rest runs in a sandbox behind an allow-list."""

import errno
import os
import re
import resource
import shutil
import signal
import subprocess

import harness
import linux
import tapbox
import test_capi
import world

NO_SUCH_PATH, NOT_ABSOLUTE, NETWORK_CONFLICT, INVALID_ARGUMENT = -5, -6, -10, -12
SYSTEM_ERROR = -100
ALLOWED_V4, ALLOWED_V6 = "198.51.100.10", "2001:db8:a::10"
REFUSED = "Connection refused"
UNKNOWN_NAME = "Name or service not known"


class TapboxClientTest(test_capi.ClientTest):
    client = "capi-client-tapbox"
    needs = ("namespaces", "tun")

    def allow(self, settings, *action, **more):
        words = [*settings, "--", *action] if action else settings
        return self.scenario("allow", *words, **more)

    def assert_connects(self, settings, *expected):
        """(host, port, what becomes of it) each, by the rest of a program with these settings."""
        words = [str(word) for host, port, _ in expected for word in (host, port)]
        said, outcome = self.allow(settings, "connect", *words)
        for setting in set(settings):
            self.assertEqual(said.pop(setting), "0", outcome)
        self.assertEqual(said, {f"{host} {port}": result for host, port, result in expected},
                         outcome)
        self.assertEqual(outcome.err, "", outcome)


@harness.as_root_too
class TheRestOfTheProgram(TapboxClientTest):
    def test_reaches_what_is_allowed_and_nothing_else(self):
        self.assert_connects(["domain=allowed.example"],
                             ("allowed.example", 80, "connected"),
                             ("refused.example", 80, UNKNOWN_NAME),
                             (world.UNNAMED_V4, 80, REFUSED),
                             (world.UNNAMED_V6, 80, REFUSED))

    def test_reaches_it_from_threads_of_its_own_and_none_of_the_callers_goes_on(self):
        said, outcome = self.allow(["domain=allowed.example"], "connect_in_threads",
                                   "allowed.example", "80", world.UNNAMED_V4, "80")
        self.assertEqual(said["allowed.example 80"], "connected", outcome)
        self.assertEqual(said[f"{world.UNNAMED_V4} 80"], REFUSED, outcome)

    def test_has_a_network_that_serves_from_the_first_moment(self):
        for _ in range(5):
            self.assert_connects([f"ipv4={ALLOWED_V4}"], (ALLOWED_V4, 80, "connected"))

    def test_writes_refusals_to_the_log(self):
        log = self.make_file(self.scratch / "log", mode=0o600)
        self.allow(["rule=allowed.example:81", f"log={log}"], "connect", ALLOWED_V4, "80")
        text = log.read_text()
        self.assertRegex(text, rf"verdict: refused tcp {re.escape(ALLOWED_V4)}:80: no rule names it")
        self.assertRegex(text, r"stack: process \d+, .*no capability, no_new_privs, seccomp")
        self.assertIn("rule allowed.example:81 (mini_sandbox_allow_rule:1)", text)


class Settings(TapboxClientTest):
    def test_of_every_kind_allow_what_they_name(self):
        v4, v6 = world.UNNAMED_V4, world.UNNAMED_V6
        for setting, host, port, beside in (
                (f"ipv4={v4}", v4, 80, "203.0.113.8"),
                ("ipv4_subnet=203.0.113.0/28", v4, 80, ALLOWED_V4),
                (f"ipv4_subnet={v4}", v4, 80, "203.0.113.8"),
                (f"ipv6={v6}", v6, 80, ALLOWED_V6),
                ("ipv6_subnet=2001:db8:b::/124", v6, 80, ALLOWED_V6),
                ("domain=allowed.example", "allowed.example", 80, v4),
                (f"rule=tcp/{v4}:8080", v4, 8080, ALLOWED_V4)):
            with self.subTest(setting=setting):
                self.assert_connects([setting], (host, port, "connected"), (beside, 80, REFUSED))

    def test_add_up_and_a_refusing_rule_wins(self):
        rules = self.make_file(self.scratch / "rules", f"# a list\n!{world.UNNAMED_V4}:8080\n")
        self.assert_connects([f"ipv4={world.UNNAMED_V4}", f"connections={rules}",
                              f"ipv6={world.UNNAMED_V6}"],
                             (world.UNNAMED_V4, 80, "connected"),
                             (world.UNNAMED_V4, 8080, REFUSED),
                             (world.UNNAMED_V6, 80, "connected"),
                             (ALLOWED_V4, 80, REFUSED))

    def test_of_a_file_without_a_rule_allow_nothing(self):
        rules = self.make_file(self.scratch / "rules", "# none\n")
        self.assert_connects([f"connections={rules}"], (ALLOWED_V4, 80, REFUSED),
                             ("allowed.example", 80, UNKNOWN_NAME))

    def test_none_and_all_domains_allow_every_public_address(self):
        # Those of the world are for documentation, and public to the filter.
        for settings in ([], ["all"], ["all", "all"]):
            with self.subTest(settings=settings):
                self.assert_connects(settings, (ALLOWED_V4, 80, "connected"),
                                     ("allowed.example", 80, "connected"),
                                     ("169.254.169.254", 80, REFUSED))

    def test_limit_the_connections(self):
        script = ("import socket\n"
                  "a, b = socket.socket(), socket.socket()\n"
                  f"a.connect(('{ALLOWED_V4}', 80))\n"
                  f"print('second:', b.connect_ex(('{ALLOWED_V4}', 80)))\n")
        for most, second in ((1, 111), (2, 0)):
            with self.subTest(most=most):
                said, outcome = self.allow(["max=7", f"max={most}", f"ipv4={ALLOWED_V4}"],
                                           "execute", harness.PYTHON, "-c", script)
                self.assertEqual(said["second"], str(second), outcome)

    def refused(self, code, *settings, words=()):
        said, outcome = self.allow(settings)
        self.assertEqual(said[settings[-1]], str(code), outcome)
        for setting in settings[:-1]:
            self.assertEqual(said[setting], "0", outcome)
        for word in words:
            self.assertIn(word, outcome.err, outcome)

    def test_that_are_none_are_refused_with_the_reason(self):
        for setting, word in (
                ("ipv4=2001:db8::7", "not an IPv4 address"), ("ipv4=192.0.2.0/24", "not an IPv4"),
                ("ipv4=192.0.2.7:80", "not an IPv4"), ("ipv4=!192.0.2.7", "not an IPv4"),
                ("ipv4=example.com", "not an IPv4"), ("ipv4=192.0.2.256", "0 to 255"),
                ("ipv4=", "expected a rule"),
                ("ipv4_subnet=2001:db8::/32", "not an IPv4 subnet"),
                ("ipv4_subnet=192.0.2.7/24", "192.0.2.0/24"),
                ("ipv6=192.0.2.7", "not an IPv6"), ("ipv6=[2001:db8::7]", "without brackets"),
                ("ipv6_subnet=192.0.2.0/24", "not an IPv6 subnet"),
                ("domain=192.0.2.7", "a name alone"), ("domain=example.com:80", "a name alone"),
                ("domain=!example.com", "a name alone"), ("domain=*", "mini_sandbox_allow_domain"),
                ("domain=http://example.com", "not a URL"),
                ("rule=sctp/example.com", "mini_sandbox_allow_rule:1:1"),
                ("max=0", "from 1 to 1000000"), ("max=1000001", "from 1 to"), ("max=-1", "from 1")):
            with self.subTest(setting=setting):
                self.refused(INVALID_ARGUMENT, setting, words=[word])

    def test_of_files_that_are_none_are_refused(self):
        bad = self.make_file(self.scratch / "bad", "example.com\nexample.com:x\n")
        self.refused(INVALID_ARGUMENT, f"connections={bad}", words=[f"{bad}:2:"])
        self.refused(NO_SUCH_PATH, f"connections={self.scratch}/missing")
        self.refused(NO_SUCH_PATH, f"connections={bad}/x")
        self.refused(NOT_ABSOLUTE, "connections=bad")
        self.refused(NOT_ABSOLUTE, "connections=")
        self.refused(SYSTEM_ERROR, f"connections={self.scratch}", words=["directory"])

    def test_that_say_both_all_and_some_conflict(self):
        rules = self.make_file(self.scratch / "rules", "example.com\n")
        for setting in ("ipv4=192.0.2.7", "ipv4_subnet=192.0.2.0/24", "ipv6=2001:db8::7",
                        "ipv6_subnet=2001:db8::/32", "domain=example.com", "rule=!example.com",
                        f"connections={rules}"):
            with self.subTest(setting=setting):
                self.refused(NETWORK_CONFLICT, "all", setting, words=["allow_all_domains"])
                self.refused(NETWORK_CONFLICT, setting, "all", words=["rules"])
        self.refused(INVALID_ARGUMENT, "all", "max=5", "max=0")

    def test_that_fail_change_nothing(self):
        bad = self.make_file(self.scratch / "bad", f"{ALLOWED_V4}\nexample.com:x\n")
        said, outcome = self.allow([f"ipv4={world.UNNAMED_V4}", f"connections={bad}", "all",
                                    f"domain={ALLOWED_V4}"],
                                   "connect", world.UNNAMED_V4, "80", ALLOWED_V4, "80")
        self.assertEqual(said[f"{world.UNNAMED_V4} 80"], "connected", outcome)
        self.assertEqual(said[f"{ALLOWED_V4} 80"], REFUSED, outcome)


@harness.as_root_too
class TheStack(TapboxClientTest):
    def start_waiting(self, *settings, **more):
        process = self.start_scenario("allow", *settings, "--", "execute", "sh", "-c",
                                      "echo ready; exec sleep 1000", **more)
        for line in process.stdout:
            if line == b"ready\n":
                return process
        self.fail("it did not start")

    def test_holds_nothing_of_the_callers(self):
        ours, theirs = os.pipe()
        self.addCleanup(os.close, ours)
        process = self.start_waiting("ipv4=192.0.2.7", pass_fds=(theirs,))
        os.close(theirs)
        stack = tapbox.stack_of(process)
        self.assertNotIn(self.client, os.fsdecode(test_capi.proc_text(stack, "cmdline")))
        if not harness.stage.root():
            return  # it is undumpable; that no pipe of the caller's is open there TheSupervisor tests
        self.assertNotIn(self.client, test_capi.proc_text(stack, "maps"))
        with open(f"/proc/{stack}/environ", "rb") as environment:
            self.assertEqual(environment.read(), b"")
        self.assertEqual(os.readlink(f"/proc/{stack}/cwd"), "/")
        opened = [os.readlink(f"/proc/{stack}/fd/{fd}") for fd in os.listdir(f"/proc/{stack}/fd")]
        self.assertEqual([name for name in opened if name.startswith(("pipe:", "/memfd:"))], [])
        self.assertEqual({name for name in opened if name.startswith("/")},
                         {"/dev/null", "/dev/net/tun"})

    def test_is_confined(self):
        process = self.start_waiting("ipv4=192.0.2.7")
        with open(f"/proc/{tapbox.stack_of(process)}/status", encoding="utf-8") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        self.assertEqual((status["Seccomp"], status["NoNewPrivs"], status["Threads"]),
                         ("2", "1", "1"))
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)

    def test_takes_the_sandbox_and_its_supervisor_along_when_it_is_killed(self):
        log = self.make_file(self.scratch / "log", mode=0o600)
        for number, name in ((signal.SIGKILL, "SIGKILL"), (signal.SIGSEGV, "SIGSEGV")):
            with self.subTest(signal=name):
                process = self.start_waiting(f"log={log}")
                os.kill(tapbox.stack_of(process), number)
                self.assertEqual(process.wait(harness.TIMEOUT), 125)
                self.assertEqual(harness.strangers(), [])
                self.assertIn(f"the network stack was killed by {name}", log.read_text())

    def test_ends_with_its_supervisor(self):
        process = self.start_waiting()
        stack = tapbox.stack_of(process)
        process.kill()
        process.wait(harness.TIMEOUT)
        harness.wait_until(lambda: not harness.strangers(), harness.TIMEOUT, "the end of all")
        self.assertFalse(os.path.exists(f"/proc/{stack}"))

    def test_is_no_program_for_others(self):
        """By what the library carries, which /proc shows while it runs."""
        process = self.start_waiting()
        program = self.scratch / "supervisor"
        shutil.copy(f"/proc/{process.pid}/exe", program)
        program.chmod(0o755)
        done = subprocess.run([program, "--stack", "1", "3", "-1", "-1", "-1", "1", "0"],
                              capture_output=True, check=False, timeout=harness.TIMEOUT)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (2, b"", b""))


class AFailedStart(test_capi.AFailedStart):
    client = "capi-client-tapbox"
    needs = ("namespaces", "tun")


class TheSupervisor(test_capi.TheSupervisor):
    client = "capi-client-tapbox"
    needs = ("namespaces", "tun")


class TheRestOfAnyProgram(test_capi.TheRestOfTheProgram):
    client = "capi-client-tapbox"
    needs = ("namespaces", "tun")
    test_shares_the_network_when_asked_to = None  # libmini-sandbox's


class AFailedStartOfTheStack(TapboxClientTest):
    def fails(self, prepare=lambda: None):
        """It cannot be confined, which it says when all else is done."""
        def before_exec():
            prepare()
            linux.refuse_calls({"landlock_create_ruleset": errno.ENOSYS, "unshare": errno.EPERM})

        said, outcome = self.allow(["ipv4=192.0.2.7"], "connect", "192.0.2.7", "80", code=99,
                                   before_exec=before_exec)
        self.assertTrue(said["start"].startswith(f"{SYSTEM_ERROR}, "), outcome)
        self.assertIn("confine the network stack", said["start"])
        self.assertEqual(harness.strangers(), [])

    def test_tells_why_and_leaves_nothing(self):
        self.fails()

    def test_tells_why_also_where_nobody_learns_how_children_end(self):
        self.fails(lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))

    def test_for_want_of_descriptors_leaves_nothing(self):
        said, outcome = self.allow(["ipv4=192.0.2.7"], "connect", "192.0.2.7", "80", code=99,
                                   before_exec=lambda: resource.setrlimit(
                                       resource.RLIMIT_NOFILE, (12, 12)))
        self.assertTrue(said["start"].startswith(f"{SYSTEM_ERROR}, "), outcome)
        self.assertIn("EMFILE", said["start"])
        self.assertEqual(harness.strangers(), [])


class InASandboxAlready(TapboxClientTest):
    needs = ("namespaces", "tun", "mini-sandbox")

    def test_it_says_so_and_no_stack_is_left(self):
        outcome = self.sandbox(*self.command("plain"), options=("-x",), program="mini-sandbox")
        self.assertEqual(outcome.lines(), [f"start: {test_capi.INSIDE_ALREADY}"])

    def test_one_of_its_own_says_so_too(self):
        said, outcome = self.scenario("nested")
        self.assertEqual(said, {"start": str(test_capi.INSIDE_ALREADY)}, outcome)


class SharedLibrary(TapboxClientTest):
    @test_capi.not_under("address", "thread")  # whose runtime is not in Python
    def test_loads_into_a_running_program(self):
        self.require("libmini-tapbox.so.1")
        outcome = harness.run_bounded(
            [harness.PYTHON, "-c",
             "import ctypes, socket, sys\n"
             "library = ctypes.PyDLL(sys.argv[1])\n"
             "assert library.mini_sandbox_setup_default() == 0\n"
             f"assert library.mini_sandbox_allow_ipv4(b'{ALLOWED_V4}') == 0\n"
             "assert library.mini_sandbox_start() == 0\n"
             f"print(socket.create_connection(('{ALLOWED_V4}', 80)).getpeername()[1])\n"
             "sys.exit(5)\n", harness.stage.bin_dir / "libmini-tapbox.so.1"],
            identity=self.identity, cwd=self.work)
        self.assert_code(outcome, 5)
        self.assertEqual(outcome.out, "80\n", outcome)
