"""libmini-sandbox: programs of tests/capi that go into a sandbox of their own making."""

import os
import re
import select
import shutil
import signal
import subprocess

import harness
import linux

MORE_THAN_ONE_MODE, ROOT_TWICE, NOT_A_DIRECTORY, NO_OVERLAYS, NO_SUCH_PATH = -1, -2, -3, -4, -5
NOT_ABSOLUTE, LOG_TWICE, OVERLAY_IN_WRITABLE, READ_AND_WRITE = -6, -7, -8, -9
TMP_IN_DEFAULT_MODE, INVALID_ARGUMENT, SYSTEM_ERROR = -11, -12, -100
INSIDE_ALREADY, ALREADY_STARTED, TIMED_OUT, ENDED = -201, -202, -203, -204
UNKNOWN_ERROR = -1000

UNCHANGED = {"same process": "yes", "same signal mask": "yes", "threads go on": "yes",
             "children": "none", "running": "0"}

# What library and clients are built with: "address" or "thread" (tests/sanitizers/run).
SANITIZER = os.environ.get("MINI_SANITIZER")


def not_under(*sanitizers):
    """A test that says nothing there is none, rather than one that is skipped."""
    return lambda test: None if SANITIZER in sanitizers else test


class ClientTest(harness.SandboxTest):
    client = "capi-client-static"

    def setUp(self):
        super().setUp()
        self.require(self.client)

    # Where it is that test's own.
    program = None

    def command(self, scenario, *arguments):
        return [self.program or stage().bin_dir / self.client, scenario, *map(str, arguments)]

    def own_program(self, path):
        shutil.copy(stage().bin_dir / self.client, path)
        path.chmod(0o755)
        self.give(path)
        self.program = path

    def scenario(self, name, *arguments, code=0, **more):
        """What it said as {what: answer}; lines without an answer are in outcome.out."""
        outcome = harness.run_bounded(self.command(name, *arguments), identity=self.identity,
                                      cwd=self.work, **more)
        self.assert_code(outcome, code)
        said = dict(line.split(": ", 1) for line in outcome.lines() if ": " in line)
        return said, outcome

    def start_scenario(self, name, *arguments, **more):
        process = harness.start(self.command(name, *arguments), identity=self.identity,
                                cwd=self.work, **more)
        self.addCleanup(self._end, process)
        return process


def stage():
    return harness.stage


def proc_text(pid, name):
    with open(f"/proc/{pid}/{name}", encoding="utf-8") as file:
        return file.read()


def attributes(path):
    """All but the time of the last access, which running it may set."""
    status = path.stat()
    return status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@harness.as_root_too
