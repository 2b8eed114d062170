"""python -m pyminisandbox."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios

import harness

TAKES_TERM = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done"


class TheModule(harness.ProgramTest):
    once = True

    def module(self, *arguments, **more):
        return self.execute([sys.executable, "-m", "pyminisandbox", *arguments], **more)

    def test_runs_a_command_and_ends_with_its_exit_code(self):
        done = self.module("sh", "-c", "echo out; echo err >&2; exit 7", code=7)
        self.assertEqual((done.stdout, done.stderr), ("out\n", "err\n"))
        self.assertEqual(self.module("-x", "--", "echo", "--", "-x").stdout, "-- -x\n")
        self.module("sh", "-c", "kill -KILL $$", code=128 + signal.SIGKILL)
        self.module("no-such-command", code=127)
        self.module("/etc/passwd", code=126)

    def test_takes_the_options_of_mini_sandbox(self):
        for name in ("written", "bound", "root"):
            (self.place / name).mkdir()
        script = "touch ../written/new; touch ../bound/new 2>/dev/null || echo read-only; pwd"
        done = self.module("-x", "-w", "../written", "--bind=../bound", "-e/usr/local",
                           "-D", "log", "-W", self.work, "sh", "-c", script)
        self.assertEqual(done.stdout, f"read-only\n{self.work}\n")
        self.assertTrue((self.place / "written/new").exists())
        self.assertIn("outcome: exit code 0", (self.work / "log").read_text())
        done = self.module("-o", self.place / "root", "-k", self.place / "bound", "-M/usr",
                           "-M/bin", "-M/lib", "-M/lib64", "-W/usr", "sh", "-c",
                           'touch "$1/new"; ls "$1"; ls /etc 2>/dev/null', "sh",
                           self.place / "bound", code=2)
        self.assertEqual(done.stdout, "new\n")
        self.assertEqual(os.listdir(self.place / "bound"), [])

    def test_says_what_is_wrong(self):
        for arguments, code, message in (
                ([], 2, "no command"), (["--no-such"], 2, "--no-such"), (["-w"], 2, "-w"),
                (["-x", "-h", "/srv", "true"], 2, "modes exclude each other"),
                (["-k", "/usr", "true"], 2, "custom mode only"),
                (["-D", "a", "-D", "b", "true"], 2, "--debug-log: given twice"),
                (["-T", "-1", "true"], 2, "--time-limit: -1"),
                (["--max-connections", "1e3", "true"], 2, "--max-connections: 1e3"),
                (["--allow", "a b", "true"], 2, "without blanks"),
                (["-N", "--allow", "a", "true"], 2, "not both"),
                (["-w", "/no/such", "true"], 125, "/no/such: no such file or directory"),
                (["-w", "/sys", "true"], 125, "--write /sys: "),
                (["--allow", "a:x", "true"], 2, "--allow:1:3: "),
                (["-o", ".", "-k", "/etc/passwd", "true"], 125, "not a directory, so it cannot be "
                 "overlaid; --bind shows it")):
            with self.subTest(arguments=arguments):
                done = self.module(*arguments, code=code)
                self.assertTrue(done.stderr.startswith("pyminisandbox: "), done.stderr)
                self.assertIn(message, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 2 if code == 2 else 1, done.stderr)

    def test_explains_itself(self):
        self.assertIn("--max-connections N", self.module("--help").stdout)
        self.assertRegex(self.module("--version").stdout, r"^pyminisandbox \d+\.\d+\.\d+\n$")

    def test_keeps_the_time_limit(self):
        self.assertEqual(self.module("-T", "0.8", "sh", "-c", TAKES_TERM, code=9).stdout, "ready\n")
        self.module("-xT0.8", "-t", "0.1", "sh", "-c", "trap '' TERM; while :; do sleep 0.01; done",
                    code=128 + signal.SIGKILL)

    def test_leaves_to_the_terminal_what_that_sends_to_both(self):
        main, other = pty.openpty()
        self.addCleanup(os.close, main)

        def take_the_terminal():
            os.setsid()
            fcntl.ioctl(other, termios.TIOCSCTTY, 0)

        script = ("trap 'echo caught' INT; trap 'exit 5' TERM; echo ready; "
                  "while :; do sleep 0.01; done")
        process = subprocess.Popen(
            [sys.executable, "-m", "pyminisandbox", "sh", "-c", script], cwd=self.work,
            env=self.environment(), stdin=other, stdout=subprocess.PIPE, text=True,
            preexec_fn=take_the_terminal)
        os.close(other)
        with process:
            self.addCleanup(process.kill)
            self.assertEqual(process.stdout.readline(), "ready\n")
            os.write(main, b"\x03")
            self.assertEqual(process.stdout.readline(), "caught\n")
            process.send_signal(signal.SIGTERM)  # taken after the other
            self.assertEqual(process.communicate(timeout=harness.TIMEOUT), ("", None))
        self.assertEqual(process.returncode, 5)

    def test_passes_signals_on(self):
        process = self.start_program("""
            import runpy
            sys.argv[1:] = ["sh", "-c", sys.argv[1]]
            runpy.run_module("pyminisandbox", run_name="__main__")
            """, TAKES_TERM)
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.communicate(timeout=harness.TIMEOUT), ("", ""))
        self.assertEqual(process.returncode, 9)
