"""libmini-sandbox: programs of tests/capi that run commands in sandboxes and stay outside."""

import os
import select
import signal
import subprocess

import harness
import linux
import test_capi
from test_capi import (ENDED, INSIDE_ALREADY, INVALID_ARGUMENT, LOG_TWICE, MORE_THAN_ONE_MODE,
                       NO_OVERLAYS, NO_SUCH_PATH, NOT_A_DIRECTORY, NOT_ABSOLUTE, ALREADY_STARTED,
                       READ_AND_WRITE, ROOT_TWICE, SYSTEM_ERROR, TIMED_OUT)


class ObjectsTest(test_capi.ClientTest):
    client = "capi-objects-static"


def processes_below(pid):
    """It and all that it has started."""
    found = [pid]
    for child in linux.children_of(pid):
        found += processes_below(child)
    return found


def open_files(pid):
    directory = f"/proc/{pid}/fd"
    return [os.readlink(f"{directory}/{name}") for name in os.listdir(directory)]


@harness.as_root_too
class ACommand(ObjectsTest):
    def test_ends_with_its_exit_code_however_often_one_asks(self):
        for code in (0, 1, 77, 255):
            said, outcome = self.scenario("ends", f"exit {code}")
            self.assertEqual(said, {"first": f"exit {code}", "again": f"exit {code}",
                                    "children": "none"}, outcome)

    def test_ends_by_its_signal(self):
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGRTMIN + 3):
            said, outcome = self.scenario("ends", f"kill -{int(number)} $$")
            self.assertEqual(said["first"], f"signal {int(number)}", outcome)

    def test_that_is_not_there_or_no_program_ends_as_a_shell_has_it(self):
        said, _ = self.scenario("named", "no-such-command")
        self.assertEqual(said, {"spawn": "0", "command": "exit 127"})
        said, _ = self.scenario("named", "/etc/passwd")
        self.assertEqual(said, {"spawn": "0", "command": "exit 126"})

    def test_is_confined(self):
        secret = self.make_file(self.in_home("token"), harness.SECRET, 0o600)
        said, outcome = self.scenario("two_objects", secret)
        self.assertEqual(outcome.out.count(harness.SECRET), 1, outcome)
        self.assertIn("with: exit 0", outcome.out)
        self.assertEqual(said["without"], "exit 1", outcome)
        self.assertEqual(said["running"], "0", outcome)

    def test_may_have_a_megabyte_of_arguments(self):
        said, outcome = self.scenario("long_arguments")
        self.assertEqual(outcome.lines(), [str(10 * 99999), "command: exit 0"], outcome)
        self.assertEqual(said["command"], "exit 0")

    def test_has_the_environment_that_it_is_given_and_no_other(self):
        _, outcome = self.scenario("environment", "whole")
        self.assertEqual(sorted(outcome.lines()),
                         ["API_TOKEN=mine", "PATH=/usr/bin:/bin", "TMPDIR=/elsewhere"], outcome)

    def test_has_the_environment_of_the_caller_without_credentials_else(self):
        _, outcome = self.scenario("environment", "callers")
        self.assertIn("KEPT=yes", outcome.lines())
        self.assertNotIn("API_TOKEN", outcome.out)

    def test_works_in_the_directory_of_the_object_or_in_its_own(self):
        place = self.make_directory(self.scratch / "place")
        other = self.make_directory(place / "other")
        _, outcome = self.scenario("working_directory", place)
        self.assertEqual(outcome.lines(), [str(place), "command: exit 0", str(other),
                                           "command: exit 0"], outcome)
        self.assertTrue((place / "made").exists() and (other / "made").exists())

    def test_has_the_streams_that_it_is_given(self):
        said, outcome = self.scenario("streams")
        self.assertEqual(said, {"swapped": "exit 0", "none": "exit 0", "same": "exit 0"}, outcome)
        self.assertEqual(outcome.err, "input\n", outcome)
        self.assertEqual(outcome.lines().count("error"), 1, outcome)
        self.assertEqual(outcome.lines().count("one place"), 3, outcome)
        self.assertNotIn("lost", outcome.out)

    def test_begins_with_signals_as_they_are_by_default(self):
        said, outcome = self.scenario("blocked_signals")
        for name in ("SigBlk", "SigIgn"):
            self.assertEqual(int(said[name], 16), 0, outcome)
        self.assertEqual(said["still blocked"], "1", outcome)
        self.assertEqual(said["end"], f"signal {int(signal.SIGTERM)}", outcome)

    def test_lets_a_pipe_end_when_it_closes_it(self):
        said, _ = self.scenario("closed_output")
        self.assertEqual(said, {"pipe": "0", "command": str(TIMED_OUT), "end": "exit 0"})

    def test_is_waited_for_no_longer_than_wanted_and_signalled_until_it_ends(self):
        said, outcome = self.scenario("time_limits")
        self.assertEqual(said, {
            "at once": str(TIMED_OUT), "later": f"{TIMED_OUT}, status -1",
            "pidfd": "0, close-on-exec 1", "asked": "0", "kill": "0",
            "end": f"signal {int(signal.SIGTERM)}", "pidfd at the end": "1",
            "kill again": str(ENDED), "at once again": "0"}, outcome)

    def test_gets_the_signals_that_it_is_sent(self):
        said, outcome = self.scenario("signals")
        numbers = (signal.SIGUSR1, signal.SIGHUP, signal.SIGINT, signal.SIGWINCH,
                   signal.SIGRTMIN + 1)
        self.assertEqual(said, {f"signal {int(number)}": f"exit {int(number)}"
                                for number in numbers}, outcome)

    def test_is_gone_with_all_it_has_started_when_it_is_given_up(self):
        said, outcome = self.scenario("free_or_kill", "free")
        self.assertEqual(said, {"pipe": "0", "children": "none"}, outcome)

    def test_is_gone_with_all_it_has_started_when_it_is_killed(self):
        said, outcome = self.scenario("free_or_kill", "kill")
        self.assertEqual(said, {"kill": "0", "end": f"signal {int(signal.SIGKILL)}", "pipe": "0",
                                "children": "none"}, outcome)

    def test_leaves_no_scratch_directory(self):
        directory = self.make_directory(self.scratch / "overlays", 0o700)
        root = self.make_directory(directory / "root")
        said, outcome = self.scenario("overlay", directory)
        self.assertEqual(said, {"command": "exit 0"}, outcome)
        self.assertEqual(os.listdir(directory), [root.name])

    def test_shares_a_log_with_others_of_its_object(self):
        log = self.make_file(self.scratch / "log", "old\n", 0o600)
        said, outcome = self.scenario("logged", log)
        self.assertEqual((said["log"], said["log again"]), ("0", str(LOG_TWICE)), outcome)
        lines = log.read_text().splitlines()
        self.assertEqual(lines[0], "old")
        processes = {said["process 0"], said["process 1"]}
        self.assertEqual({line.split()[0] for line in lines[1:]}, processes)
        ends = [line.split()[0] for line in lines if line.endswith("outcome: exit code 3")]
        self.assertEqual(set(ends), processes)


