"""Overlays: what is written in them works like on a disk, and vanishes."""

import os
import signal
import subprocess
import threading

import harness
import linux

# Run once on a disk and once in an overlay over the same tree: what it prints has to be the same.
_WORKLOAD = r"""
import mmap, os, shutil, stat, subprocess, sys

def show(*words, **more):
    print(*words, flush=True, **more)

def attempt(name, function):
    try:
        show(name, function())
    except OSError as error:
        show(name, 'errno', error.errno)

def tree(top):
    found = []
    for parent, directories, files in os.walk(top):
        directories.sort()
        for name in sorted(directories + files):
            path = os.path.join(parent, name)
            entry = os.lstat(path)
            link = os.readlink(path) if os.path.islink(path) else ''
            size = entry.st_size if stat.S_ISREG(entry.st_mode) else 0
            found.append((os.path.relpath(path, top), oct(entry.st_mode), size, link))
    return found

os.chdir(sys.argv[1])
attempt('read', lambda: open('lower/file').read())
attempt('list', lambda: sorted(os.listdir('lower')))

# A directory of the lower goes, and comes back empty (whiteout, opaque).
attempt('rm -rf', lambda: shutil.rmtree('lower/deep'))
attempt('gone', lambda: os.listdir('lower/deep'))
attempt('mkdir', lambda: os.mkdir('lower/deep'))
attempt('opaque', lambda: os.listdir('lower/deep'))
attempt('fill', lambda: open('lower/deep/new', 'w').write('x'))

# A file of the lower is replaced in each way.
attempt('unlink', lambda: os.unlink('lower/file'))
attempt('exists', lambda: os.path.exists('lower/file'))
attempt('again', lambda: open('lower/file', 'x').write('again'))
attempt('replace', lambda: os.replace('lower/file', 'lower/other'))
attempt('other', lambda: open('lower/other').read())

# Moving within, and across directories; mv(1) copies where rename(2) cannot.
attempt('mv file', lambda: subprocess.call(['mv', 'lower/moved', 'second/moved']))
attempt('mv tree', lambda: subprocess.call(['mv', 'lower/tree', 'second/tree']))
attempt('moved', lambda: tree('second'))

# Names and attributes.
attempt('hard link', lambda: os.link('lower/big', 'lower/hard'))
attempt('one file', lambda: (open('lower/hard', 'r+b').write(b'HARD'),
                             open('lower/big', 'rb').read(4)))
attempt('links', lambda: os.stat('lower/big').st_nlink)
attempt('symlink', lambda: os.symlink('other', 'lower/sym'))
attempt('through', lambda: open('lower/sym').read())
attempt('old symlink', lambda: open('lower/link').read())
attempt('chmod', lambda: os.chmod('lower/mode', 0o640))
attempt('mode', lambda: oct(os.stat('lower/mode').st_mode))
attempt('chmod dir', lambda: os.chmod('lower/attributes', 0o700))
attempt('times', lambda: (os.utime('lower/mode', (1, 2)), int(os.stat('lower/mode').st_mtime)))
attempt('old xattr', lambda: os.getxattr('lower/attributes/file', 'user.test'))
attempt('setxattr', lambda: os.setxattr('lower/attributes/file', 'user.test', b'new'))
attempt('xattr', lambda: os.getxattr('lower/attributes/file', 'user.test'))
attempt('xattrs', lambda: sorted(os.listxattr('lower/attributes/file')))
attempt('dir xattr', lambda: os.setxattr('lower/attributes', 'user.dir', b'd'))

# A shared mapping, and a file that grows.
with open('lower/big', 'r+b') as file:
    with mmap.mmap(file.fileno(), 0) as mapping:
        mapping[0:5] = b'hello'
        mapping.flush()
        file.seek(0)
        show('mmap', file.read(5))
with open('lower/big', 'ab') as file:
    file.write(b'end')
attempt('size', lambda: os.stat('lower/big').st_size)
with open('lower/big', 'rb') as file:
    file.seek(-4, os.SEEK_END)
    show('tail', file.read())
attempt('truncate', lambda: (os.truncate('lower/big', 3), os.stat('lower/big').st_size))

# What permissions forbid.
attempt('unreadable', lambda: open('lower/unreadable').read())
attempt('closed', lambda: os.listdir('lower/closed'))
attempt('read-only dir', lambda: open('lower/fixed/new', 'w').write('x'))
attempt('rmdir full', lambda: os.rmdir('lower/attributes'))
show(*tree('.'), sep='\n')
"""


