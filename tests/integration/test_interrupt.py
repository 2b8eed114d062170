"""-i: SIGINT ends the command by SIGTERM, and it never sees the SIGINT itself."""

import signal
import time

import harness
import test_job_control

_TELLS_SIGNALS = r"""
import os, signal, sys, time
def told(number, frame):
    text = f'{signal.Signals(number).name}\n'
    with open('told', 'a') as file:
        file.write(text)
    os.write(1, text.encode())
    if number == signal.SIGTERM and 'stay' not in sys.argv:
        sys.exit(7)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, told)
os.write(1, b'up-%d\n' % 42)
while True:
    time.sleep(0.05)
"""


@harness.as_root_too
class Interrupt(harness.SandboxTest):
    options = ("-x", "-i")

    def start_telling(self, *options, stay=False):
        self.make_file(self.work / "tell.py", _TELLS_SIGNALS)
        process = self.start_sandbox("python3", "tell.py", *(["stay"] if stay else []),
                                     options=(*self.options, *options))
        self.assertEqual(process.stdout.readline(), b"up-42\n")
        return process

    def test_the_command_gets_sigterm_alone(self):
        process = self.start_telling()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=5)
        self.assertEqual((out, process.returncode), (b"SIGTERM\n", 7))

    def test_without_the_option_it_gets_sigint(self):
        self.make_file(self.work / "tell.py", _TELLS_SIGNALS)
        process = self.start_sandbox("python3", "tell.py", options=("-x",))
        self.assertEqual(process.stdout.readline(), b"up-42\n")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.stdout.readline(), b"SIGINT\n")

    def test_one_that_stays_is_killed_after_the_delay(self):
        process = self.start_telling("-t", "0.5", stay=True)
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=5)
        self.assertEqual((out, process.returncode), (b"SIGTERM\n", 128 + signal.SIGKILL))
        self.assertGreaterEqual(time.monotonic() - begun, 0.5)

    def test_a_second_one_kills_at_once(self):
        process = self.start_telling("-t", "100", stay=True)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.stdout.readline(), b"SIGTERM\n")
        time.sleep(0.3)  # the gap by which a second one is told from the same sent twice
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=5)
        self.assertEqual(process.returncode, 128 + signal.SIGKILL)

    def test_the_time_limit_still_counts(self):
        process = self.start_telling("-T", "0.3", "-t", "0.2", stay=True)
        out, errors = process.communicate(timeout=5)
        self.assertEqual((out, process.returncode), (b"SIGTERM\n", 128 + signal.SIGKILL))
        self.assertIn(b"the time limit", errors)

    def test_other_signals_are_passed_on_as_ever(self):
        process = self.start_sandbox("sh", "-c", "trap 'echo usr; exit 3' USR1; echo up; "
                                     "while :; do sleep 0.05; done")
        self.assertEqual(process.stdout.readline(), b"up\n")
        process.send_signal(signal.SIGUSR1)
        out, _ = process.communicate(timeout=5)
        self.assertEqual((out, process.returncode), (b"usr\n", 3))


class InterruptInTapbox(Interrupt):
    program = "mini-tapbox"
    options = ("-x", "-i", "--allow", "allowed.example")
    needs = ("namespaces", "tun", "mini-tapbox")


class InterruptOnATerminal(test_job_control.JobControl):
    """The tests of job control with -i: Ctrl-Z and fg work over the command's own session."""
    options = ("-x", "-i")

    def tell_in_sandbox(self, *arguments):
        self.make_file(self.work / "tell.py", _TELLS_SIGNALS)
        self.type(f"{self.binary} {' '.join(self.options)} -- python3 tell.py "
                  f"{' '.join(arguments)}\n")
        self.expect("up-42")

    def test_ctrl_c_ends_it_and_leaves_the_shell(self):
        self.tell_in_sandbox()
        self.type("\x03")
        self.expect("SIGTERM")
        self.expect("READY> ")
        self.assertEqual((self.work / "told").read_text(), "SIGTERM\n", "and no SIGINT")
        self.type("echo $(($? + 0))-is-the-code\n")
        self.expect("7-is-the-code")

    def test_a_second_ctrl_c_kills_it(self):
        self.tell_in_sandbox("stay")
        self.type("\x03")
        self.expect("SIGTERM")
        time.sleep(0.3)
        self.type("\x03")
        self.expect("READY> ")
        self.type("echo $(($? + 0))-is-the-code\n")
        self.expect("137-is-the-code")

    def test_ctrl_c_after_ctrl_z_and_fg(self):
        self.tell_in_sandbox()
        self.type("\x1a")
        self.expect("Stopped")
        self.expect("READY> ")
        self.type("fg\n")
        self.expect("tell.py")
        self.type("\x03")
        self.expect("SIGTERM")
        self.expect("READY> ")

    def test_ctrl_backslash_reaches_the_command(self):
        self.type(f"{self.binary} {' '.join(self.options)} -- sh -c 'trap \"echo quit-$((40+2)); "
                  "exit 4\" QUIT; echo up-$((40+2)); while :; do sleep 0.05; done'\n")
        self.expect("up-42")
        self.type("\x1c")
        self.expect("quit-42")
        self.expect("READY> ")

    def test_the_command_reads_from_the_terminal(self):
        self.run_in_sandbox("echo up-$((40 + 2)); read line; echo got-$line")
        self.expect("up-42")
        self.type("something\n")
        self.expect("got-something")
        self.expect("READY> ")

    def test_children_of_the_command_stop_and_go_on_with_it(self):
        self.run_in_sandbox("(while :; do echo x >> beats; sleep 0.02; done) & "
                            "echo up-$((40 + 2)); sleep 100")
        self.expect("up-42")
        beats = self.work / "beats"
        harness.wait_until(lambda: beats.exists() and beats.stat().st_size > 0, 5, "a beat")
        self.type("\x1a")
        self.expect("Stopped")
        self.expect("READY> ")
        harness.wait_until(lambda: self.silent(beats), 5, "the child stops")
        self.type("fg\n")
        size = beats.stat().st_size
        harness.wait_until(lambda: beats.stat().st_size > size, 5, "the child goes on")
        self.type("\x03")
        self.expect("READY> ")

    @staticmethod
    def silent(path):
        before = path.stat().st_size
        time.sleep(0.1)
        return path.stat().st_size == before