@harness.as_root_too
class NothingOfTheCaller(ObjectsTest):
    def test_is_open_in_the_sandbox_or_beside_it(self):
        marker = self.make_file(self.scratch / "marker")
        process = self.start_scenario("with_descriptors", marker, stdin=subprocess.PIPE)
        lines = [process.stdout.readline().decode() for _ in range(2)]
        supervisor = int(next(line for line in lines if line.startswith("process: "))[9:])
        command = next(line for line in lines if line.startswith("/proc"))
        # The shell has the directory open that it lists.
        self.assertLessEqual(set(command.split()), {f"/proc/self/fd/{fd}" for fd in range(4)})
        found = processes_below(supervisor)
        self.assertGreaterEqual(len(found), 3)  # the supervisor, init, the command
        # Of what it runs, an ordinary user may look into the supervisor alone.
        for pid in found if test_capi.stage().root() else [supervisor]:
            self.assertNotIn(str(marker), open_files(pid))
        self.assertEqual(test_capi.proc_text(supervisor, "comm"), "mini-sandbox\n")
        self.assertNotIn(self.client, test_capi.proc_text(supervisor, "maps"))
        process.stdin.close()
        self.assertEqual(process.stdout.readline(), b"command: exit 0\n")

    def test_decides_about_a_command_that_goes_on_when_it_ends(self):
        theirs, ours = os.pipe()
        process = self.start_scenario("end_before_it", stdin=theirs)
        os.close(theirs)
        self.assertTrue(process.stdout.readline().startswith(b"process: "))
        self.assertEqual(process.wait(harness.TIMEOUT), 0)
        readable, _, _ = select.select([process.stdout], [], [], 0.05)
        self.assertFalse(readable, "the command has ended with its caller")
        os.write(ours, b"still here\n")
        self.assertEqual(process.stdout.readline(), b"still here\n")
        os.close(ours)
        self.assertEqual(process.stdout.read(), b"the end\n")

    def test_runs_in_its_place(self):
        said, _ = self.scenario("atfork_handlers")
        self.assertEqual(said, {"command": "exit 0", "fork handlers": "0"})


