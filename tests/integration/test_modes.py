"""The file-system modes beside -x: read-only (no option), custom (-o) and hermetic (-h); and -e."""

import os
import pathlib
import re
import shutil

import harness
import host_services
import linux
import tapbox
import test_escapes
import test_filesystem
import test_privileges

# What a program needs of an ordinary host, by the names that people type.
SYSTEM = [path for path in ("/bin", "/etc", "/lib", "/lib32", "/lib64", "/opt", "/usr", "/var")
          if os.path.exists(path)]


class ReadOnlyMode:
    options = ()


class EmptyRootMode:
    """The whole system by name, and the work directory writable."""
    mode = None
    system = None

    def root_directory(self):
        path = self.scratch.with_name(f"root-{os.getpid()}")
        if not path.exists():
            self.make_directory(path)
            self.addCleanup(shutil.rmtree, path)
        return str(path)

    @property
    def options(self):
        return (self.mode, self.root_directory(), *self.system, "-w", str(self.work))


class HermeticMode(EmptyRootMode):
    mode = "-h"
    system = [word for path in SYSTEM for word in ("-M", path)]


class CustomMode(EmptyRootMode):
    mode = "-o"
    system = [word for path in ("/bin", "/etc", "/lib", "/lib64", "/usr") if os.path.exists(path)
              for word in ("-k", path)] + ["-M", "/opt", "-M", "/var"]


class NothingChangesBesideHome(test_filesystem.NothingChangesOnTheHost):
    """In read-only mode, where HOME shows and takes no file."""

    def test_nothing_stays_in_tmp_or_shm(self):
        outcome = self.shell("echo x > /tmp/a && echo x > /dev/shm/b && echo done; mkdir ~/c")
        self.assertEqual(outcome.out, "done\n", outcome)
        self.assertEqual(os.listdir("/tmp") + os.listdir("/dev/shm"), [])
        self.assertFalse((self.home / "c").exists())

    def test_a_submount_in_home_is_neither_seen_nor_changed(self):
        submount = self.make_directory(self.in_home("submount"))
        self.mount_tmpfs(submount)
        kept = self.make_file(submount / "kept", "as it was", 0o666)
        self.shell('echo x >> "$1/kept"; touch "$1/new"; rm -f "$1/kept"', str(submount))
        self.assertEqual(kept.read_text(), "as it was")
        self.assertEqual(os.listdir(submount), ["kept"])


class NothingChangesThatIsNamed(test_filesystem.NothingChangesOnTheHost):
    """In an empty root, where other places show only by name."""

    def test_a_submount_outside_is_read_only_too(self):
        outside = self.make_directory(self.scratch / "outside")
        self.make_directory(outside / "submount")
        self.mount_tmpfs(outside / "submount")
        self.make_file(outside / "submount" / "kept", "as it was", 0o666)
        before = harness.snapshot(outside)
        outcome = self.shell('cd "$1/submount"; cat kept; echo x > kept; touch new; rm -f kept',
                             str(outside), options=(*self.options, "-M", str(outside)))
        self.assertIn("as it was", outcome.out)
        self.assertEqual(harness.differences(before, harness.snapshot(outside)), [])


def every_mode(base, modes):
    """The tests of `base`, in each of the modes; as root, too."""
    for mode in modes:
        name = f"{base.__name__}In{mode.__name__}"
        globals()[name] = harness.as_root_too(
            type(name, (mode, base), {"__module__": __name__, "__doc__": base.__doc__}))


every_mode(NothingChangesBesideHome, [ReadOnlyMode])
every_mode(NothingChangesThatIsNamed, [HermeticMode, CustomMode])
every_mode(test_filesystem.PrivateDirectories, [ReadOnlyMode, HermeticMode, CustomMode])
every_mode(test_filesystem.Mounts, [ReadOnlyMode, HermeticMode, CustomMode])
every_mode(test_filesystem.CredentialsInHome, [ReadOnlyMode])
every_mode(test_filesystem.WorkDirectory, [ReadOnlyMode])
every_mode(test_escapes.ReadOnlyParts, [ReadOnlyMode, HermeticMode, CustomMode])
every_mode(test_privileges.Privileges, [ReadOnlyMode, HermeticMode, CustomMode])
del NothingChangesBesideHome, NothingChangesThatIsNamed