class TheRestOfTheProgram(ClientTest):
    def test_no_thread_of_the_caller_runs_on_outside(self):
        said, outcome = self.scenario("threads")
        self.assertEqual(said, {"written before": "yes", "written after": "0",
                                "threads inside": "work"}, outcome)

    def test_goes_on_in_whichever_thread_has_started_it(self):
        said, _ = self.scenario("from_a_thread", code=7)
        self.assertEqual(said, {"inside": "1"})

    # In clang 14 it does not see to its allocator's locks when a program with threads forks: fork(2)
    # alone hangs, too.
    @not_under("address")
    def test_finds_no_lock_of_the_c_library_held_and_fork_handlers_run_once(self):
        for _ in range(5):
            said, outcome = self.scenario("locks")
            self.assertEqual(said, {"locks": "free", "fork handlers": "1 1"}, outcome)

    def test_runs_handlers_and_writes_buffers_once(self):
        _, outcome = self.scenario("handlers")
        self.assertEqual(outcome.out, "buffered before\ninside\nhandler\n", outcome)
        self.assertEqual(outcome.err, "", outcome)

    def test_is_confined(self):
        secret = self.make_file(self.in_home("token"), harness.SECRET, 0o600)
        said, outcome = self.scenario("confined", secret)
        self.assertEqual(said["secret"], "No such file or directory", outcome)
        self.assertEqual(said["here"], "allowed", outcome)
        self.assertEqual(said["unshare"], "Operation not permitted", outcome)
        self.assertEqual(said["process"], "under init", outcome)
        self.assertTrue((self.work / "here").exists())
        self.assertFalse((self.work.parent / "beside").exists())
        self.assertFalse(os.path.exists("/usr/bin/planted"))

    def test_keeps_its_descriptors_and_gets_no_other(self):
        said, outcome = self.scenario("descriptors")
        self.assertEqual(said["descriptors after"], said["descriptors before"], outcome)
        self.assertIn("100", said["descriptors before"], outcome)

    def test_keeps_closed_streams_closed(self):
        self.scenario("closed_streams")
        self.assertEqual((self.work / "result").read_text(), "start: 0, open streams: 0\n")

    def test_keeps_its_attributes(self):
        said, outcome = self.scenario("attributes")
        self.assertEqual(said, {"blocked": "SIGUSR1", "umask": "027", "environment": "kept",
                                "dumpable": "1", "no new privileges": "1"}, outcome)

    def test_stays_undumpable_or_is_told_why_it_cannot_start(self):
        said, outcome = self.scenario("start_undumpable")
        self.assertEqual(said["dumpable"], "0", outcome)
        if self.identity.uid == 0:  # whose /proc/self is root's either way
            self.assertEqual(said["start"], "0", outcome)
        else:
            self.assertEqual(said["start"], str(SYSTEM_ERROR), outcome)
            self.assertIn("this process is not dumpable", said["message"], outcome)

    def test_shows_the_mounts_that_were_asked_for(self):
        overlays = self.make_directory(self.scratch / "overlays", 0o700)
        for overlay_dir in ("", overlays):
            with self.subTest(overlay_dir=overlay_dir):
                said, outcome = self.scenario("custom", overlay_dir)
                self.assertEqual(said["elsewhere"], "No such file or directory", outcome)
                if self.identity.uid == 0:
                    self.assertEqual(said["overlay"], "allowed", outcome)
                self.assertFalse(os.path.exists("/usr/planted"))
        self.assertEqual(os.listdir(overlays), [])

    def test_writes_results_where_it_is_told_to(self):
        result = self.scratch / "results"
        self.make_directory(result)
        said, _ = self.scenario("output_file", result / "file")
        self.assertEqual(said, {"output file": "0"})
        self.assertEqual((result / "file").read_text(), "result\n")

    def test_shares_the_network_when_asked_to(self):
        said, _ = self.scenario("shared_network")
        self.assertEqual(said["network"], "shared")

    def test_goes_on_in_the_directory_that_was_set(self):
        place = self.make_directory(self.scratch / "place")
        _, outcome = self.scenario("working_directory", place)
        self.assertEqual(outcome.out, f"{place}\n")

    def test_is_told_that_it_runs_already(self):
        said, _ = self.scenario("twice")
        self.assertEqual(said, {"running before": "0", "second start": str(ALREADY_STARTED),
                                "setting": str(ALREADY_STARTED), "running": "1",
                                "last error": str(ALREADY_STARTED)})


@harness.as_root_too
class TheFileOfTheProgram(ClientTest):
    def changes(self, path, mode="default"):
        self.own_program(path)
        before = attributes(path)
        said, outcome = self.scenario("change_its_program", mode)
        self.assertEqual(said.pop("memory"), "2, as it was", outcome)
        self.assertEqual(said.pop("start"), str(INSIDE_ALREADY), outcome)
        return said, attributes(path) == before

    def test_cannot_be_changed_where_it_shows_read_only(self):
        path = self.make_directory(self.scratch / "bin") / "program"
        said, unchanged = self.changes(path, "read-only")
        self.assertEqual(said, {"name": str(path), "mode": "Read-only file system",
                                "times": "Read-only file system"})
        self.assertTrue(unchanged)

    def test_cannot_be_changed_where_it_does_not_show(self):
        said, unchanged = self.changes(self.in_home("program"))
        self.assertEqual((said["mode"], said["times"]), ("Read-only file system",) * 2)
        self.assertTrue(unchanged)

    def test_can_be_changed_in_the_working_directory_like_every_file_there(self):
        path = self.work / "program"
        said, unchanged = self.changes(path)
        self.assertEqual(said, {"name": str(path), "mode": "allowed", "times": "allowed"})
        self.assertFalse(unchanged)


class ParentsOfTheWorkingDirectory(ClientTest):
    def test_can_be_made_writable(self):
        parent = self.make_directory(self.scratch / "parent")
        self.work = self.make_directory(parent / "work")
        said, outcome = self.scenario("parents")
        self.assertEqual(said, {"parents": "0", "beside": "allowed"}, outcome)
        self.assertTrue((parent / "beside").exists())

    def test_are_left_alone_where_they_may_not_be_written(self):
        parent = self.make_directory(self.scratch / "parent")
        self.work = self.make_directory(parent / "work")
        parent.chmod(0o555)
        self.addCleanup(parent.chmod, 0o755)
        said, outcome = self.scenario("parents")
        self.assertEqual(said["parents"], "0", outcome)
        self.assertNotEqual(said["beside"], "allowed", outcome)


