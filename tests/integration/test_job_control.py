"""A shell's job control over a sandbox: stopped and continued on a terminal of its own."""
import os
import select
import subprocess
import time

import harness


class JobControl(harness.SandboxTest):
    needs = ("namespaces",)

    def setUp(self):
        super().setUp()
        self.main, side = os.openpty()
        self.addCleanup(os.close, self.main)
        if harness.stage.root():
            os.fchown(side, self.identity.uid, -1)

        def take_terminal():
            os.setsid()
            os.close(os.open(os.ttyname(0), os.O_RDWR))  # the first opened becomes the controlling

        self.seen = ""
        self.shell = harness.start(["bash", "--norc", "-i"], identity=self.identity, cwd=self.work,
                                   before_exec=take_terminal, stdin=side, stdout=side,
                                   stderr=subprocess.STDOUT)
        os.close(side)
        self.addCleanup(self._end_shell)
        self.type("PS1='READY> '\n")
        self.expect("READY> ", after="READY> '")

    def _end_shell(self):
        harness.kill_family(self.shell.pid)
        self.shell.wait()
        harness.stage.started.discard(self.shell.pid)

    def type(self, text):
        os.write(self.main, text.encode())

    def expect(self, text, after=None, seconds=10):
        """Reads until `text` (behind `after`) has come, and drops what came up to it."""
        deadline = time.monotonic() + seconds
        while True:
            start = self.seen.find(after) + len(after) if after and after in self.seen else 0
            found = self.seen.find(text, start)
            if found >= 0 and (not after or after in self.seen):
                self.seen = self.seen[found + len(text):]
                return
            left = deadline - time.monotonic()
            self.assertGreater(left, 0, f"{text!r} did not come; seen: {self.seen!r}")
            if select.select([self.main], [], [], left)[0]:
                self.seen += os.read(self.main, 65536).decode("utf-8", "replace")

    def run_in_sandbox(self, script):
        self.type(f"{self.binary} {' '.join(self.options)} -- sh -c '{script}'\n")

    def test_a_command_that_stops_itself_stops_the_job(self):
        self.run_in_sandbox("kill -STOP $$; echo continued-$((40 + 2))")
        self.expect("Stopped")
        self.expect("READY> ")
        self.type("fg\n")
        self.expect("continued-42")
        self.expect("READY> ")

    def test_ctrl_z_stops_the_job_once(self):
        self.run_in_sandbox("echo up-$((40 + 2)); sleep 2; echo over-$((40 + 2))")
        self.expect("up-42")
        self.type("\x1a")
        self.expect("Stopped")
        self.expect("READY> ")
        self.type("fg\n")
        self.expect("over-42")  # and not "Stopped" again
        self.expect("READY> ")
        self.assertNotIn("Stopped", self.seen)

    def test_ctrl_c_ends_it_and_leaves_the_shell(self):
        # From the program that is to be ended: a shell that is just starting one loses a Ctrl-C.
        self.type(f"{self.binary} -x -- python3 -c 'import signal, time; "
                  "signal.signal(2, signal.SIG_DFL); print(\"up-%d\" % 42, flush=True); "
                  "time.sleep(100)'\n")
        self.expect("up-42")
        self.type("\x03")
        self.expect("READY> ")
        self.type("echo $(($? + 0))-is-the-code\n")
        self.expect("130-is-the-code")