@harness.as_root_too
class ReadOnly(harness.SandboxTest):
    options = ()

    def test_shows_the_hosts_tree_and_writes_to_the_work_directory_and_tmp_alone(self):
        outcome = self.shell("head -c 4 /etc/passwd; echo; echo x > here; echo x > /tmp/x && cat /tmp/x; "
                             "for d in / /etc /usr /var ~; do touch $d/mini-sandbox-was-here; done")
        self.assertEqual(outcome.lines(), ["root", "x"], outcome)
        self.assertEqual((self.work / "here").read_text(), "x\n")
        self.assertEqual(outcome.err.count("Read-only file system"), 5, outcome)

    def test_shows_home_without_credentials_and_says_so_once(self):
        self.plant_secrets()
        self.make_file(self.in_home("notes"), "notes\n")
        outcome = self.shell("cat ~/notes ~/.config/token; cat ~/.ssh/* ~/.netrc ~/.aws/* ~/.gnupg/*; "
                             "ls -A ~/.ssh")
        self.assertEqual(outcome.lines()[0], "notes", outcome)
        self.assertEqual(outcome.out.count(harness.SECRET), 1, "~/.config/token is no known name")
        notices = [line for line in outcome.err.splitlines() if line.startswith("mini-sandbox: ")]
        self.assertEqual(len(notices), 1, outcome)
        self.assertIn("-M PATH shows one", notices[0])

    def test_M_shows_the_one_credential_that_it_names(self):
        self.plant_secrets()
        shown = str(self.home / ".ssh/id_ed25519")
        outcome = self.shell("cat ~/.ssh/id_ed25519 ~/.netrc; ls -A ~/.ssh", options=("-M", shown))
        self.assertEqual(outcome.lines(), [f"{harness.SECRET} .ssh/id_ed25519", "id_ed25519"],
                         outcome)

    def test_credentials_are_hidden_where_symlinks_and_other_mounts_lead_to_them(self):
        self.plant_secrets()
        kept_elsewhere = self.make_directory(self.scratch / "dotfiles")
        self.make_file(kept_elsewhere / "pgpass", harness.SECRET)
        os.symlink(kept_elsewhere / "pgpass", self.in_home(".pgpass"))
        os.symlink(self.home / ".ssh", self.work / "link")
        second = self.make_directory(self.scratch / "second-home")
        linux.mount(str(self.home), str(second), flags=linux.MS_BIND)
        self.addCleanup(linux.umount_lazily, str(second))
        outcome = self.shell('cat link/* "$1"/.netrc "$1"/.ssh/* "$2" /proc/self/root"$1"/.netrc; '
                             'cat /proc/1/root$HOME/.netrc', str(second),
                             str(kept_elsewhere / "pgpass"))
        self.assertNotIn(harness.SECRET, outcome.out)

    def test_home_as_work_directory_is_changed_inside_alone(self):
        self.plant_secrets()
        self.make_file(self.in_home("notes"), "notes\n")
        before = harness.snapshot(self.home)
        outcome = self.shell("echo x > notes; cat notes; cat .ssh/* .netrc", cwd=self.home)
        self.assertEqual(outcome.out, "x\n", outcome)
        self.assertEqual(harness.differences(before, harness.snapshot(self.home)), [])

    def test_a_work_directory_of_credentials_is_refused(self):
        self.plant_secrets()
        outcome = self.sandbox("echo", "ran", cwd=self.home / ".ssh")
        self.assert_setup_error(outcome, 125, "holds credentials")

    def test_a_device_at_a_name_of_credentials_stays_what_it_is(self):
        os.symlink("/dev/null", self.in_home(".bash_history"))
        for mode in ((), ("-x",)):
            with self.subTest(mode=mode):
                outcome = self.shell("echo x > /dev/null && test -c /dev/null && echo device",
                                     options=mode, cwd=self.home)
                self.assertEqual(outcome.out, "device\n", outcome)

    def test_the_tools_of_a_build_work(self):
        self.make_file(self.work / "hello.c", '#include <stdio.h>\nint main(void) { puts("hello"); }\n')
        self.make_file(self.work / "Makefile", "hello: hello.c\n\tgcc -o hello hello.c\n")
        outcome = self.shell("make -s && ./hello && python3 -c 'print(6 * 7)' && git init -q . && "
                             "git add hello.c && git -c user.name=u -c user.email=u@example.com "
                             "commit -qm first && git log --format=%s")
        self.assertEqual(outcome.lines(), ["hello", "42", "first"], outcome)
        self.assertTrue((self.work / ".git").is_dir())