@harness.as_root_too
class TheSupervisor(ClientTest):
    def test_ends_with_the_same_exit_code(self):
        for code in (0, 1, 77, 255):
            self.scenario("exit_with", code, code=code)

    def test_ends_by_the_same_signal(self):
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT,
                       signal.SIGRTMIN + 3):
            self.scenario("die_by", int(number), code=-number)

    def test_learns_the_exit_code_however_the_caller_deals_with_children(self):
        self.scenario("ignore_children", 42, code=42)
        self.scenario("reap_children", 43, code=43)

    def test_passes_every_signal_on(self):
        process = self.start_scenario("signals", stdout=subprocess.PIPE)
        for number in (signal.SIGUSR1, signal.SIGRTMIN + 1, signal.SIGSEGV, signal.SIGHUP):
            self.assertEqual(process.stdout.readline(), b"ready\n")
            process.send_signal(number)
            self.assertEqual(process.stdout.readline(), f"received {int(number)}\n".encode())
        self.assertEqual(process.wait(harness.TIMEOUT), 0)

    def test_holds_no_descriptor_of_the_callers(self):
        ours, theirs = os.pipe()
        self.addCleanup(os.close, ours)
        process = self.start_scenario("close_pipe", str(theirs), pass_fds=(theirs,))
        os.close(theirs)
        readable, _, _ = select.select([ours], [], [], harness.TIMEOUT)
        self.assertTrue(readable, "the pipe did not end")
        self.assertEqual(os.read(ours, 1), b"")
        self.assertIsNone(process.poll(), "it ended only with the process")

    def test_holds_nothing_of_the_callers_memory_or_environment(self):
        process = self.start_scenario("wait_for_end")
        self.assertEqual(process.stdout.readline(), b"ready\n")
        with open(f"/proc/{process.pid}/environ", "rb") as environment:
            self.assertEqual(environment.read(), b"")
        with open(f"/proc/{process.pid}/maps", encoding="utf-8") as maps:
            self.assertNotIn(self.client, maps.read())
        self.assertEqual(os.readlink(f"/proc/{process.pid}/cwd"), "/")

    def test_has_a_cleaner_that_holds_nothing_of_the_callers_either(self):
        overlays = self.make_directory(self.scratch / "overlays", 0o700)
        process = self.start_scenario("wait_with_overlays", overlays)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        self.assertEqual(len(os.listdir(overlays)), 1)
        cleaners = [child for child in linux.children_of(process.pid)
                    if proc_text(child, "comm") == "scratch-cleaner\n"]
        self.assertEqual(len(cleaners), 1)
        self.assertEqual(proc_text(cleaners[0], "environ"), "")
        self.assertNotIn(self.client, proc_text(cleaners[0], "maps"))
        self.assertEqual(len(os.listdir(f"/proc/{cleaners[0]}/task")), 1)
        process.kill()
        self.assertEqual(process.wait(harness.TIMEOUT), -signal.SIGKILL)
        harness.wait_until(lambda: not os.listdir(overlays), harness.TIMEOUT, "the removal")

    def test_has_an_init_that_is_a_program_of_its_own_and_closed_to_the_caller(self):
        said, outcome = self.scenario("print_init")
        self.assertEqual(said, {"init": "mini-sandbox", "its memory": "Permission denied",
                                "its program": "Permission denied"}, outcome)

    def test_takes_the_sandbox_with_it_when_it_is_killed(self):
        self.kill_and_wait(self.start_scenario("wait_for_end"))

    def test_takes_the_sandbox_of_a_set_user_id_program_with_it(self):
        # An ordinary user has no other real id to give.
        user = 65534 if self.identity.uid == 0 else self.identity.uid
        self.kill_and_wait(self.start_scenario("wait_as_started_by", user))

    def kill_and_wait(self, process):
        self.assertEqual(process.stdout.readline(), b"ready\n")
        process.kill()
        self.assertEqual(process.wait(harness.TIMEOUT), -signal.SIGKILL)
        # It ends when the process inside has ended.
        readable, _, _ = select.select([process.stdout], [], [], harness.TIMEOUT)
        self.assertTrue(readable, "the sandbox goes on")
        self.assertEqual(process.stdout.read(), b"")

    def test_ends_what_was_left_running_inside(self):
        self.scenario("leave_a_child")

    def test_writes_the_log_which_nobody_inside_can_change(self):
        log = self.scratch / "log"
        self.make_file(log, "old", 0o600)
        said, outcome = self.scenario("logged", log, code=3)
        self.assertEqual(said["log"], "0", outcome)
        text = log.read_text()
        self.assertNotIn("old", text)
        self.assertIn("stage: plan", text)
        self.assertIn("outcome: exit code 3", text)
        # The supervisor goes on with the caller's clock.
        times = [float(time) for time in re.findall(r"^\[ *([\d.]+)\] ", text, re.M)]
        self.assertEqual(len(times), len(text.splitlines()))
        self.assertEqual(times, sorted(times))