def make_lower(test, top):
    """The tree that the workload works on, owned by the test's identity."""
    lower = test.make_directory(top / "lower")
    test.make_directory(top / "second")
    for name in ("deep", "deep/below", "tree", "tree/below", "attributes", "closed", "fixed"):
        test.make_directory(lower / name)
    for name in ("file", "moved", "mode", "deep/one", "deep/below/two", "tree/below/three",
                 "attributes/file", "other"):
        test.make_file(lower / name, f"content of {name}\n")
    test.make_file(lower / "big", b"0123456789abcdef" * (1 << 18))
    test.make_file(lower / "unreadable", "x", 0o000)
    os.symlink("mode", lower / "link")
    os.setxattr(lower / "attributes/file", "user.test", b"old")
    os.chmod(lower / "closed", 0o000)
    os.chmod(lower / "fixed", 0o555)
    return lower


@harness.as_root_too
class Parents(harness.SandboxTest):
    def setUp(self):
        super().setUp()
        self.tree = self.make_directory(self.scratch / "tree")
        self.project = self.make_directory(self.make_directory(self.tree / "a") / "b")

    def test_take_files_that_are_gone_afterwards(self):
        before = harness.snapshot(self.tree)
        outcome = self.shell("echo x > ../x && mkdir -p ../../c/d && cat ../x; ls ../..; rm -r ../../c",
                             cwd=self.project)
        self.assert_code(outcome, 0)
        self.assertEqual(outcome.lines(), ["x", "a", "c"], outcome)
        self.assertEqual(outcome.err, "")
        self.assertEqual(harness.differences(before, harness.snapshot(self.tree)), [])

    def test_do_not_take_the_working_directory_itself(self):
        self.shell("echo kept > here; rm -rf ../../a/b 2>&1; echo too > ../b/too", cwd=self.project)
        self.assertEqual((self.project / "too").read_text(), "too\n")

    def test_are_changed_inside_only(self):
        make_lower(self, self.tree)
        before = harness.snapshot(self.tree)
        outcome = self.shell("cd ../..; rm -rf lower second; ls", cwd=self.project)
        self.assertEqual(outcome.out.split(), ["a"], outcome)
        self.assertEqual(harness.differences(before, harness.snapshot(self.tree)), [])

    def test_with_a_mount_in_them_are_split_and_the_mount_stays_as_it_is(self):
        make_lower(self, self.tree)
        disk = self.make_directory(self.make_directory(self.tree / "media") / "disk")
        self.make_directory(self.tree / "media/music")
        self.make_file(self.tree / "media/list", "as it was\n")
        self.mount_tmpfs(disk)
        self.make_file(disk / "given", "given\n")
        before = harness.snapshot(self.tree)
        outcome = self.shell("cd ../../media; cat disk/given list; touch disk/x || echo refused; "
                             "echo changed > list; cat list; mv list music; echo y > ../lower/file; "
                             "ls . music; ls -A ..; touch new ../new",
                             cwd=self.project)
        self.assertEqual(outcome.out.split(),
                         ["given", "as", "it", "was", "refused", "changed", ".:", "disk", "music",
                          "music:", "list", "a", "lower", "media", "second"], outcome)
        self.assertEqual(harness.differences(before, harness.snapshot(self.tree)), [])

    def test_are_split_around_a_file_that_is_replaced_all_the_time(self):
        disk = self.make_directory(self.make_directory(self.tree / "media") / "disk")
        self.mount_tmpfs(disk)
        big = self.make_file(self.tree / "media/big", b"x" * (2 << 20))  # shown, not copied
        new = self.scratch / "new"
        replaced = threading.Event()
        ends = threading.Event()

        def replace():
            while not ends.is_set():
                new.write_bytes(b"")
                os.truncate(new, 2 << 20)
                os.rename(new, big)
                replaced.set()

        thread = threading.Thread(target=replace)
        thread.start()
        try:
            self.assertTrue(replaced.wait(harness.TIMEOUT))
            for _ in range(10):
                outcome = self.shell("ls ../../media", cwd=self.project)
                self.assert_code(outcome, 0)
                self.assertIn("disk", outcome.lines(), outcome)
        finally:
            ends.set()
            thread.join()