@harness.as_root_too
class Hermetic(HermeticMode, harness.SandboxTest):
    def test_the_command_line_of_today(self):
        options = ["-M", "/lib", "-M", "/lib64", "-M", "/usr", "-M", "/bin", "-M", "/etc",
                   "-M", "/proc", "-M", "/opt", "-M", "/var", "-h", self.root_directory()]
        outcome = self.sandbox("/bin/bash", "-c", "pwd; echo $BASH; cat /etc/hostname /proc/1/comm; "
                               "echo x > /tmp/x && cat /tmp/x", options=options)
        self.assert_code(outcome, 0)
        self.assertEqual([outcome.lines()[0], outcome.lines()[1], outcome.lines()[-1]],
                         ["/", "/bin/bash", "x"], outcome)
        self.assertIn(f"the working directory {self.work} does not show", outcome.err)

    def test_nothing_shows_that_was_not_named(self):
        self.make_file(self.scratch / "neighbour", harness.SECRET)
        self.plant_secrets()
        outcome = self.shell('ls -A /; ls -A ~; cat "$1" ~/.netrc', str(self.scratch / "neighbour"))
        named = {path.strip("/") for path in SYSTEM} | {"dev", "proc", "run", "tmp"}
        links = {name for name in os.listdir("/") if os.path.islink(f"/{name}")}
        tops = {pathlib.Path(path).parts[1] for path in (self.work, self.home)}
        self.assertLessEqual(set(outcome.lines()), named | links | tops, outcome)
        self.assertNotIn(harness.SECRET, outcome.out)
        self.assertFalse(os.path.exists("/sys") and "sys" in outcome.lines())

    def test_nothing_can_be_written_but_what_was_named(self):
        script = ("for d in / /etc /usr /var /home \"$1\"; do mkdir -p $d/made || true; done; "
                  "touch /tmp/x /run/x /var/tmp/x /dev/shm/x ~/x here && echo wrote")
        outcome = self.shell(script, str(self.scratch))
        self.assertEqual(outcome.out, "wrote\n", outcome)
        self.assertTrue((self.work / "here").exists())
        self.assertFalse(any(os.path.exists(f"{top}/made")
                             for top in ("/", "/etc", "/usr", "/var", "/home", self.scratch)))
        self.assertEqual(os.listdir(self.root_directory()), [])

    def test_a_root_directory_with_something_in_it_does_not_show_it(self):
        root = pathlib.Path(self.root_directory())
        self.make_file(root / "inside", harness.SECRET)
        outcome = self.shell("cat /inside; ls /")
        self.assertNotIn("inside", outcome.out)
        self.assertIn("is not empty", outcome.err)

    def test_a_root_directory_that_is_missing_is_an_error(self):
        for mode in ("-h", "-o"):
            outcome = self.shell("echo ran", options=(mode, "/nonexistent/root", *self.system))
            self.assert_setup_error(outcome, 125, f"{mode} /nonexistent/root", "directory")

    def test_single_files_and_other_places(self):
        data = self.make_file(self.scratch / "data", "data\n")
        out = self.make_file(self.scratch / "out", "")
        tool = self.make_directory(self.scratch / "tool")
        self.make_file(tool / "script", "echo tool\n")
        outcome = self.shell('cat "$1" /in/put; sh /app/script; echo written > "$2"; touch /app/x; pwd',
                             str(data), str(out),
                             options=(*self.options, "-M", str(data), "-M", str(data), "-m",
                                      "/in/put", "-w", str(out), "-M", str(tool), "-m", "/app",
                                      "-W", "/app"))
        self.assertEqual(outcome.lines(), ["data", "data", "tool", "/app"], outcome)
        self.assertEqual(out.read_text(), "written\n")
        self.assertEqual(os.listdir(tool), ["script"])

    def test_starts_where_the_working_directory_shows_with_the_access_it_was_given(self):
        below = self.make_directory(self.work / "below")
        outcome = self.shell("pwd; touch x && echo wrote", cwd=below)
        self.assertEqual(outcome.lines(), [str(below), "wrote"], outcome)
        read_only = ("-h", self.root_directory(), *self.system, "-M", str(self.work))
        outcome = self.shell("pwd; touch y && echo wrote", cwd=below, options=read_only)
        self.assertEqual(outcome.lines(), [str(below)], outcome)
        self.assertEqual(os.listdir(below), ["x"])

    def test_a_starting_directory_that_does_not_show_is_an_error(self):
        outcome = self.shell("echo ran", options=(*self.options, "-W", str(self.scratch)))
        self.assertEqual(outcome.out, f"ran\n", "it is on the way to the work directory")
        other = self.make_directory(self.scratch / "other")
        outcome = self.shell("echo ran", options=(*self.options, "-W", str(other)))
        self.assert_setup_error(outcome, 125, f"-W {other}")

    def test_home_that_is_named_shows_without_credentials(self):
        self.plant_secrets()
        self.make_file(self.in_home("notes"), "notes\n")
        for above in (self.home, self.home.parent):
            if str(above) == "/":
                continue
            with self.subTest(named=above):
                outcome = self.shell("cat ~/notes ~/.ssh/* ~/.netrc; touch ~/x", cwd=self.work,
                                     options=(*self.options, "-M", str(above)))
                self.assertEqual(outcome.out, "notes\n", outcome)
        outcome = self.shell('cat /mnt/notes /mnt/.ssh/* /mnt/.netrc; ls -A ~',
                             options=(*self.options, "-M", str(self.home), "-m", "/mnt"))
        self.assertEqual(outcome.out, "notes\n", outcome)

    def test_proc_dev_and_sys_may_be_named(self):
        options = [*self.options, "-M", "/proc", "-M", "/dev", "-M", "/sys"]
        outcome = self.shell("cat /proc/1/comm; echo x > /dev/null; ls /sys; ls /proc; "
                             "touch /sys/x /sys/kernel/x", options=options)
        self.assert_code(outcome, 1)
        self.assertIn("kernel", outcome.lines())
        self.assertNotIn(str(os.getpid()), outcome.lines())
        outcome = self.shell("true", options=[*self.options, "-M", "/proc", "-m", "/mnt"])
        self.assert_setup_error(outcome, 2, "-M /proc", "/proc of its own")

    def test_a_socket_of_the_host_below_what_is_named_is_out_of_reach(self):
        path = host_services.unix_path(harness.stage.run_dir)
        shown = os.path.dirname(path)
        for place in ((), ("-m", "/sockets")):
            with self.subTest(place=place):
                inside = f"/sockets/{os.path.basename(path)}" if place else path
                findings = self.probe("connect-unix", inside,
                                      options=(*self.options, "-M", shown, *place))
                self.assertNotEqual(findings["connect-unix"], "allowed")