def under_valgrind(command):
    return ["valgrind", "-q", "--vgdb=no", "--leak-check=full",
            "--errors-for-leak-kinds=definite", "--error-exitcode=9", *command]


def require_valgrind(test):
    if not shutil.which("valgrind"):
        stage().problems["valgrind"] = "valgrind is not installed"
    test.require("valgrind")


class UnderValgrind(ClientTest):
    client = "capi-client-shared"
    limit = 60

    def command(self, scenario, *arguments):
        return under_valgrind(super().command(scenario, *arguments))

    @not_under("address", "thread")  # which valgrind cannot run
    def test_it_says_so_and_the_caller_goes_on_without_a_memory_error(self):
        require_valgrind(self)
        said, outcome = self.scenario("fail_under_valgrind")
        self.assertEqual({name: said[name] for name in UNCHANGED}, UNCHANGED, outcome)
        self.assertEqual(said["valgrind"], str(SYSTEM_ERROR), outcome)
        self.assertIn("valgrind runs this program", outcome.err)


class SetUpsThatFail:
    """Of a start and of a spawn; fails() runs the scenario, and looks whether anything is left."""

    def test_that_the_plan_cannot_serve(self):
        said, message = self.fails("fail_in_the_plan", self.work)
        self.assertEqual(said["overlay on a file"], str(SYSTEM_ERROR))
        self.assertIn("/etc/passwd", message)
        self.assertIn("not a directory", message)

    def test_that_breaks_off_while_the_sandbox_is_set_up(self):
        said, message = self.fails("fail_in_the_child")
        self.assertEqual(said["descriptors"], str(SYSTEM_ERROR))
        self.assertIn("EMFILE", message)

    def test_that_has_no_room_for_the_supervisor(self):
        said, message = self.fails("fail_at_the_file")
        self.assertEqual(said["file size"], str(SYSTEM_ERROR))
        self.assertIn("ulimit -f", message)


@harness.as_root_too
class AFailedStart(SetUpsThatFail, ClientTest):
    """The caller goes on in the same process, as it was, with its threads."""

    def fails(self, scenario, *arguments):
        said, outcome = self.scenario(scenario, *arguments)
        self.assertEqual({name: said[name] for name in UNCHANGED}, UNCHANGED, outcome)
        self.assertEqual(said["descriptors after"], said["descriptors before"], outcome)
        return said, outcome.err

    def test_that_breaks_off_at_the_last_step(self):
        said, message = self.fails("fail_at_exec")
        self.assertEqual(said["exec"], str(SYSTEM_ERROR))
        self.assertIn("become the supervisor", message)

    def test_that_cannot_keep_the_programs_file_from_being_changed(self):
        self.own_program(self.work / "program")
        said, message = self.fails("fail_without_a_name", self.program)
        self.assertEqual(said["name"], str(SYSTEM_ERROR))
        self.assertIn("keep the file of this program from being changed", message)

    # UndefinedBehaviorSanitizer opens a pipe to see whether an object's memory is there.
    @not_under("address")
    def test_leaves_nothing_wherever_it_breaks_off(self):
        said, outcome = self.scenario("fail_at_every_descriptor")
        self.assertEqual(said, {"running": "1", "several failures": "yes", "other codes": "0",
                                "left open": "0", "children left": "0"}, outcome)

    def test_may_be_made_again(self):
        said, outcome = self.scenario("fail_then_succeed")
        self.assertEqual(said, {"first": str(SYSTEM_ERROR), "second": "0", "limit": "20"}, outcome)