@harness.as_root_too
class Workload(harness.SandboxTest):
    limit = 60

    def results(self):
        """The workload's output on a disk, and in an overlay."""
        native = self.make_directory(self.scratch / "native")
        tree = self.make_directory(self.scratch / "tree")
        for top in (native, tree):
            make_lower(self, top)
        project = self.make_directory(tree / "project")
        self.make_directory(native / "project")
        return native, tree, project

    def assert_same(self, *options):
        native, tree, project = self.results()
        before = harness.snapshot(tree)
        script = self.make_file(self.scratch / "workload.py", _WORKLOAD)
        inside = self.sandbox(harness.PYTHON, str(script), str(tree), cwd=project,
                              options=("-x", *options))
        outside = harness.run_bounded([harness.PYTHON, str(script), str(native)],
                                      identity=self.identity, cwd=native)
        self.assert_code(inside, 0)
        if os.geteuid() == 0 and self.identity_name == "root":
            # Outside, root may all; inside, permissions count.
            forbidden = ("unreadable", "closed", "read-only dir")
            keep = lambda line: not line.startswith(forbidden) and "fixed/new" not in line
            self.assertEqual(list(filter(keep, inside.lines())), list(filter(keep, outside.lines())))
        else:
            self.assertEqual(inside.lines(), outside.lines())
        self.assertIn("tail b'fend'", inside.out)
        self.assertEqual(harness.differences(before, harness.snapshot(tree)), [])

    def test_is_the_same_in_an_overlay_as_on_disk(self):
        self.assert_same()

    def test_is_the_same_with_the_upper_on_disk(self):
        directory = self.make_directory(self.scratch / "scratch")
        self.assert_same("-d", str(directory))
        self.assertEqual(os.listdir(directory), [])

    def test_is_the_same_over_another_overlay(self):
        upper = self.make_directory(self.scratch / "upper")
        linux.mount("upper", str(upper), "tmpfs", data="mode=0755")
        self.addCleanup(linux.umount_lazily, str(upper))
        lower = self.make_directory(self.scratch / "real")
        for name in ("upper", "work"):
            self.make_directory(upper / name)
        tree = self.make_directory(self.scratch / "tree")
        linux.mount("below", str(tree), "overlay",
                    data=f"lowerdir={lower},upperdir={upper}/upper,workdir={upper}/work,userxattr")
        self.addCleanup(linux.umount_lazily, str(tree))
        self.give(tree)
        self.make_directory = self._make_unless_there
        self.assert_same()

    def _make_unless_there(self, path, mode=0o755):
        path.mkdir(mode=mode, exist_ok=True)
        self.give(path)
        return path


@harness.as_root_too
class WorkloadOnOtherFileSystems(Workload):
    needs_root = True  # to mount an image

    def on(self, kind, *options):
        image = self.scratch / "image"
        with open(image, "wb") as file:
            file.truncate(400 << 20)
        disk = self.scratch / "disk"
        disk.mkdir()
        for command in ([f"mkfs.{kind}", "-q", image], ["mount", "-o", "loop", image, disk]):
            made = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertEqual(made.returncode, 0, made)
        self.addCleanup(linux.umount_lazily, str(disk))
        self.give(disk)
        self.scratch = disk
        self.assert_same(*options)

    def with_upper_there(self, kind):
        self.on(kind, "-d", str(self.scratch / "disk"))
        self.assertEqual([name for name in os.listdir(self.scratch) if "mini" in name], [])

    def test_is_the_same_over_xfs(self):
        self.on("xfs")

    def test_is_the_same_over_btrfs(self):
        self.on("btrfs")

    def test_is_the_same_with_the_upper_on_xfs(self):
        self.with_upper_there("xfs")

    def test_is_the_same_with_the_upper_on_btrfs(self):
        self.with_upper_there("btrfs")

    # The class above runs these.
    test_is_the_same_in_an_overlay_as_on_disk = None
    test_is_the_same_with_the_upper_on_disk = None
    test_is_the_same_over_another_overlay = None


