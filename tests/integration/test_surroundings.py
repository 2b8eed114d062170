"""Machines that are not like the one of the tests: what containers, chroots and odd accounts have."""

import dataclasses
import os

import harness
import linux

MS_RDONLY = 1
MS_REMOUNT = 32

# Every mode's options; the last is for an empty root.
SYSTEM = [word for path in ("/bin", "/etc", "/lib", "/lib64", "/usr") if os.path.exists(path)
          for word in ("-M", path)]


class Surroundings(harness.SandboxTest):
    """`in_place_with` runs a sandbox in a mount namespace that a function has changed."""

    def modes(self):
        root = self.scratch / "root"
        if not root.exists():
            self.make_directory(root)
        return ((), ("-x",), ("-h", str(root), *SYSTEM, "-w", str(self.work)))

    def in_place_with(self, prepare, *command, options, ids=None, **more):
        """As in an unprivileged container: in a user namespace of its own, as `ids` there."""
        uid, gid = ids or (self.identity.uid, self.identity.gid)

        def enter():
            linux.enter_user_namespace(uid, gid)
            linux.unshare(linux.CLONE_NEWNS)
            prepare()

        return self.sandbox(*command, options=options, before_exec=enter, **more)


@harness.as_root_too
class OddMounts(Surroundings):
    def test_a_root_file_system_that_is_read_only(self):
        def make_read_only():
            linux.mount("none", "/", flags=MS_REMOUNT | linux.MS_BIND | MS_RDONLY)
            linux.mount("work", str(self.work), "tmpfs", data="mode=0755")
            os.chdir(self.work)

        for mode in self.modes():
            with self.subTest(mode=mode):
                outcome = self.in_place_with(make_read_only, "sh", "-c",
                                             "touch here /tmp/x && echo wrote; touch /etc/x",
                                             options=mode)
                self.assertEqual(outcome.out, "wrote\n", outcome)

    def test_a_thousand_mounts(self):
        many = self.make_directory(self.scratch / "many")

        def mount_many():
            linux.mount("many", str(many), "tmpfs", data="mode=0755")
            for number in range(1000):
                os.mkdir(f"{many}/{number}")
                linux.mount("one", f"{many}/{number}", "tmpfs", data="mode=0777")

        for mode in self.modes():
            with self.subTest(mode=mode):
                outcome = self.in_place_with(
                    mount_many, "sh", "-c", 'for i in 0 500 999; do touch "$1/$i/x" 2> /dev/null && '
                    'echo wrote; done; echo ran; ls "$1" | wc -l', "sh", str(many),
                    options=(*mode, "-M", str(many)))
                self.assertEqual(outcome.lines(), ["ran", "1000"], outcome)

    def test_a_proc_that_is_partly_covered_is_an_error_that_says_what_to_do(self):
        def cover():
            linux.mount("none", "/proc/sys", "tmpfs", flags=MS_RDONLY)

        for mode in self.modes():
            with self.subTest(mode=mode):
                outcome = self.in_place_with(cover, "echo", "ran", options=mode)
                self.assert_setup_error(outcome, 125, "/proc", "systempaths=unconfined")

    def test_no_sys(self):
        def cover():
            linux.mount("none", "/sys", "tmpfs", data="mode=0555")

        for mode in self.modes():
            with self.subTest(mode=mode):
                outcome = self.in_place_with(cover, "sh", "-c", "ls -A /sys; echo ran", options=mode)
                self.assertEqual(outcome.out, "ran\n", outcome)


class OverlayRoot(Surroundings):
    """What a container's root file system is. Only root of the machine can put / under one."""
    needs_root = True

    def test_works_in_every_mode(self):
        place = self.make_directory(self.scratch / "overlay")
        user = self.identity

        def enter():
            linux.unshare(linux.CLONE_NEWNS)
            linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
            linux.mount("upper", str(place), "tmpfs", data="mode=0755")
            for name in ("upper", "work", "root"):
                os.mkdir(place / name)
            linux.mount("overlay", f"{place}/root", "overlay",
                        data=f"lowerdir=/,upperdir={place}/upper,workdir={place}/work")
            for name in ("proc", "dev", "tmp"):
                linux.mount(f"/{name}", f"{place}/root/{name}", flags=linux.MS_BIND | linux.MS_REC)
            os.chdir(f"{place}/root")
            linux.pivot_root(".", ".")
            linux.umount_lazily(".")
            os.chdir(self.work)
            user.assume()

        contained = dataclasses.replace(user, assume=enter)
        for mode in self.modes():
            with self.subTest(mode=mode):
                outcome = harness.run_bounded(
                    [self.binary, *mode, "--", "sh", "-c",
                     "touch here && echo wrote; cat /etc/passwd | head -c 4; touch /usr/x"],
                    identity=contained, cwd=self.work)
                self.assertEqual(outcome.out, "wrote\nroot", outcome)
                self.assertFalse((self.work / "here").exists(), "it went to the container's upper")


@harness.as_root_too
class OddAccounts(Surroundings):
    def test_an_id_without_an_account(self):
        for mode in self.modes():
            for home in ("/nonexistent/home", ""):
                with self.subTest(mode=mode, HOME=home):
                    outcome = self.in_place_with(lambda: None, "sh", "-c", "id -u; touch here && pwd",
                                                 options=mode, ids=(54321, 54321),
                                                 env={"HOME": home})
                    self.assertEqual(outcome.lines(), ["54321", str(self.work)], outcome)

    def test_a_home_that_is_unset_is_that_of_the_account(self):
        self.plant_secrets()
        for mode in self.modes():
            with self.subTest(mode=mode):
                outcome = harness.run_bounded(
                    ["env", "-u", "HOME", self.binary, *mode, "--", "sh", "-c",
                     'echo "${HOME-unset}"; cat "$1/.netrc" "$1"/.ssh/*', "sh", str(self.home)],
                    identity=self.identity, cwd=self.work)
                self.assertEqual(outcome.out, "unset\n", outcome)

    def test_a_home_that_is_missing_stays_so(self):
        for mode in self.modes():
            with self.subTest(mode=mode):
                outcome = self.shell("ls -d $HOME || echo missing", options=mode,
                                     env={"HOME": "/nonexistent/home"})
                self.assertEqual(outcome.out, "missing\n", outcome)

    def test_a_working_directory_that_was_deleted_is_a_set_up_error(self):
        for mode in self.modes():
            gone = self.make_directory(self.work / "gone")

            def delete_and_stay():
                os.chdir(gone)
                os.rmdir(gone)

            with self.subTest(mode=mode):
                outcome = self.sandbox("echo", "ran", options=mode, before_exec=delete_and_stay)
                self.assert_setup_error(outcome, 125, "the working directory was deleted")