class Codes(ClientTest):
    def test_of_every_setting(self):
        for directory in ("sub", "root"):
            self.make_directory(self.work / directory)
        self.make_file(self.work / "file")
        os.symlink("sub", self.work / "link")
        said, outcome = self.scenario("codes", self.work)
        if SANITIZER:  # which ends a program for which there is no memory
            self.assertRegex(said["no memory"], "^ended by ")
            said["no memory"] = str(UNKNOWN_ERROR)
        self.assertEqual(said, {
            "at first": '0 ""',
            "two modes": str(MORE_THAN_ONE_MODE),
            "mode after root": str(MORE_THAN_ONE_MODE),
            "root twice": str(ROOT_TWICE),
            "custom twice": str(ROOT_TWICE),
            "default twice": "0",
            "root is a file": str(NOT_A_DIRECTORY),
            "overlays in a file": str(NOT_A_DIRECTORY),
            "tmpfs on a file": str(NOT_A_DIRECTORY),
            "working in a file": str(NOT_A_DIRECTORY),
            "overlay without mode": str(NO_OVERLAYS),
            "overlay in default mode": str(NO_OVERLAYS),
            "missing": str(NO_SUCH_PATH),
            "missing root": str(NO_SUCH_PATH),
            "below a file": str(NO_SUCH_PATH),
            "output in missing": str(NO_SUCH_PATH),
            "relative": str(NOT_ABSOLUTE),
            "empty path": str(NOT_ABSOLUTE),
            "null path": str(NOT_ABSOLUTE),
            "log twice": str(LOG_TWICE),
            "root in writable": str(OVERLAY_IN_WRITABLE),
            "overlays in writable": str(OVERLAY_IN_WRITABLE),
            "writable around overlays": str(OVERLAY_IN_WRITABLE),
            "read then write": str(READ_AND_WRITE),
            "write then read": str(READ_AND_WRITE),
            "up from a link": str(SYSTEM_ERROR),
            "output above a link": str(SYSTEM_ERROR),
            "tmp in default mode": str(TMP_IN_DEFAULT_MODE),
            "default mode after tmp": str(TMP_IN_DEFAULT_MODE),
            "tmp in readonly mode": "0",
            "log in missing": str(SYSTEM_ERROR),
            "no memory": str(UNKNOWN_ERROR),
            "failure changes nothing": "0",
        }, outcome)
        self.assertFalse((self.work / "made").exists())


class InASandboxAlready(ClientTest):
    needs = ("namespaces", "mini-sandbox")

    def nested(self, *options):
        return self.sandbox(*self.command("plain"), options=("-x", *options), program="mini-sandbox")

    def test_it_says_so(self):
        self.assertEqual(self.nested().lines(), [f"start: {INSIDE_ALREADY}"])

    def test_it_starts_where_the_outer_one_allows_it(self):
        self.assertEqual(self.nested("--nested").lines(), ["start: 0"])

    def test_one_of_the_librarys_says_so_too(self):
        said, outcome = self.scenario("nested")
        self.assertEqual(said, {"start": str(INSIDE_ALREADY)}, outcome)


class TheFileOfAProgramWithTheSharedLibrary(TheFileOfTheProgram):
    client = "capi-client-shared"

    def own_program(self, path):
        self.require("libmini-sandbox.so.1")
        super().own_program(path)
        # Where it shows inside as well: what is executed there needs it again.
        self.library = self.make_directory(self.scratch / "lib") / "libmini-sandbox.so.1"
        shutil.copy(stage().bin_dir / self.library.name, self.library)
        self.library.chmod(0o755)

    def command(self, *words):
        return ["env", f"LD_LIBRARY_PATH={self.library.parent}", *super().command(*words)]


class SharedLibrary(ClientTest):
    client = "capi-client-shared"

    def test_carries_all_that_it_needs(self):
        self.require("libmini-sandbox.so.1")
        said, outcome = self.scenario("threads")
        self.assertEqual(said["written after"], "0", outcome)

    @not_under("address", "thread")  # whose runtime is not in Python
    def test_loads_into_a_running_program(self):
        self.require("libmini-sandbox.so.1")
        outcome = harness.run_bounded(
            [harness.PYTHON, "-c",
             "import ctypes, os, sys\n"
             "library = ctypes.PyDLL(sys.argv[1])\n"
             "assert library.mini_sandbox_setup_default() == 0\n"
             "assert library.mini_sandbox_start() == 0\n"
             "print(os.getpid(), library.mini_sandbox_is_running())\n"
             "sys.exit(5)\n", stage().bin_dir / "libmini-sandbox.so.1"],
            identity=self.identity, cwd=self.work)
        self.assert_code(outcome, 5)
        self.assertTrue(outcome.out.endswith(" 1\n"), outcome)