class OtherOwners(harness.SandboxTest):
    needs_root = True  # to make what belongs to somebody else

    def test_a_closed_directory_of_somebody_else_stays_closed(self):
        tree = self.make_directory(self.scratch / "tree")
        project = self.make_directory(tree / "project")
        secret = tree / "secret"
        secret.mkdir(mode=0o700)
        (secret / "file").write_text(harness.SECRET)
        (tree / "unreadable").write_text(harness.SECRET)
        os.chmod(tree / "unreadable", 0o600)
        open_one = tree / "open"
        open_one.mkdir()
        (open_one / "file").write_text("readable\n")
        outcome = self.shell("ls ../secret; cat ../secret/file ../unreadable; chmod 777 ../secret; "
                             "mv ../secret ../mine; cat ../mine/file; cat ../open/file; "
                             "echo x > ../open/file; touch ../beside && echo works", cwd=project)
        self.assertNotIn(harness.SECRET, outcome.out)
        self.assertEqual(outcome.out, "readable\nworks\n", outcome)


@harness.as_root_too
class HomeWithAMount(harness.SandboxTest):
    def test_is_an_overlay_around_the_mount_without_its_secrets(self):
        self.make_directory(self.in_home(".ssh"), 0o700)
        self.make_file(self.home / ".ssh/id", harness.SECRET)
        self.make_file(self.in_home(".netrc"), harness.SECRET)
        media = self.make_directory(self.in_home("media"))
        disk = self.make_directory(media / "disk")
        self.mount_tmpfs(disk)
        self.make_file(disk / "given", "given\n")
        notes = self.make_file(self.in_home("notes"), "notes\n")
        self.make_directory(self.in_home("src"))
        os.symlink("notes", self.in_home("link"))
        before = harness.snapshot(self.home)
        outcome = self.shell("cat link media/disk/given; echo x > notes; echo y > src/y; "
                             "touch media/disk/no media/yes; cat notes; ls src media; "
                             f"grep -rhs {harness.SECRET} .; ls -A", cwd=self.home)
        self.assertNotIn(harness.SECRET, outcome.out)
        self.assertEqual(outcome.lines()[:6], ["notes", "given", "x", "media:", "disk", "yes"],
                         outcome)
        self.assertIn("src:", outcome.lines())
        self.assertEqual(notes.read_text(), "notes\n")
        self.assertEqual(harness.differences(before, harness.snapshot(self.home)), [])


class SystemDirectories(harness.SandboxTest):
    needs_root = True
    identity_name = "root"

    def test_with_a_mount_in_them_are_written_by_root(self):
        # /etc always has one here: the test world mounts its resolv.conf there.
        before = harness.snapshot("/etc")
        outcome = self.shell("touch /etc/new && echo x >> /etc/passwd && mv /etc/passwd /etc/moved "
                             "&& tail -n 1 /etc/moved; echo x > /etc/resolv.conf || echo refused")
        self.assertEqual(outcome.lines(), ["x", "refused"], outcome)
        self.assertEqual(harness.differences(before, harness.snapshot("/etc")), [])