@harness.as_root_too
class ACaller(ObjectsTest):
    WAYS = {"exit": "exit 42", "signal": f"signal {int(signal.SIGSEGV)}",
            "killed": f"signal {int(signal.SIGKILL)}", "missing": "exit 127"}

    def test_spawns_from_ten_threads_at_once(self):
        said, outcome = self.scenario("ten_threads")
        self.assertEqual(said.pop("descriptors after"), said.pop("descriptors before"), outcome)
        self.assertEqual(said, {"wrong": "0", "last error here": "0", "children": "none"}, outcome)

    def test_that_ignores_its_children_learns_how_they_ended(self):
        said, outcome = self.scenario("ignored_children")
        self.assertEqual(said, self.WAYS, outcome)

    def test_that_reaps_all_its_children_learns_how_they_ended(self):
        said, outcome = self.scenario("reaped_children")
        self.assertEqual(said, {**self.WAYS, "reaped": "by the caller"}, outcome)

    def test_may_have_closed_its_standard_streams(self):
        self.scenario("closed_streams")
        self.assertEqual((self.work / "result").read_text(), 
                         f"refused {INVALID_ARGUMENT}, wait 0, exit 7, open streams 0 and 1\n")

    def test_may_close_what_the_library_keeps_open(self):
        _, outcome = self.scenario("closed_program")
        self.assertEqual(outcome.lines(), ["command: exit 7"] * 3, outcome)

    def test_that_forks_keeps_its_commands(self):
        said, outcome = self.scenario("forks")
        self.assertEqual(said, {
            "in the fork": "exit 5", "running in the fork": str(TIMED_OUT),
            "the fork's own": "exit 4", "after the fork": str(TIMED_OUT), "end": "exit 6",
            "ended": "exit 5"}, outcome)

    def test_cannot_spawn_once_it_is_inside_itself(self):
        said, outcome = self.scenario("start_before")
        self.assertEqual(said, {
            "setting of the process": str(ALREADY_STARTED), "setting of the object": "0",
            "spawn": str(INSIDE_ALREADY), "process": "NULL"}, outcome)

    def test_goes_inside_and_leaves_its_commands_outside(self):
        said, outcome = self.scenario("start_afterwards", code=8)
        self.assertEqual(said, {"inside": "1", "command": str(TIMED_OUT), "kill": "1",
                                "end": "exit 6"}, outcome)


class InASandboxAlready(ObjectsTest):
    needs = ("namespaces", "mini-sandbox")

    def nested(self, *options):
        return self.sandbox(*self.command("plain_spawn"), options=("-x", *options),
                            program="mini-sandbox").lines()

    def test_it_says_so(self):
        self.assertEqual(self.nested(), [f"spawn: {INSIDE_ALREADY}"])

    def test_it_spawns_where_the_outer_one_allows_it(self):
        self.assertEqual(self.nested("--nested"), ["spawn: 0"])


