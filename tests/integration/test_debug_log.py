"""-D FILE: what a run did; never a value of the environment, never through a link."""

import os
import re
import signal
import stat

import harness


@harness.as_root_too
class DebugLog(harness.SandboxTest):
    def setUp(self):
        super().setUp()
        self.log = self.work / "log"

    def run_logged(self, *command, options=(), **more):
        return self.sandbox(*command, options=(*self.options, "-D", str(self.log), *options),
                            **more)

    def lines(self):
        """Without the times, which must not go backwards."""
        times, lines = [], []
        for line in self.log.read_text().splitlines():
            time, text = re.fullmatch(r"\[ *(\d+\.\d{6})\] (\w+: .*)", line).groups()
            times.append(float(time))
            lines.append(text)
        self.assertEqual(times, sorted(times))
        return lines

    def test_tells_the_run_from_version_to_outcome(self):
        outcome = self.run_logged("sh", "-c", "exit 3")
        self.assert_code(outcome, 3)
        self.assertEqual(outcome.err, "")
        lines = self.lines()
        self.assertTrue(lines[0].startswith("version: "), lines)
        self.assertIn(f"kernel: Linux {os.uname().release}", lines[1])
        self.assertIn("plan: exec sh -c \"exit 3\"", lines)
        stages = [line.removeprefix("stage: ") for line in lines if line.startswith("stage: ")]
        expected = ["probe", "plan", "clone", "supervise"]
        if self.program == "mini-tapbox":
            expected.insert(3, "network")
        self.assertEqual(stages, expected)
        self.assertIn("child: the command ended, exit code 3", lines)
        self.assertEqual(lines[-1], "outcome: exit code 3")

    def test_tells_no_value_of_the_environment(self):
        self.run_logged("true", env={"API_TOKEN": "value-one", "PLAIN": "value-two"},
                        options=("--setenv", "X=value-three"))
        text = self.log.read_text()
        self.assertIn("plan: unset API_TOKEN\n", text)
        self.assertRegex(text, r"notice: not passed on.*API_TOKEN")
        self.assertNotIn("value-", text)

    def test_tells_failures_and_signals(self):
        self.assert_code(self.run_logged("no-such-command-here"), 127)
        self.assertRegex(self.log.read_text(), r"child: failed: no-such-command-here")
        self.assertRegex(self.lines()[-1], "outcome: exit code 127: no-such-command-here")
        process = self.start_sandbox("sh", "-c", "echo up; exec sleep 100",
                                     options=(*self.options, "-D", str(self.log)))
        self.assertEqual(process.stdout.readline(), b"up\n")
        process.send_signal(signal.SIGUSR1)
        process.communicate(timeout=5)
        self.assertIn("signal: SIGUSR1 to the sandbox", self.lines())
        self.assertEqual(self.lines()[-1], f"outcome: exit code {128 + signal.SIGUSR1}")

    def test_is_for_its_owner_alone(self):
        self.assert_code(self.run_logged("true"), 0)
        self.assertEqual(stat.S_IMODE(self.log.stat().st_mode), 0o600)

    def test_starts_anew_with_the_mode_that_it_had(self):
        self.make_file(self.log, "of the last run\n", 0o644)
        self.assert_code(self.run_logged("true"), 0)
        self.assertEqual(stat.S_IMODE(self.log.stat().st_mode), 0o644)
        self.assertNotIn("of the last run", self.log.read_text())

    def test_what_is_no_file_of_the_callers_ends_the_run_before_it_starts(self):
        victim = self.make_file(self.scratch / "victim", "as it was\n")
        os.symlink(victim, self.work / "link")
        os.mkfifo(self.work / "fifo")
        self.give(self.work / "fifo")
        for name in ("link", "fifo", ".", "missing/log", "/dev/null", "/dev/stderr"):
            with self.subTest(name=name):
                outcome = self.sandbox("touch", "ran", options=(*self.options, "-D", name))
                self.assert_setup_error(outcome, 125, "debug log")
                self.assertFalse((self.work / "ran").exists())
        self.assertEqual(victim.read_text(), "as it was\n")

    def test_the_command_does_not_hold_it(self):
        outcome = self.run_logged("ls", "/proc/self/fd")
        self.assertEqual(outcome.out.split(), ["0", "1", "2", "3"])  # 3: ls's own


@harness.as_root_too
class DebugLogOfTapbox(DebugLog):
    program = "mini-tapbox"
    options = ("-x", "--allow", "allowed.example")
    needs = ("namespaces", "tun", "mini-tapbox")

    def test_tells_what_was_refused(self):
        self.run_logged("python3", "-c", "import socket; socket.socket().connect_ex(('203.0.113.9', 80))")
        self.assertRegex(self.log.read_text(), r"verdict: refused tcp 203\.0\.113\.9:80")


@harness.as_root_too
class PlantedLog(harness.SandboxTest):
    """What a command may have left in the working directory."""

    def test_does_not_lead_elsewhere(self):
        elsewhere = self.make_directory(self.scratch / "elsewhere")
        precious = self.make_file(elsewhere / "run.log", "precious\n")
        os.symlink(elsewhere, self.work / "logs")
        os.symlink(precious, self.work / "log")
        os.link(precious, self.work / "hard")
        for log, why in (("logs/run.log", "a symlink leads there"), ("log", "a symlink leads there"),
                         (self.work / "logs/run.log", "a symlink leads there"),
                         ("hard", "not a regular file of yours with one name")):
            with self.subTest(log):
                outcome = self.sandbox("true", options=("-x", "-D", str(log)))
                self.assert_setup_error(outcome, 125, why)
        self.assertEqual(precious.read_text(), "precious\n")

    def test_does_not_lead_elsewhere_however_the_directory_is_spelt(self):
        elsewhere = self.make_directory(self.scratch / "elsewhere")
        precious = self.make_file(elsewhere / "run.log", "precious\n")
        tree = self.make_directory(self.scratch / "tree")
        another_name = self.scratch / "another-name"
        os.symlink(self.work, another_name)
        planted = self.sandbox("sh", "-c", 'ln -s "$1" logs; ln -s "$1" "$2/logs"', "sh",
                               str(elsewhere), str(tree), options=("-x", "-w", str(tree)))
        self.assert_code(planted, 0)
        for name in (self.work, another_name):
            for log in (self.work, another_name, tree):
                with self.subTest(f"in {name}: {log}"):
                    outcome = self.sandbox(
                        "true", options=("-x", "-w", str(tree), "-D", str(log / "logs/run.log")),
                        env={"PWD": str(name)})
                    self.assert_setup_error(outcome, 125, "a symlink leads there")
        self.assertEqual(precious.read_text(), "precious\n")


class SomebodyElsesLog(harness.SandboxTest):
    needs_root = True  # to have somebody else

    def test_is_not_written(self):
        log = self.work / "log"
        log.write_text("as it was\n")
        os.chmod(log, 0o666)  # root's, in a directory of the user's
        outcome = self.sandbox("true", options=("-x", "-D", str(log)))
        self.assert_setup_error(outcome, 125, "not a regular file of yours")
        self.assertEqual(log.read_text(), "as it was\n")