@harness.as_root_too
class Custom(CustomMode, harness.SandboxTest):
    def test_the_command_line_of_today(self):
        scratch = self.make_directory(self.scratch / "scratch")
        options = ["-o", self.root_directory(), "-d", str(scratch), "-k", "/etc", "-k", "/lib", "-k",
                   "/lib64", "-k", "/usr", "-k", "/bin", "-M", "/var", "-M", "/opt"]
        before = harness.snapshot("/etc")
        outcome = self.sandbox("/bin/bash", "-c", "pwd; cat /etc/hostname; rm -f /etc/passwd; "
                               "echo x > /etc/new && cat /etc/new; echo $BASH; mkdir /var/new /new",
                               options=options)
        self.assertEqual([outcome.lines()[0], *outcome.lines()[-2:]], ["/", "x", "/bin/bash"],
                         outcome)
        self.assertEqual(harness.differences(before, harness.snapshot("/etc")), [])
        self.assertEqual(outcome.err.count("mkdir: "), 2, outcome)
        self.assertEqual(os.listdir(scratch), [])

    def test_an_overlay_takes_changes_that_are_gone_afterwards(self):
        tree = self.make_directory(self.scratch / "tree")
        self.make_file(tree / "kept", "as it was\n")
        before = harness.snapshot(tree)
        outcome = self.shell('cd "$1"; echo x > new && cat new; echo y > kept && cat kept; rm kept; ls',
                             str(tree), options=(*self.options, "-k", str(tree)))
        self.assertEqual(outcome.lines(), ["x", "y", "new"], outcome)
        self.assertEqual(harness.differences(before, harness.snapshot(tree)), [])

    def test_an_overlay_below_another_name_of_it_is_one(self):
        tree = self.make_directory(self.scratch / "tree")
        self.make_directory(tree / "part")
        self.make_file(tree / "part" / "file", "as it was\n")
        os.symlink("tree/part", self.scratch / "link")
        before = harness.snapshot(tree)
        outcome = self.shell('cat "$1/link/file"; mv "$1/link/file" "$1/tree/moved" && cat "$1/tree/moved"',
                             str(self.scratch), options=(*self.options, "-k", str(tree), "-k",
                                                         str(self.scratch / "link")))
        self.assertEqual(outcome.out, "as it was\nas it was\n", outcome)
        self.assertEqual(harness.differences(before, harness.snapshot(tree)), [])

    def test_a_path_that_is_missing_is_an_error_that_names_it(self):
        outcome = self.shell("echo ran", options=(*self.options, "-k", "/nonexistent"))
        self.assert_setup_error(outcome, 125, "-k /nonexistent")

    def test_nothing_of_the_host_stays_mounted_where_overlays_were_made(self):
        outcome = self.sandbox("cat", "/proc/self/mountinfo")
        points = [line.split(" ")[4] for line in outcome.lines()]
        self.assertEqual(points.count("/proc"), 1, outcome)
        self.assertEqual([point for point in points if re.match("/proc/(etc|usr|var)", point)], [])