class HangingMount(harness.SandboxTest):
    needs_root = True  # to mount a file system whose server never answers

    def setUp(self):
        super().setUp()
        if not os.path.exists("/dev/fuse"):
            self.skipTest("this machine has no /dev/fuse")
        self.tree = self.make_directory(self.scratch / "tree")
        self.project = self.make_directory(self.tree / "project")
        self.dead = self.make_directory(self.tree / "dead")
        server = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        linux.mount("dead", str(self.dead), "fuse",
                    data=f"fd={server},rootmode=40000,user_id=0,group_id=0,allow_other")
        # Lazily, and before the descriptor: who waits for an answer gets an error then.
        self.addCleanup(os.close, server)
        self.addCleanup(linux.umount_lazily, str(self.dead))

    def test_is_that_dead(self):
        process = subprocess.Popen(["stat", self.dead], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        harness.stage.started.add(process.pid)
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.kill()
        process.wait()
        harness.stage.started.discard(process.pid)

    def test_in_a_parent_does_not_stop_the_start(self):
        outcome = self.shell("echo ran; echo kept > here", cwd=self.project, timeout=10)
        self.assertEqual(outcome.out, "ran\n", outcome)
        self.assertEqual((self.project / "here").read_text(), "kept\n")

    def test_below_a_sibling_leaves_the_others_writable(self):
        self.make_directory(self.tree / "other")
        below = self.make_directory(self.make_directory(self.tree / "side") / "dead")
        linux.umount_lazily(str(self.dead))
        linux.mount("tmp", str(self.dead), "tmpfs")
        server = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        linux.mount("dead", str(below), "fuse",
                    data=f"fd={server},rootmode=40000,user_id=0,group_id=0,allow_other")
        self.addCleanup(os.close, server)
        self.addCleanup(linux.umount_lazily, str(below))
        outcome = self.shell("touch ../other/x && echo ran", cwd=self.project, timeout=10)
        self.assertEqual(outcome.out, "ran\n", outcome)
        self.assertIn(f"cannot be overlaid: {self.tree}/side", outcome.err)


@harness.as_root_too
class ScratchDirectory(harness.SandboxTest):
    def setUp(self):
        super().setUp()
        self.tree = self.make_directory(self.scratch / "tree")
        self.project = self.make_directory(self.tree / "project")
        self.disk = self.make_directory(self.scratch / "disk")

    def options_on_disk(self, directory=None):
        return ("-x", "-d", str(directory or self.disk))

    def test_holds_what_is_written_during_the_run_only(self):
        process = self.start_sandbox("sh", "-c", "echo kept > ../x; echo ready; read answer",
                                     cwd=self.project, options=self.options_on_disk(),
                                     stdin=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        (made,) = self.disk.iterdir()
        self.assertEqual(made.stat().st_mode & 0o7777, 0o700)
        self.assertEqual([path.read_text() for path in made.glob("*/upper/**/x")], ["kept\n"])
        process.stdin.write(b"go\n")
        process.stdin.close()
        self.assertEqual(process.wait(10), 0)
        self.assertEqual(list(self.disk.iterdir()), [])
        self.assertFalse((self.tree / "x").exists())

    def test_cannot_be_seen_by_the_command(self):
        outcome = self.shell('echo secret > ../x; ls -A "$1"/*; cat "$1"/*/*/*/x; '
                             'touch "$1"/new "$1"/*/new; rm -rf "$1"/*; cat ../x', str(self.disk),
                             cwd=self.project, options=self.options_on_disk())
        self.assertEqual(outcome.out, "secret\n", outcome)
        self.assertEqual(list(self.disk.iterdir()), [])

    def test_is_gone_after_the_supervisor_was_killed_and_nothing_is_held_open(self):
        process = self.start_sandbox(
            "sh", "-c", "mkdir -p ../closed/below; chmod 0 ../closed; rm -r ../lower; echo ready; "
            "sleep 60", cwd=self.project, options=self.options_on_disk())
        self.assertEqual(process.stdout.readline(), b"ready\n")
        self.assertEqual(len(list(self.disk.iterdir())), 1)
        process.send_signal(signal.SIGKILL)
        self.assertEqual(process.stdout.read(), b"", "ends when the sandbox does")
        process.wait(10)
        harness.wait_until(lambda: not list(self.disk.iterdir()), 10, "the directory is gone")

    def test_is_gone_after_the_time_limit_a_signal_and_a_failed_start(self):
        for options, command in ((("-T", "0.2"), ["sleep", "60"]), ((), ["sh", "-c", "kill -9 $$"]),
                                 ((), ["/no/such/command"])):
            with self.subTest(command=command):
                self.sandbox(*command, cwd=self.project,
                             options=(*self.options_on_disk(), *options))
                self.assertEqual(list(self.disk.iterdir()), [])

    def test_of_a_run_that_had_no_chance_is_removed_by_the_next(self):
        stale = self.make_directory(self.disk / ("mini-sandbox-" + "0123456789abcdef" * 2))
        self.make_directory(stale / "overlay-0")
        kept = self.make_directory(self.disk / "mini-sandbox-notes")
        self.assert_code(self.shell("touch ../x", cwd=self.project,
                                    options=self.options_on_disk()), 0)
        self.assertEqual(list(self.disk.iterdir()), [kept])

    def test_may_not_lie_where_the_command_writes(self):
        for directory in (self.project, self.make_directory(self.project / "below")):
            outcome = self.sandbox("echo", "ran", cwd=self.project,
                                   options=self.options_on_disk(directory))
            self.assert_setup_error(outcome, 2, "may write")

    def test_that_is_missing_or_no_directory_is_an_error(self):
        file = self.make_file(self.scratch / "file")
        for path in (self.scratch / "none", file):
            outcome = self.sandbox("echo", "ran", cwd=self.project,
                                   options=self.options_on_disk(path))
            self.assert_setup_error(outcome, 125, f"-d {path}: not a directory")

    def test_in_a_parent_of_the_working_directory(self):
        inside = self.make_directory(self.tree / "disk")
        outcome = self.shell("touch ../disk/x ../x && ls ..", cwd=self.project,
                             options=self.options_on_disk(inside))
        self.assertIn("x", outcome.out.split(), outcome)
        self.assertEqual(list(inside.iterdir()), [])
        self.assertFalse((self.tree / "x").exists())

    def test_on_a_file_system_that_cannot_hold_changes_says_so(self):
        upper = self.make_directory(self.scratch / "upper")
        linux.mount("upper", str(upper), "tmpfs", data="mode=0755")
        self.addCleanup(linux.umount_lazily, str(upper))
        for name in ("lower", "upper", "work"):
            self.make_directory(upper / name)
        # An overlay cannot be the upper of another (overlayfs.rst).
        linux.mount("x", str(self.disk), "overlay", data=f"lowerdir={upper}/lower,upperdir="
                    f"{upper}/upper,workdir={upper}/work,userxattr")
        self.addCleanup(linux.umount_lazily, str(self.disk))
        self.give(self.disk)
        outcome = self.sandbox("echo", "ran", cwd=self.project, options=self.options_on_disk())
        self.assert_setup_error(outcome, 125, str(self.disk), "leave out -d")
        self.assertEqual(list(self.disk.iterdir()), [])


@harness.as_root_too
class LargePages(harness.SandboxTest):
    """Of the memory that changes are kept in: a large file is copied up in less than half of the time."""

    def measure(self, script, *options):
        used = ("import os\n"
                "def used():\n"
                "    found = os.statvfs('/tmp')\n"
                "    return (found.f_blocks - found.f_bfree) * found.f_bsize\n")
        outcome = self.sandbox(harness.PYTHON, "-c", used + script, options=("-x", *options))
        self.assert_code(outcome, 0)
        return [int(number) for number in outcome.out.split()]

    def test_are_asked_for_where_the_kernel_has_them(self):
        outcome = self.shell("grep ' /tmp tmpfs ' /proc/self/mounts")
        has_them = os.path.exists("/sys/kernel/mm/transparent_hugepage")
        self.assertEqual("huge=within_size" in outcome.out, has_them, outcome)

    def test_are_no_cost_to_small_files(self):
        before, after = self.measure("print(used())\n"
                                     "for i in range(500): open(f'/tmp/{i}', 'w').write('x')\n"
                                     "print(used())")
        self.assertLessEqual(after - before, 500 * os.sysconf("SC_PAGESIZE"))

    def test_hold_no_more_than_a_file_that_grows(self):
        before, after = self.measure("print(used())\n"
                                     "with open('/tmp/f', 'wb', 0) as f:\n"
                                     "    for i in range(700): f.write(b'x' * 10000)\n"
                                     "print(used())")
        self.assertLessEqual(after - before, 7_000_000 + os.sysconf("SC_PAGESIZE"))

    def test_are_not_taken_for_holes_where_the_size_is_limited(self):
        script = ("with open('/tmp/f', 'wb', 0) as f:\n"
                  "    f.truncate(1 << 30)\n"
                  "    for i in range(64): f.seek(i << 24); f.write(b'x')\n"
                  "print(used())")
        most = 64 * os.sysconf("SC_PAGESIZE") + (1 << 20)
        self.assertLessEqual(self.measure(script, "--scratch-size", "16M")[0], most)


@harness.as_root_too
class ScratchSize(harness.SandboxTest):
    def test_limits_what_is_kept_in_memory_and_says_so(self):
        outcome = self.shell("head -c 8M /dev/zero > /tmp/big; stat -c %s /tmp/big",
                             options=("-x", "--scratch-size", "4M"))
        self.assertLessEqual(int(outcome.out), 4 << 20)
        self.assertIn("the scratch space (4 MB) was full", outcome.err)
        self.assertIn("--scratch-size", outcome.err)

    def test_limits_the_number_of_empty_files(self):
        outcome = self.sandbox(harness.PYTHON, "-c", "import os\n"
                               "for i in range(3000): os.mknod(f'/tmp/{i}')",
                               options=("-x", "--scratch-size", "1M"))
        self.assertIn("No space left on device", outcome.err)
        self.assertIn("was full", outcome.err)

    def test_that_is_enough_is_not_mentioned(self):
        outcome = self.shell("head -c 1M /dev/zero > /tmp/big && echo done",
                             options=("-x", "--scratch-size", "4M"))
        self.assertEqual((outcome.out, outcome.err), ("done\n", ""))
