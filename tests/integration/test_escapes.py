"""Ways out that were once found in sandboxes like this one, tried as they were."""

import os
import shutil
import signal
import subprocess

import harness


@harness.as_root_too
class ReadOnlyParts(harness.SandboxTest):
    def test_an_interpreter_cannot_be_overwritten_through_proc_self_exe(self):
        """CVE-2019-5736: the runtime's own program, reached while it is being executed."""
        before = harness.snapshot(harness.stage.bin_dir)
        self.shell("for p in /proc/[0-9]*/exe; do echo x > $p; done; "
                   "exec 3< /proc/self/exe; echo x > /proc/self/fd/3; "
                   "echo x > /proc/1/exe; cp /bin/sh /proc/1/exe")
        self.assertEqual(harness.differences(before, harness.snapshot(harness.stage.bin_dir)), [])

    def test_a_file_given_as_stdin_cannot_be_reopened_for_writing(self):
        """Through /proc/self/fd the file is opened anew; it lies where nothing is writable."""
        given = self.make_file(self.scratch / "given", "as it was\n", 0o666)
        with open(given, "rb") as stdin:
            outcome = self.start_sandbox("sh", "-c", "cat; echo x > /proc/self/fd/0; "
                                         "echo x > /dev/stdin", stdin=stdin)
            out, _ = outcome.communicate(timeout=10)
        self.assertEqual(out, b"as it was\n")
        self.assertEqual(given.read_text(), "as it was\n")

    def test_the_metadata_of_a_file_given_as_stdin_cannot_be_changed(self):
        given = self.make_file(self.scratch / "given", "one\ntwo\n", 0o600)
        if harness.stage.root():
            os.chown(given, self.identity.uid, self.identity.gid)
        before = harness.snapshot(self.scratch)
        with open(given, "rb") as stdin:
            os.lseek(stdin.fileno(), 4, os.SEEK_SET)
            process = self.start_sandbox(
                "sh", "-c", "for f in /dev/stdin /proc/self/fd/0; do chmod 666 $f; "
                "touch -d @1 $f; chgrp $(id -g) $f; done; cat", stdin=stdin)
            out, errors = process.communicate(timeout=10)
        self.assertEqual(out, b"two\n", "it stands where the caller's stream stood")
        self.assertEqual(errors.count(b"Read-only file system"), 6, errors)
        self.assertEqual(harness.differences(before, harness.snapshot(self.scratch)), [])

    @harness.only_by_root  # who alone gives a file a group that its owner is not in
    def test_nor_that_of_one_whose_owner_has_another_number_inside(self):
        """And whose group has none there, so that no capability tells that it could be changed."""
        given = self.make_file(self.scratch / "given", "text\n", 0o400)
        os.chown(given, self.identity.uid, self.identity.gid + 1)
        for option in ("-R", "-U"):
            with self.subTest(option=option), open(given, "rb") as stdin:
                process = self.start_sandbox("sh", "-c", "chmod 666 /proc/self/fd/0; cat",
                                             options=("-x", option), stdin=stdin)
                out, errors = process.communicate(timeout=10)
                self.assertEqual(out, b"text\n", errors)
                self.assertIn(b"Read-only file system", errors)
                self.assertEqual(os.stat(given).st_mode & 0o777, 0o400)

    def test_a_deleted_file_on_stdin_is_read_as_it_is(self):
        """Shells keep here-documents in such files."""
        given = self.make_file(self.scratch / "given", "text\n", 0o600)
        if harness.stage.root():
            os.chown(given, self.identity.uid, self.identity.gid)
        with open(given, "rb") as stdin:
            given.unlink()
            process = self.start_sandbox("cat", stdin=stdin)
            self.assertEqual(process.communicate(timeout=10)[0], b"text\n")

    def test_a_file_given_as_stdin_cannot_be_cut_short(self):
        """The mounts keep it, and landlock a deleted one, which is on its mount of the host's still."""
        cut = ("import os\n"
               "for cut in (lambda: os.truncate('/proc/self/fd/0', 1),\n"
               "            lambda: os.open('/dev/stdin', os.O_RDONLY | os.O_TRUNC)):\n"
               "    try: cut(); print('cut')\n"
               "    except OSError as error: print(error.strerror)\n")
        for deleted in (False, True):
            given = self.make_file(self.scratch / "given", "text\n", 0o600)
            if harness.stage.root():
                os.chown(given, self.identity.uid, self.identity.gid)
            with self.subTest(deleted=deleted), open(given, "rb") as stdin:
                if deleted:
                    given.unlink()
                process = self.start_sandbox("python3", "-c", cut, stdin=stdin)
                out, errors = process.communicate(timeout=10)
                reason = b"Permission denied" if deleted else b"Read-only file system"
                self.assertEqual(out.splitlines(), [reason, reason], errors)
                self.assertEqual(os.fstat(stdin.fileno()).st_size, 5)

    def test_a_descriptor_that_is_only_a_path_is_refused(self):
        directory = os.open(self.scratch, os.O_PATH)
        try:
            process = self.start_sandbox("true", stdin=directory)
            _, errors = process.communicate(timeout=10)
        finally:
            os.close(directory)
        self.assertEqual(process.returncode, 125, errors)

    def test_output_to_a_file_works_and_only_there(self):
        target = self.make_file(self.scratch / "target", "", 0o644)
        with open(target, "wb") as stdout:
            process = self.start_sandbox("sh", "-c", "echo out; echo x > ../neighbour",
                                         stdout=stdout)
            process.communicate(timeout=10)
        self.assertEqual(target.read_text(), "out\n")
        self.assertEqual(sorted(os.listdir(self.scratch)), ["target", "work"])

    def test_the_work_directory_cannot_be_left_upwards(self):
        """A detached tree as working directory would show the host's parents."""
        self.make_file(self.scratch / "neighbour", "as it was\n", 0o666)
        self.shell("cd ..; echo x > neighbour; cd /proc/self/cwd; echo x > neighbour; "
                   "echo x > /proc/1/root/$OLDPWD/../neighbour; mv work gone; rmdir work")
        self.assertEqual((self.scratch / "neighbour").read_text(), "as it was\n")
        self.assertEqual(sorted(os.listdir(self.scratch)), ["neighbour", "work"])

    def test_a_renamed_work_directory_gives_nothing_above_it(self):
        """While it runs, the directory is moved on the host to another parent."""
        elsewhere = self.make_directory(self.scratch / "elsewhere")
        self.make_file(elsewhere / "neighbour", "as it was\n", 0o666)
        process = self.start_sandbox("sh", "-c", "echo ready; read x; pwd -P; cd ..; ls -A; "
                                     "echo x > neighbour; cat neighbour", stdin=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        self.work.rename(elsewhere / "work")
        process.communicate(b"\n", timeout=10)
        self.assertEqual((elsewhere / "neighbour").read_text(), "as it was\n")


@harness.as_root_too
class Symlinks(harness.SandboxTest):
    """What the sandbox mounts on must not be led astray by links that an attacker left."""

    def test_a_bind_target_that_is_a_symlink_in_the_work_directory(self):
        source = self.make_file(self.scratch / "source", "source\n")
        victim = self.make_file(self.scratch / "victim", "as it was\n")
        os.symlink(victim, self.work / "target")
        before = harness.snapshot(self.scratch)
        self.shell("cat target", options=("-x", "-M", str(source), "-m", str(self.work / "target")))
        self.assertEqual(victim.read_text(), "as it was\n")
        self.assertEqual([path for path in harness.differences(before, harness.snapshot(self.scratch))
                          if path.endswith(("victim", "source"))], [])

    def test_a_writable_path_that_is_a_symlink_to_a_secret(self):
        self.plant_secrets()
        os.symlink(self.home / ".ssh", self.work / "cache")
        outcome = self.shell("ls -A ~; cat ~/.netrc ~/.aws/*")
        self.assertNotIn(harness.SECRET, outcome.out)

    def test_home_that_has_symlinks_at_well_known_places(self):
        """A link where the sandbox would make a directory is not followed."""
        target = self.make_directory(self.scratch / "target")
        os.symlink(target, self.in_home(".cache"))
        before = harness.snapshot(target)
        self.shell("mkdir -p ~/.cache/x; echo x > ~/.cache/y")
        self.assertEqual(harness.differences(before, harness.snapshot(target)), [])


@harness.as_root_too
class Resources(harness.SandboxTest):
    def test_a_fork_bomb_ends_with_the_time_limit(self):
        outcome = self.shell("for i in $(seq 300); do (sleep 1000; sleep 1000) & done; "
                             "echo ready; trap '' TERM; wait", options=("-x", "-T", "1", "-t", "1"))
        self.assertIn("ready", outcome.out)
        self.assertLess(outcome.seconds, 6)

    def test_stopped_processes_end_too(self):
        outcome = self.shell("sleep 1000 & kill -STOP $!; echo ready; exit 3")
        self.assert_code(outcome, 3)
        self.assertLess(outcome.seconds, 3)

    def test_a_stopped_command_ends_at_the_time_limit(self):
        outcome = self.shell("echo ready; kill -STOP $$", options=("-x", "-T", "1", "-t", "1"))
        self.assertEqual(outcome.out, "ready\n")
        self.assertLess(outcome.seconds, 5)
        self.assertNotEqual(outcome.code, 0)


@harness.as_root_too
class SignalsFromInside(harness.SandboxTest):
    def test_no_signal_reaches_a_process_of_the_host(self):
        victim = harness.start(["sleep", "1000"], identity=self.identity, cwd="/",
                               stdout=None, stderr=None)
        self.addCleanup(self._end, victim)
        outcome = self.shell("sleep 1000 & kill -9 $1; kill -9 -1; wait $!; echo $?",
                             str(victim.pid))
        self.assertEqual(outcome.out, "137\n", "the control: what is inside was reached")
        self.assertIsNone(victim.poll())

    def test_the_process_group_of_the_host_is_out_of_reach(self):
        """kill(0, …) reaches a process group, which a pid namespace alone does not cut off."""
        def new_group():
            os.setpgid(0, 0)

        victim = harness.start(["sh", "-c", f"{self.binary} -x -- sh -c 'kill -TERM 0; sleep 0.3'; "
                                "echo survived"], identity=self.identity, cwd=self.work,
                               before_exec=new_group)
        self.addCleanup(self._end, victim)
        out, _ = victim.communicate(timeout=10)
        self.assertEqual(out, b"survived\n")

    def test_the_supervisor_is_not_asked_by_a_signal_to_itself_twice(self):
        """Two signals at once: the command gets them, the run ends once, nothing is left."""
        process = self.start_sandbox("sh", "-c", "echo ready; exec sleep 1000")
        self.assertEqual(process.stdout.readline(), b"ready\n")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            process.send_signal(number)
        process.communicate(timeout=5)
        self.assertIn(process.returncode, (128 + signal.SIGTERM, 128 + signal.SIGINT))


class DoubleRoles(harness.SandboxTest):
    def test_a_sandbox_in_a_sandbox_is_refused_clearly_or_works(self):
        inner = str(self.work / "mini-sandbox")
        shutil.copy(self.binary, inner)
        outcome = self.sandbox(inner, "-x", "--", "echo", "nested")
        if outcome.code == 0:
            self.assertEqual(outcome.out, "nested\n")
        else:
            self.assert_setup_error(outcome, 125)
