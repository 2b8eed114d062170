"""The network stack is a process of its own: what it gave up, and how it and the run end together."""

import errno
import os
import signal
import subprocess
import time

import harness
import linux
import tapbox
import world_tcp
from terminals import ShellOnTerminal

HOST = "198.51.100.10"
NO_LANDLOCK = {"landlock_create_ruleset": errno.ENOSYS}


def fill(pipe):
    """Until it takes nothing any more."""
    descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    try:
        for size in (4096, 1):
            try:
                while True:
                    os.write(descriptor, b"x" * size)
            except BlockingIOError:
                pass
    finally:
        os.close(descriptor)


class StackTest(tapbox.TapboxTest):
    rules = (HOST, "allowed.example")

    def start_shell(self, script, more_options=(), **more):
        """The sandboxed shell, which has said that it runs; each `read x` waits for go()."""
        process = self.start_sandbox("sh", "-c", f"echo ready; {script}",
                                     options=(*self.allowing(*self.rules), *more_options),
                                     stdin=subprocess.PIPE, **more)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        return process

    @staticmethod
    def go(process):
        process.stdin.write(b"\n")
        process.stdin.flush()


@harness.as_root_too
class Confined(StackTest):
    def status(self, pid):
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)

    def assert_confined(self, process):
        status = self.status(tapbox.stack_of(process))
        self.assertEqual((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"))
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual(status["Threads"], "1")

    def limits(self, pid):
        with open(f"/proc/{pid}/limits", encoding="ascii") as file:
            return {line[:26].strip(): line[26:].split()[:2] for line in file}

    def assert_network_works(self, outcome):
        self.assert_code(outcome, 0)
        lines = outcome.lines()
        self.assertTrue(lines[0].startswith("connected"), outcome)
        self.assertEqual(lines[1].split()[0], "hello", outcome)
        self.assertEqual(lines[2], HOST, outcome)

    EVERYTHING = (f"python3 client.py connect {HOST} 80; "
                  f"python3 client.py udp {HOST} {world_tcp.ECHO} hello; "
                  "dig +short +tries=1 allowed.example A")

    def test_holds_no_privilege_while_it_serves(self):
        process = self.start_shell("read x")
        self.assert_confined(process)
        limits = self.limits(tapbox.stack_of(process))
        self.assertEqual(limits["Max core file size"], ["0", "0"])
        self.assertEqual(limits["Max processes"], ["0", "0"])
        process.stdin.close()
        self.assertEqual(process.wait(5), 1)

    def test_without_landlock_its_root_directory_is_empty(self):
        log = self.work / "log"
        outcome = self.sandbox("sh", "-c", self.EVERYTHING,
                               options=(*self.allowing(*self.rules), "-D", str(log)),
                               before_exec=lambda: linux.refuse_calls(NO_LANDLOCK))
        self.assert_network_works(outcome)
        self.assertRegex(log.read_text(), r"stack: process \d+, an empty root directory, ")

    def test_without_landlock_it_holds_no_privilege_either(self):
        process = self.start_shell("read x",
                                   before_exec=lambda: linux.refuse_calls(NO_LANDLOCK))
        self.assert_confined(process)
        process.stdin.close()
        self.assertEqual(process.wait(5), 1)

    def test_where_it_cannot_be_confined_nothing_runs(self):
        neither = {**NO_LANDLOCK, "unshare": errno.EPERM}
        outcome = self.tapbox_shell("echo ran", before_exec=lambda: linux.refuse_calls(neither))
        self.assert_setup_error(outcome, 125, "confine the network stack", "no landlock")

    def test_the_debug_log_tells_how(self):
        log = self.work / "log"
        outcome = self.sandbox("sh", "-c", self.EVERYTHING,
                               options=(*self.allowing(*self.rules), "-D", str(log)))
        self.assert_network_works(outcome)
        self.assertRegex(log.read_text(), r"stack: process \d+, (landlock version \d+|an empty "
                                          r"root directory), no capability, no_new_privs, seccomp")


@harness.as_root_too
class Ends(StackTest):
    def assert_ends_the_run(self, number, name):
        process = self.start_shell("exec sleep 1000")
        os.kill(tapbox.stack_of(process), number)
        _, err = process.communicate(timeout=5)
        self.assertEqual(process.returncode, 125)
        self.assertEqual(err.decode().splitlines(),
                         [f"mini-tapbox: the network stack was killed by {name}"])
        self.assertEqual(harness.strangers(), [])

    def test_its_crash_ends_the_run(self):
        self.assert_ends_the_run(signal.SIGSEGV, "SIGSEGV")

    def test_its_being_killed_ends_the_run(self):
        self.assert_ends_the_run(signal.SIGKILL, "SIGKILL")

    def test_the_supervisors_death_ends_it(self):
        process = self.start_shell("exec sleep 1000")
        stack = tapbox.stack_of(process)
        process.kill()
        process.wait()
        harness.wait_until(lambda: not harness.strangers(), 2, "the sandbox ends")
        self.assertFalse(os.path.exists(f"/proc/{stack}"))

    def test_an_orderly_run_leaves_no_process(self):
        process = self.start_shell("exit 7")
        self.assertEqual(process.wait(5), 7)
        self.assertEqual(harness.strangers(), [])

    def test_its_end_is_seen_although_the_caller_ignores_what_its_children_do(self):
        process = self.start_shell("exec sleep 1000", before_exec=lambda: signal.signal(
            signal.SIGCHLD, signal.SIG_IGN))
        os.kill(tapbox.stack_of(process), signal.SIGKILL)
        _, err = process.communicate(timeout=5)
        self.assertEqual(process.returncode, 125)
        self.assertIn(b"the network stack was killed by SIGKILL", err)

    def test_one_that_somebody_stopped_ends_with_the_run(self):
        process = self.start_shell("read x; exit 7")
        os.kill(tapbox.stack_of(process), signal.SIGSTOP)
        self.go(process)
        self.assertEqual(process.wait(5), 7)

    def test_a_standard_error_that_nobody_reads_holds_up_neither_network_nor_end(self):
        script = ("import socket\n"
                  f"kept = socket.create_connection(('{HOST}', 80))\n"
                  f"print(socket.socket().connect_ex(('{HOST}', 80)), flush=True)\n"
                  "kept.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')\n"
                  "print(kept.recv(4).decode(), flush=True)\n")
        self.rules = (HOST,)
        (self.work / "limit.py").write_text(script, encoding="ascii")
        process = self.start_shell("read x; python3 limit.py; exit 7",
                                   more_options=("--max-connections", "1"))
        fill(f"/proc/{process.pid}/fd/2")
        begun = time.monotonic()
        self.go(process)
        self.assertEqual(process.stdout.read(), b"111\nHTTP\n")
        self.assertEqual(process.wait(10), 7)
        self.assertLess(time.monotonic() - begun, 6)


@harness.as_root_too
class Signals(StackTest):
    def signal_job(self, process, number):
        os.killpg(process.pid, number)

    def test_an_interrupt_of_the_whole_job_leaves_it_to_the_command_to_end(self):
        process = self.start_shell(f"trap 'python3 client.py connect {HOST} 80; exit 7' INT; "
                                   "echo set; while :; do sleep 0.05; done",
                                   before_exec=os.setsid)
        self.assertEqual(process.stdout.readline(), b"set\n")
        self.signal_job(process, signal.SIGINT)
        self.assertTrue(process.stdout.readline().startswith(b"connected"))
        self.assertEqual(process.wait(5), 7)

    def test_a_job_that_was_stopped_and_continued_has_its_network(self):
        process = self.start_shell(f"read x; python3 client.py connect {HOST} 80",
                                   before_exec=os.setsid)
        self.signal_job(process, signal.SIGSTOP)
        self.assertTrue(os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1]))
        os.kill(process.pid, signal.SIGCONT)  # to the supervisor alone
        self.go(process)
        self.assertTrue(process.stdout.readline().startswith(b"connected"))
        self.assertEqual(process.wait(5), 0)


