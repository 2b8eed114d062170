"""-P: a terminal of the command's own."""
import fcntl
import os
import signal
import subprocess

import harness
import linux
from terminals import ShellOnTerminal, Tmux


class TerminalTest(harness.SandboxTest):
    options = ("-x", "-P")
    limit = 60

    def line(self, *command):
        """For a shell."""
        return " ".join([str(self.binary), *self.options, "--", *command])


@harness.as_root_too
class OwnTerminal(TerminalTest):
    """What the command finds, however its streams are outside."""

    def test_has_a_name_and_is_the_only_one(self):
        shown = self.shell("tty; tty </dev/tty; ls -C /dev/pts; readlink /proc/$$/fd/[012]")
        self.assert_code(shown, 0)
        self.assertEqual(shown.lines(),
                         ["/dev/pts/0", "/dev/tty", "0  ptmx", *["/dev/pts/0"] * 3])

    def test_the_command_holds_no_descriptor_of_the_users_terminal(self):
        outer = ShellOnTerminal(self)
        program = ("import os; inside = os.stat('/dev/pts').st_dev; found = [os.fstat(fd) for fd in "
                   "(0, 1, 2, os.open('/dev/tty', os.O_RDWR))]; "
                   "print('devices', {f.st_dev == inside for f in found[:3]}, os.ttyname(3), "
                   "len(os.listdir('/proc/self/fd')))")
        outer.type(self.line(harness.PYTHON, "-c", f'"{program}"') + "\n")
        outer.expect("devices {True} /dev/")  # ttyname may say tty itself
        outer.expect(" 5\r\n")  # these four and the directory being read
        outer.expect(outer.PROMPT)

    def test_nothing_can_be_typed_into_it(self):
        findings = self.probe("terminal")
        self.assertEqual(len(findings), 4)
        for name, result in findings.items():
            self.assertNotEqual(result, "ok", name)

    def test_is_a_session_with_the_command_in_the_foreground(self):
        shown = self.sandbox(harness.PYTHON, "-c",
                             "import os; print(os.getsid(0) == os.getppid(), os.getpgrp() == "
                             "os.getpid() == os.tcgetpgrp(0))")
        self.assertEqual(shown.lines(), ["True True"])

    def test_a_command_that_is_not_there_is_127(self):
        self.assert_setup_error(self.sandbox("no-such-command"), 127)

    def test_exit_codes_are_as_without(self):
        for script, code in (("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)):
            self.assert_code(self.shell(script), code)


@harness.as_root_too
class Streams(TerminalTest):
    """Input and output that are no terminals."""

    def test_a_shell_ends_with_its_input(self):
        outcome = self.sandbox("bash", "--norc", stdin=b"echo $((40 + 2))-came; exit 5\n")
        self.assert_code(outcome, 5)
        self.assertIn("42-came", outcome.out)
        self.assert_code(self.sandbox("bash", "--norc", stdin=b"echo one\n"), 0)

    def test_every_reader_finds_the_end(self):
        outcome = self.shell("cat; echo first; cat; echo second; cat", stdin=b"line\n")
        self.assert_code(outcome, 0)
        self.assertEqual(outcome.lines(), ["line", "first", "second"])

    def test_the_end_comes_behind_a_line_that_is_not_finished(self):
        outcome = self.shell("cat; echo .", stdin=b"unfinished")
        self.assertEqual(outcome.out, "unfinished.\r\n")

    def test_closed_streams_are_no_obstacle(self):
        outcome = harness.run_bounded(["sh", "-c", self.line("sh", "-c", "'cat; echo over'") + " <&-"],
                                      identity=self.identity, cwd=self.work)
        self.assertEqual((outcome.code, outcome.out), (0, "over\r\n"))
        outcome = harness.run_bounded(["sh", "-c", self.line("tty") + " <&- >&- 2>&-"],
                                      identity=self.identity, cwd=self.work)
        self.assert_code(outcome, 0)

    def test_all_input_arrives(self):
        text = b"".join(b"%060d\n" % number for number in range(20000))
        outcome = self.sandbox("md5sum", stdin=text)
        wanted = subprocess.run(["md5sum"], input=text, capture_output=True, check=True).stdout
        self.assertEqual(outcome.out.split()[0], wanted.decode().split()[0])

    def test_all_output_arrives(self):
        outcome = self.shell("seq 1 200000; echo error >&2")
        self.assert_code(outcome, 0)
        lines = [str(number) for number in range(1, 200001)]
        self.assertEqual(outcome.lines(), [*lines, "error"])
        self.assertNotIn("error", outcome.err)

    def test_output_goes_to_a_file(self):
        outcome = harness.run_bounded(["sh", "-c", self.line("seq", "1", "50000") + " >file"],
                                      identity=self.identity, cwd=self.work)
        self.assert_code(outcome, 0)
        self.assertEqual((self.work / "file").read_text().split(),
                         [str(number) for number in range(1, 50001)])

    def test_a_reader_that_goes_away_hangs_the_command_up(self):
        outcome = harness.run_bounded(
            ["bash", "-c", self.line("sh", "-c", "'trap \"exit 5\" HUP; while :; do echo y; done'") +
             " | head -n 1; echo ${PIPESTATUS[0]}"], identity=self.identity, cwd=self.work)
        self.assertEqual(outcome.lines(), ["y", "5"])

    def test_a_full_disk_is_told(self):
        outcome = harness.run_bounded(["sh", "-c", self.line("sh", "-c", "'echo x; sleep 100'") +
                                       " >/dev/full"],
                                      identity=self.identity, cwd=self.work)
        self.assert_code(outcome, 128 + signal.SIGHUP)
        self.assertIn("write the command's output: No space left on device", outcome.err)

    def test_a_reader_that_does_not_read_makes_the_command_wait(self):
        process = self.start_sandbox("sh", "-c", "echo up; exec yes")
        self.assertEqual(process.stdout.readline(), b"up\r\n")
        command = linux.descendants_of(process.pid)

        def processor_time():
            with open(f"/proc/{max(command)}/stat", encoding="ascii") as file:
                return file.read().rsplit(")", 1)[1].split()[11:13]

        last = [None]

        def waits():
            previous, last[0] = last[0], (processor_time(), os.times().elapsed // 0.5)
            return previous is not None and previous[0] == last[0][0] and previous[1] != last[0][1]

        harness.wait_until(waits, 20, "the command waits for its reader")
        self.assertLess(harness.resident_memory(process.pid), 16 << 20)

    def test_the_time_limit_holds_although_nobody_reads(self):
        process = self.start_sandbox("sh", "-c", "trap '' TERM; exec yes",
                                     options=("-x", "-P", "-T", "0.5", "-t", "0.5"))
        self.assertEqual(process.wait(harness.TIMEOUT), 128 + signal.SIGKILL)

    def on_a_pair(self, *command, options=None, mode=0o600):
        """The running sandbox on a terminal of its own that is no one's controlling terminal; its
        main side. Nobody may open the other side again where the mode says so."""
        main, side = os.openpty()
        self.addCleanup(os.close, main)
        if harness.stage.root():
            os.fchown(side, self.identity.uid, -1)
        os.fchmod(side, mode)
        process = self.start_sandbox(*command, options=options, stdin=side, stdout=side,
                                     stderr=subprocess.DEVNULL, before_exec=os.setsid)
        os.close(side)
        return process, main

    def test_the_time_limit_holds_although_the_terminal_takes_nothing(self):
        for mode in (0o600, 0):
            with self.subTest(mode=mode):
                process, _ = self.on_a_pair("sh", "-c", "trap '' TERM; exec yes", mode=mode,
                                            options=("-x", "-P", "-T", "0.5", "-t", "0.5"))
                self.assertEqual(process.wait(harness.TIMEOUT), 128 + signal.SIGKILL)

    def test_a_terminal_that_may_not_be_opened_again_is_used_as_it_is(self):
        process, main = self.on_a_pair("sh", "-c", "read line; echo got-$line; seq 1 3000", mode=0)
        os.write(main, b"this\n")
        seen = b""
        while not seen.endswith(b"3000\r\n"):
            seen += os.read(main, 65536)
        self.assertEqual(process.wait(harness.TIMEOUT), 0)
        lines = seen.decode().splitlines()
        self.assertEqual(lines[lines.index("got-this") + 1:], [str(n) for n in range(1, 3001)])


@harness.as_root_too
class UsersTerminal(TerminalTest):
    """On a terminal of the user's, under a shell."""

    def setUp(self):
        super().setUp()
        self.outer = ShellOnTerminal(self)

    def run_line(self, *command, options=None):
        if options is not None:
            self.options = options
        self.outer.type(self.line(*command) + "\n")

    def expect_raw(self):
        harness.wait_until(self.outer.is_raw, 20, "the user's terminal is raw")

    def saved_modes(self):
        self.outer.type("stty -g >modes; echo saved-$((1+1))\n")
        self.outer.expect("saved-2")
        self.outer.expect(self.outer.PROMPT)
        return (self.work / "modes").read_text()

    def test_modes_are_as_before_after_every_end(self):
        before = self.saved_modes()
        endings = {
            "exit": (("sh", "-c", "'echo up-$((1+1)); read line; exit 3'"), "\r", 3),
            "kill": (("sh", "-c", "'echo up-$((1+1)); read line; kill -9 $$'"), "\r", 137),
            "interrupt": (("sh", "-c", "'echo up-$((1+1)); exec cat'"), "\x03", 130),
        }
        for name, (command, key, code) in endings.items():
            with self.subTest(name):
                self.run_line(*command)
                self.outer.expect("up-2")
                self.expect_raw()
                self.outer.type(key)
                self.outer.expect(self.outer.PROMPT)
                self.outer.expect_exit_code(code)
                self.assertEqual(self.saved_modes(), before)

    def test_modes_are_as_before_after_the_time_limit(self):
        before = self.saved_modes()
        self.run_line("sleep", "100", options=(*self.options, "-T", "0.5"))
        self.outer.expect("the time limit of 0.5 s is reached")
        self.outer.expect(self.outer.PROMPT)
        self.outer.expect_exit_code(143)
        self.assertEqual(self.saved_modes(), before)

    def test_modes_are_as_before_when_the_command_is_not_there(self):
        before = self.saved_modes()
        self.run_line("no-such-command")
        self.outer.expect("not found")
        self.outer.expect(self.outer.PROMPT)
        self.assertEqual(self.saved_modes(), before)

    def supervisor(self):
        harness.wait_until(lambda: linux.children_of(self.outer.shell.pid), 20, "the job starts")
        return linux.children_of(self.outer.shell.pid)[0]

    def test_a_signal_to_the_sandbox_reaches_the_command(self):
        before = self.saved_modes()
        self.run_line("sh", "-c", "'echo up-$((1+1)); exec sleep 100'")
        self.outer.expect("up-2")
        os.kill(self.supervisor(), signal.SIGTERM)
        self.outer.expect(self.outer.PROMPT)
        self.outer.expect_exit_code(143)
        self.assertEqual(self.saved_modes(), before)

    def test_ctrl_z_stops_a_lone_program_and_fg_continues_it(self):
        before = self.saved_modes()
        self.run_line("sh", "-c", "'echo up-$((1+1)); exec cat'")
        self.outer.expect("up-2")
        for _ in range(3):
            self.expect_raw()
            self.outer.type("\x1a")
            self.outer.expect("Stopped")
            self.outer.expect(self.outer.PROMPT)
            self.assertEqual(self.saved_modes(), before)
            self.outer.type("fg\n")
            self.expect_raw()
            self.outer.type("echoed\r")
            self.outer.expect("echoed\r\nechoed")
        self.outer.type("\x04")
        self.outer.expect(self.outer.PROMPT)
        self.outer.expect_exit_code(0)
        self.assertEqual(self.saved_modes(), before)

    def test_ctrl_z_stops_the_whole_pipeline(self):
        self.outer.type(self.line("sh", "-c", "'echo up-$((1+1)); read line; echo got-$line'") +
                        " | cat\n")
        self.outer.expect("up-2")
        self.outer.type("\x1a")
        self.outer.expect("Stopped")
        self.outer.expect(self.outer.PROMPT)
        self.outer.type("fg\n")
        self.expect_raw()
        self.outer.type("this\r")
        self.outer.expect("got-this")
        self.outer.expect(self.outer.PROMPT)

    def test_a_shell_inside_has_job_control(self):
        self.run_line("env", "PS1='INNER$ '", "bash", "--norc")
        self.outer.expect("INNER$ ")
        # The job says itself that it goes on: a shell that is just continuing one loses a Ctrl-C.
        job = ("import os, signal; signal.signal(18, lambda *_: os.write(1, b\"on-%d\" % 2)); "
               "signal.signal(2, signal.SIG_DFL); os.write(1, b\"up-%d\" % 2); "
               "[signal.pause() for _ in iter(int, 1)]")
        self.outer.type(f"{harness.PYTHON} -c '{job}'\r")
        self.outer.expect("up-2")
        self.outer.type("\x1a")
        self.outer.expect("Stopped")
        self.outer.expect("INNER$ ")
        self.outer.type("fg\r")
        self.outer.expect("on-2")
        self.outer.type("\x03")
        self.outer.expect("INNER$ ")
        self.outer.type("echo code=$?=\r")
        self.outer.expect("code=130=")
        self.outer.expect("INNER$ ")
        self.outer.type("sleep 100 & jobs; kill %1; wait\r")
        self.outer.expect("Running")
        self.outer.expect("Terminated")
        self.outer.expect("INNER$ ")
        self.outer.type("exit 9\r")
        self.outer.expect(self.outer.PROMPT)
        self.outer.expect_exit_code(9)

    def test_a_shell_inside_suspends_the_job(self):
        self.run_line("env", "PS1='INNER$ '", "bash", "--norc")
        self.outer.expect("INNER$ ")
        self.outer.type("suspend\r")
        self.outer.expect("Stopped")
        self.outer.expect(self.outer.PROMPT)
        self.outer.type("fg\n")
        self.expect_raw()
        self.outer.type("echo back-$((1+1))\r")
        self.outer.expect("back-2")
        self.outer.type("exit\r")
        self.outer.expect(self.outer.PROMPT)

    def test_stopped_from_outside_it_is_raw_again_when_continued(self):
        self.run_line("sh", "-c", "'echo up-$((1+1)); exec cat'")
        self.outer.expect("up-2")
        for number in (signal.SIGSTOP, signal.SIGTSTP):
            self.expect_raw()
            os.kill(self.supervisor(), number)
            self.outer.expect("Stopped")
            self.outer.expect(self.outer.PROMPT)
            self.outer.type("fg\n")
        self.expect_raw()
        self.outer.type("here\r")
        self.outer.expect("here\r\nhere")
        self.outer.type("\x04")
        self.outer.expect(self.outer.PROMPT)

    def test_in_the_background_it_stops_until_it_is_wanted(self):
        self.outer.type(self.line("sh", "-c", "'read line; echo got-$line'") + " &\n")
        self.outer.expect(self.outer.PROMPT)
        self.outer.type("until jobs | grep Stopped; do sleep 0.1; done; echo known-$((1+1))\n")
        self.outer.expect("known-2")
        self.outer.expect(self.outer.PROMPT)
        self.assertFalse(self.outer.is_raw())
        self.outer.type("fg\n")
        self.expect_raw()
        self.outer.type("this\r")
        self.outer.expect("got-this")
        self.outer.expect(self.outer.PROMPT)

    def test_the_size_follows(self):
        self.outer.resize(33, 101)
        self.run_line("bash", "-c", "'stty size; trap \"stty size\" WINCH; echo up-$((1+1)); "
                                    "until read -t 0.1 line; do :; done'")
        self.outer.expect("33 101")
        self.outer.expect("up-2")
        self.outer.resize(44, 55)
        self.outer.expect("44 55")
        self.outer.type("\r")
        self.outer.expect(self.outer.PROMPT)

    def test_interrupts_reach_a_command_whose_input_is_a_pipe(self):
        self.outer.type("(sleep 100; :) | " + self.line("sh", "-c",
                                                       "'echo up-$((1+1)); exec sleep 100'") + "\n")
        self.outer.expect("up-2")
        self.outer.type("\x03")
        self.outer.expect(self.outer.PROMPT)
        self.outer.expect_exit_code(130)

    def test_the_users_streams_stay_blocking(self):
        self.run_line("sh", "-c", "'echo up-$((1+1)); read line'")
        self.outer.expect("up-2")
        self.expect_raw()
        self.assertFalse(fcntl.fcntl(self.outer.side, fcntl.F_GETFL) & os.O_NONBLOCK)
        self.outer.type("\r")
        self.outer.expect(self.outer.PROMPT)

    def test_a_terminal_that_vanishes_ends_the_sandbox(self):
        self.run_line("sh", "-c", "'trap \"echo hung up >>told; exit\" HUP; echo up-$((1+1)); "
                                  "while :; do read line; done'")
        self.outer.expect("up-2")
        supervisor = self.supervisor()
        self.outer.hang_up()
        harness.wait_until(lambda: not os.path.exists(f"/proc/{supervisor}") or
                           linux.children_of(supervisor) == [], 20, "the sandbox ends")
        self.assertEqual((self.work / "told").read_text(), "hung up\n")


class UsersTerminalInTapbox(UsersTerminal):
    program = "mini-tapbox"
    options = ("-x", "-P", "--allow", "allowed.example")
    needs = ("namespaces", "tun", "mini-tapbox")


@harness.as_root_too
class Programs(TerminalTest):
    """What people run, in tmux, its screen compared."""

    def setUp(self):
        super().setUp()
        self.tmux = Tmux(self)

    def without_sandbox(self, *command):
        return " ".join(command)

    def test_vim_shows_the_same_and_writes_its_file(self):
        screens = []
        text = "\u00fcber ".join("word" for _ in range(30))
        for name, start in (("plain", self.without_sandbox), ("sandboxed", self.line)):
            with self.subTest(name):
                self.tmux.run("clear; " + start("vim", "-u", "NONE", "-N", "-n", "-i", "NONE", "file"))
                self.tmux.wait_for(lambda screen: '"file"' in screen and "~" in screen, "vim")
                self.tmux.type("i" + text, "Escape")
                self.tmux.wait_for(lambda screen: "INSERT" not in screen and "word" in screen,
                                   "the end of inserting")
                self.tmux.type(":set number ruler", "Enter")
                self.tmux.type("gg0")
                screens.append(self.tmux.wait_for(
                    lambda screen: "  1 word" in screen and " 1,1 " in screen, "what was typed"))
                self.tmux.type(":wq", "Enter")
                self.tmux.wait_for(lambda screen: screen.startswith("$") or
                                   screen.rstrip().endswith("$"), "the prompt")
                self.assertEqual((self.work / "file").read_text(encoding="utf-8"), text + "\n")
                (self.work / "file").unlink()
        self.assertEqual(screens[0], screens[1])

    def test_vim_is_left_with_ctrl_z_and_found_again(self):
        self.tmux.run(self.line("vim", "-u", "NONE", "-N", "-n", "-i", "NONE", "file"))
        self.tmux.wait_until_shown('"file"')
        self.tmux.type("ifirst", "Escape")
        self.tmux.wait_until_shown("first")
        self.tmux.type("", "C-z")
        self.tmux.wait_until_shown("Stopped")
        self.tmux.run("echo outside-$((40+2))")
        self.tmux.wait_until_shown("outside-42")
        self.tmux.run("fg")
        self.tmux.wait_for(lambda screen: "first" in screen and "outside" not in screen, "vim again")
        self.tmux.type("asecond", "Escape")
        self.tmux.wait_until_shown("firstsecond")
        self.tmux.type(":wq", "Enter")
        self.tmux.wait_until_shown("outside-42")
        self.assertEqual((self.work / "file").read_text(), "firstsecond\n")

    def test_less_shows_pages(self):
        self.make_file(self.work / "file", "".join(f"line {n}\n" for n in range(1, 101)))
        screens = []
        for start in (self.without_sandbox, self.line):
            self.tmux.run("clear; " + start("less", "file"))
            self.tmux.wait_for(lambda screen: screen.startswith("line 1\n") and "line 23" in screen,
                               "the first page")
            self.tmux.type(" ")
            screens.append(self.tmux.wait_for(
                lambda screen: screen.startswith("line 24\n") and "line 46" in screen,
                "the second page"))
            self.tmux.type("q")
            self.tmux.wait_for(lambda screen: "line 46" not in screen or
                               screen.rstrip().endswith("$"), "the prompt")
        self.assertEqual(screens[0], screens[1])

    def test_pythons_prompt(self):
        self.tmux.run(self.line(harness.PYTHON, "-q"))
        self.tmux.wait_until_shown(">>>")
        self.tmux.run("40 + 2")
        self.tmux.wait_until_shown("\n42\n>>>")
        self.tmux.type("", "Up")  # from its history
        self.tmux.wait_until_shown(">>> 40 + 2\n42\n>>> 40 + 2")
        self.tmux.type("", "C-c")
        self.tmux.wait_until_shown("KeyboardInterrupt")
        self.tmux.type("", "C-d")
        self.tmux.wait_for(lambda screen: screen.rstrip().endswith("$"), "the prompt")

    def test_script_records_a_terminal_in_the_terminal(self):
        self.tmux.run(self.line("script", "-q", "-c", "tty", "record"))
        self.tmux.wait_until_shown("/dev/pts/1")
        self.tmux.wait_for(lambda screen: screen.rstrip().endswith("$"), "the prompt")
        self.assertIn("/dev/pts/1", (self.work / "record").read_text())

    def test_a_window_is_resized(self):
        self.tmux.run(self.line("bash", "--norc"))
        self.tmux.wait_for(lambda screen: "bash" in screen.splitlines()[-1] or
                           screen.rstrip().endswith(("$", "#")), "the prompt inside")
        self.tmux.run("stty size")
        self.tmux.wait_until_shown(f"{self.tmux.ROWS} {self.tmux.COLUMNS}")
        self.tmux.tell("resize-window", "-x", "60", "-y", "15")
        self.tmux.run("until stty size | grep '^15 60'; do sleep 0.1; done")
        self.tmux.wait_until_shown("\n15 60\n")

    def test_as_the_only_program_of_a_window_it_cannot_be_stopped(self):
        self.tmux.run(f"exec {self.line('sh', '-c', repr('echo up; exec cat'))}")
        self.tmux.wait_until_shown("\nup\n")
        self.tmux.type("", "C-z")
        self.tmux.run("still here")
        self.tmux.wait_until_shown("still here\nstill here\n")