@harness.as_root_too
class EmptyDirectories(harness.SandboxTest):
    def setUp(self):
        super().setUp()
        self.outside = self.make_directory(self.scratch / "outside")
        self.kept = self.make_file(self.outside / "kept", "as it was\n")
        self.root = self.make_directory(self.scratch / "root")

    def modes(self):
        system = [word for path in SYSTEM for word in ("-M", path)]
        return ((), ("-x",), ("-h", str(self.root), *system))

    def test_cover_what_the_host_has_there_and_are_gone_afterwards(self):
        before = harness.snapshot(self.outside)
        for mode in self.modes():
            with self.subTest(mode=mode):
                outcome = self.shell('ls -A "$1"; stat -c %a "$1"; echo x > "$1/new" && cat "$1/new"; '
                                     'mknod "$1/null" c 1 3 || echo refused', str(self.outside),
                                     options=(*mode, "-e", str(self.outside)))
                self.assertEqual(outcome.lines(), ["755", "x", "refused"], outcome)
                self.assertEqual(harness.differences(before, harness.snapshot(self.outside)), [])

    def test_have_to_exist_unless_their_place_is_made_freely(self):
        missing = str(self.work / "missing")
        outcome = self.shell("echo ran", options=("-x", "-e", missing))
        self.assert_setup_error(outcome, 125, f"-e {missing}")
        outcome = self.shell("touch /tmp/deep/new/x && echo made", options=("-x", "-e", "/tmp/deep/new"))
        self.assertEqual(outcome.out, "made\n", outcome)

    def test_lie_under_what_is_bound_below_them(self):
        outcome = self.shell('ls "$1"; cat "$1/kept"; echo x > "$1/kept"; touch "$1/new"',
                             str(self.outside), options=("-e", str(self.outside), "-M", str(self.kept)))
        self.assertEqual(outcome.lines(), ["kept", "as it was"], outcome)
        self.assertEqual(os.listdir(self.outside), ["kept"])

    def test_take_the_place_of_the_work_directory_when_they_name_it(self):
        outcome = self.shell("ls -A; touch new && pwd", options=("-e", str(self.work)))
        self.assertEqual(outcome.out, f"{self.work}\n", outcome)
        self.assertEqual(os.listdir(self.work), [])

    def test_are_refused_on_the_kernels_file_systems_and_on_the_root(self):
        for path in ("/", "/proc", "/dev"):
            outcome = self.shell("echo ran", options=("-x", "-e", path))
            self.assert_setup_error(outcome, 2, f"-e {path}")