@harness.as_root_too
class OnATerminal(StackTest):
    def command(self, *words, options=()):
        return " ".join([str(self.binary), *self.allowing(*self.rules), *options, "--", *words])

    def test_refusals_are_whole_lines_beside_a_terminal_of_the_commands_own(self):
        """The line's end depends on the user's terminal, about which the stack asks."""
        outer = ShellOnTerminal(self)
        outer.type(self.command("python3", "client.py", "connect", "203.0.113.9", "80",
                                options=("-P",)) + "\n")
        outer.expect("to allow it: --allow 203.0.113.9:80\r\n", after="refused tcp 203.0.113.9:80")
        outer.expect(outer.PROMPT)
        outer.expect_exit_code(0)

    def test_the_stack_can_neither_read_the_terminal_nor_write_to_it(self):
        outer = ShellOnTerminal(self)
        outer.type(self.command("sh", "-c", "'echo re''ady; read x'") + "\n")
        outer.expect("ready")
        supervisor, = (pid for pid in linux.children_of(outer.shell.pid))
        for stream in range(3):
            path = f"/proc/{tapbox.stack_of(supervisor)}/fdinfo/{stream}"
            with open(path, encoding="ascii") as file:
                fields = dict(line.split(":", 1) for line in file)
            self.assertEqual(int(fields["ino"]), os.stat("/dev/null").st_ino)
        outer.type("\n")
        outer.expect(outer.PROMPT)
        outer.expect_exit_code(0)
