"""A shell's job control over a sandbox: stopped and continued on a terminal of its own."""
import harness
from terminals import ShellOnTerminal


class JobControl(harness.SandboxTest):
    needs = ("namespaces",)

    def setUp(self):
        super().setUp()
        self.shell = ShellOnTerminal(self)
        self.type = self.shell.type
        self.expect = self.shell.expect

    def run_in_sandbox(self, script):
        self.type(f"{self.binary} -x -- sh -c '{script}'\n")

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
        self.assertNotIn("Stopped", self.shell.seen)

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
