"""Driving programs on a terminal: a shell on a pseudo-terminal, and tmux with its screen."""
import fcntl
import os
import select
import struct
import subprocess
import termios
import time

import harness


def environment_without_history(identity):
    """For interactive programs outside of a sandbox, which write what was typed to HOME."""
    return {**identity.environment(), "HISTFILE": "", "LESSHISTFILE": "-"}


class ShellOnTerminal:
    """An interactive shell in a session of its own; what it and its jobs print is read here."""

    PROMPT = "READY> "

    def __init__(self, test):
        self.test = test
        self.main, self.side = os.openpty()
        test.addCleanup(os.close, self.side)
        test.addCleanup(self._close)
        if harness.stage.root():
            os.fchown(self.side, test.identity.uid, -1)

        def take_terminal():
            os.setsid()
            os.close(os.open(os.ttyname(0), os.O_RDWR))  # the first opened becomes the controlling

        self.seen = ""
        self.shell = harness.start(["bash", "--norc", "-i"], identity=test.identity, cwd=test.work,
                                   env=environment_without_history(test.identity),
                                   before_exec=take_terminal, stdin=self.side, stdout=self.side,
                                   stderr=subprocess.STDOUT)
        test.addCleanup(self._end)
        self.type(f"PS1='{self.PROMPT}'\n")
        self.expect(self.PROMPT, after=f"{self.PROMPT}'")

    def _close(self):
        if self.main >= 0:
            os.close(self.main)
        self.main = -1

    def _end(self):
        harness.kill_family(self.shell.pid)
        self.shell.wait()
        harness.stage.started.discard(self.shell.pid)

    def hang_up(self):
        self._close()

    def type(self, text):
        os.write(self.main, text.encode())

    def expect(self, text, after=None, seconds=20):
        """Reads until `text` (behind `after`) has come, and drops what came up to it."""
        deadline = time.monotonic() + seconds
        while True:
            start = self.seen.find(after) + len(after) if after and after in self.seen else 0
            found = self.seen.find(text, start)
            if found >= 0 and (not after or after in self.seen):
                self.seen = self.seen[found + len(text):]
                return
            left = deadline - time.monotonic()
            self.test.assertGreater(left, 0, f"{text!r} did not come; seen: {self.seen!r}")
            if select.select([self.main], [], [], left)[0]:
                self.seen += os.read(self.main, 65536).decode("utf-8", "replace")

    def expect_exit_code(self, code):
        """At the prompt: the code of the job that has just ended."""
        self.type("echo \"code=$?=\"\n")
        self.expect(f"code={code}=")
        self.expect(self.PROMPT)

    def modes(self):
        return termios.tcgetattr(self.side)

    def is_raw(self):
        return not self.modes()[3] & (termios.ICANON | termios.ISIG | termios.ECHO)

    def resize(self, rows, columns):
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Tmux:
    """A tmux server of its own with one window, in which a shell runs."""

    ROWS, COLUMNS = 24, 80

    def __init__(self, test):
        self.test = test
        directory = test.make_directory(test.scratch / "tmux", 0o700)
        self.socket = directory / "socket"
        self.server = harness.start(["tmux", "-S", self.socket, "-f", "/dev/null", "-D"],
                                    identity=test.identity, cwd=test.work,
                                    env=environment_without_history(test.identity))
        test.addCleanup(self._end)
        harness.wait_until(self.socket.exists, 10, "tmux makes its socket")
        self.tell("new-session", "-d", "-x", str(self.COLUMNS), "-y", str(self.ROWS),
                  "PS1='$ ' exec bash --norc -i")
        self.wait_for(lambda screen: screen.startswith("$"), "the shell's prompt")

    def _end(self):
        harness.kill_family(self.server.pid)
        self.server.communicate()
        harness.stage.started.discard(self.server.pid)

    def tell(self, *words):
        outcome = harness.run_bounded(["tmux", "-S", self.socket, *words],
                                      identity=self.test.identity, cwd=self.test.work)
        self.test.assert_code(outcome, 0)
        return outcome.out

    def type(self, text, *keys):
        """The text as it is, then keys by tmux's names."""
        if text:
            self.tell("send-keys", "-l", text)
        if keys:
            self.tell("send-keys", *keys)

    def run(self, line):
        self.type(line, "Enter")

    def screen(self):
        return self.tell("capture-pane", "-p")

    def wait_for(self, condition, what, seconds=20):
        """Until the screen is as wanted; the screen then."""
        deadline = time.monotonic() + seconds
        while True:
            screen = self.screen()
            if condition(screen):
                return screen
            self.test.assertLess(time.monotonic(), deadline, f"{what}: not on the screen:\n{screen}")
            time.sleep(0.02)

    def wait_until_shown(self, text, seconds=20):
        return self.wait_for(lambda screen: text in screen, repr(text), seconds)