@harness.as_root_too
class AFailedSpawn(test_capi.SetUpsThatFail, ObjectsTest):
    def fails(self, scenario, *arguments):
        said, outcome = self.scenario(scenario, *arguments)
        self.assertEqual(said["children"], "none", outcome)
        self.assertEqual(said["descriptors after"], said["descriptors before"], outcome)
        return said, outcome.err

    def test_that_cannot_start_the_supervisor(self):
        said, message = self.fails("fail_at_exec")
        self.assertEqual(said["exec"], str(SYSTEM_ERROR))
        self.assertIn("start the supervisor", message)

    def test_for_want_of_descriptors_leaves_nothing_wherever_they_end(self):
        said, outcome = self.scenario("fail_without_descriptors")
        self.assertEqual(said, {"none": str(SYSTEM_ERROR), "many": "0", "other codes": "0",
                                "changed descriptors": "0", "children": "none"}, outcome)

    def test_that_has_no_descriptor_for_the_supervisor_runs_no_command(self):
        said, outcome = self.scenario("fail_without_room")
        self.assertEqual(said, {"no room": str(SYSTEM_ERROR), "children": "none",
                                "command": "did not run"}, outcome)
        self.assertIn("ulimit -n", outcome.err)

    def test_whose_supervisor_is_killed_before_it_says_a_word_or_soon_after(self):
        for scenario, what in (("fail_at_once", "at once"), ("fail_soon", "soon")):
            with self.subTest(scenario):
                said, message = self.fails(scenario)
                self.assertEqual(said[what], str(SYSTEM_ERROR))
                self.assertIn("ended before the sandbox was set up", message)


class Arguments(ObjectsTest):
    def test_that_are_none_have_codes(self):
        said, outcome = self.scenario("bad_arguments", self.work)
        invalid = str(INVALID_ARGUMENT)
        self.assertEqual(said, {
            "no object": invalid, "no command": invalid, "no place for the process": invalid,
            "size": invalid, "no argv": invalid, "empty argv": invalid, "empty name": invalid,
            "closed descriptor": invalid, "no descriptor": invalid,
            "directory as a stream": str(SYSTEM_ERROR), "relative directory": str(NOT_ABSOLUTE),
            "missing directory": str(NO_SUCH_PATH), "file as directory": str(NOT_A_DIRECTORY),
            "wait for nothing": invalid, "kill nothing": invalid, "of nothing": "-1 -1 -1",
            "stop": invalid, "no signal": invalid, "it still runs": str(TIMED_OUT)}, outcome)

    def test_of_settings_have_the_codes_that_those_of_the_process_have(self):
        said, outcome = self.scenario("object_settings", self.work)
        self.assertEqual(said, {
            "no object": str(INVALID_ARGUMENT), "hermetic": "0", "hermetic again": str(ROOT_TWICE),
            "default": str(MORE_THAN_ONE_MODE), "read-only": str(MORE_THAN_ONE_MODE),
            "custom": str(MORE_THAN_ONE_MODE), "overlay": str(NO_OVERLAYS), "bind": "0",
            "write": str(READ_AND_WRITE), "tmpfs": str(NOT_A_DIRECTORY), "output file": "0",
            "parents": "0", "working directory": str(NOT_ABSOLUTE), "network": "0",
            "log": str(NO_SUCH_PATH), "of the process": "0"}, outcome)
        self.assertTrue((self.work / "output").exists())


class UnderValgrind(ObjectsTest):
    """Which follows no child, and knows neither pidfd_open(2) nor pidfd_send_signal(2)."""
    client = "capi-objects-shared"
    limit = 60

    def command(self, scenario, *arguments):
        return test_capi.under_valgrind(super().command(scenario, *arguments))

    @test_capi.not_under("address", "thread")
    def test_commands_run_and_end_without_a_memory_error(self):
        test_capi.require_valgrind(self)
        said, outcome = self.scenario("ends", "exit 7")
        self.assertEqual(said["again"], "exit 7", outcome)
        said, outcome = self.scenario("free_or_kill", "free")
        self.assertEqual((said["pipe"], said["children"]), ("0", "none"), outcome)


class SharedLibrary(ObjectsTest):
    client = "capi-objects-shared"

    def test_carries_all_that_it_needs(self):
        self.require("libmini-sandbox.so.1")
        said, outcome = self.scenario("ten_threads")
        self.assertEqual(said["wrong"], "0", outcome)