@harness.as_root_too
class Contradictions(harness.SandboxTest):
    def test_a_path_both_writable_and_read_only_is_a_mistake(self):
        outcome = self.shell("echo ran", options=("-w", str(self.work), "-M", str(self.work)))
        self.assert_setup_error(outcome, 2, f"-w {self.work}", "-M")


@harness.as_root_too
class ForeignProc(HermeticMode, harness.SandboxTest):
    def test_of_a_chroot_or_of_the_host_shows_no_process_of_the_host(self):
        chroot = self.make_directory(self.scratch / "chroot")
        self.make_directory(chroot / "proc")
        linux.mount("/proc", str(chroot / "proc"), flags=linux.MS_BIND | linux.MS_REC)
        self.addCleanup(linux.umount_lazily, str(chroot / "proc"))
        for options in ((), ("-x",), (*self.options, "-M", str(chroot)),
                        (*self.options, "-M", "/", "-m", "/host")):
            with self.subTest(options=options):
                outcome = self.shell('ls -d /host/proc/1 "$1/proc/1" "/host$1/proc/1"; echo done',
                                     str(chroot), options=options)
                self.assertEqual(outcome.out, "done\n", outcome)


class TapboxInEveryMode(tapbox.TapboxTest):
    def test_resolves_and_connects_by_the_rules(self):
        root = self.make_directory(self.scratch / "root")
        system = [word for path in SYSTEM if path != "/etc" for word in ("-M", path)]
        for mode in ((), ("-h", str(root), *system, "-w", str(self.work)),
                     ("-o", str(root), *system, "-M", "/etc", "-w", str(self.work))):
            with self.subTest(mode=mode):
                outcome = self.shell("cat /etc/resolv.conf; getent hosts allowed.example | wc -l; "
                                     "getent hosts refused.example || echo refused",
                                     options=(*mode, "--allow", "allowed.example"))
                self.assertEqual(outcome.lines()[0], "nameserver 198.18.0.53", outcome)
                self.assertEqual(outcome.lines()[-2:], ["1", "refused"], outcome)
                self.assertEqual(len(outcome.verdicts()), 1, outcome)
