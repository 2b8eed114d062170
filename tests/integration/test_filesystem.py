"""Invariants 3 to 6 and 8: what a sandbox sees of the file system, and that it changes nothing."""

import errno
import os
import pathlib
import shutil
import tempfile

import harness
import host_services
import linux

_TRY_TO_OPEN_FOR_WRITING = """
import os, sys
for top in sys.argv[1:]:
    for parent, directories, files in os.walk(top):
        if parent == '/proc':
            directories[:] = [d for d in directories
                              if not d.isdigit() and d not in ('self', 'thread-self')]
        for name in files:
            path = os.path.join(parent, name)
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                continue
            if not os.path.islink(path):
                print(path)
"""


@harness.as_root_too
class NothingChangesOnTheHost(harness.SandboxTest):
    def test_the_attack_of_the_readme(self):
        self.plant_secrets()
        before = harness.snapshot("/etc", self.home, self.scratch)
        outcome = self.shell("echo x > /etc/x; cat ~/.ssh/id_*; touch ~/y")
        self.assertNotIn(harness.SECRET, outcome.out + outcome.err)
        self.assertEqual(harness.differences(before, harness.snapshot("/etc", self.home,
                                                                      self.scratch)), [])

    def test_no_directory_of_the_system_takes_a_file(self):
        tops = [f"/{name}" for name in os.listdir("/") if os.path.isdir(f"/{name}")]
        self.shell('for d in / "$@"; do echo x > "$d/mini-sandbox-was-here"; done', *tops)
        found = [path for path in ["/", *tops] if os.path.exists(f"{path}/mini-sandbox-was-here")]
        for path in found:
            os.unlink(f"{path}/mini-sandbox-was-here")
        self.assertEqual(found, [])

    def test_a_neighbour_of_the_work_directory_is_not_changed(self):
        outside = self.make_directory(self.scratch / "outside")
        kept = self.make_file(outside / "kept", "as it was", 0o666)
        before = harness.snapshot(outside)
        self.shell('cd "$1"; echo x >> kept; mv kept gone; rm -f kept; touch new; chmod 777 .; '
                   'ln -s x y; mkdir z; rmdir .', str(outside))
        self.assertEqual(harness.differences(before, harness.snapshot(outside)), [])
        self.assertEqual(kept.read_text(), "as it was")

    def test_a_submount_outside_is_read_only_too(self):
        outside = self.make_directory(self.scratch / "outside")
        self.mount_tmpfs(outside)
        self.make_file(outside / "kept", "as it was", 0o666)
        before = harness.snapshot(outside)
        outcome = self.shell('cat "$1/kept"; echo x > "$1/kept"; touch "$1/new"; rm -f "$1/kept"',
                             str(outside))
        self.assertIn("as it was", outcome.out)
        self.assertEqual(harness.differences(before, harness.snapshot(outside)), [])

    def test_a_submount_in_home_is_neither_seen_nor_changed(self):
        vault = self.make_directory(self.in_home("vault"))
        self.mount_tmpfs(vault)
        self.make_file(vault / "note", harness.SECRET, 0o666)
        before = harness.snapshot(vault)
        outcome = self.shell('cat ~/vault/note; mkdir -p ~/vault; echo x > ~/vault/note')
        self.assertNotIn(harness.SECRET, outcome.out)
        self.assertEqual(harness.differences(before, harness.snapshot(vault)), [])

    def test_a_symlink_of_the_work_directory_leads_to_nothing_writable(self):
        target = self.make_file(self.scratch / "target", "as it was", 0o666)
        os.symlink(target, self.work / "link")
        os.symlink(self.scratch, self.work / "up")
        self.shell("echo x > link; echo x > up/new; rm up/target")
        self.assertEqual(target.read_text(), "as it was")
        self.assertEqual(sorted(os.listdir(self.scratch)), ["target", "work"])

    def test_nothing_in_proc_or_sys_can_be_opened_for_writing(self):
        outcome = self.sandbox(harness.PYTHON, "-c", _TRY_TO_OPEN_FOR_WRITING, "/proc", "/sys")
        self.assert_code(outcome, 0)
        open_to_everybody = {
            # A trigger lives as long as the file is open (the kernel's accounting/psi.rst).
            "/proc/pressure/cpu", "/proc/pressure/io", "/proc/pressure/memory", "/proc/pressure/irq",
            # The sandbox's own pid namespace; a write needs CAP_CHECKPOINT_RESTORE.
            "/proc/sys/kernel/ns_last_pid",
        }
        self.assertEqual(set(outcome.lines()) - open_to_everybody, set(), outcome)

    def test_nothing_stays_in_tmp_or_shm(self):
        outcome = self.shell("echo x > /tmp/a && echo x > /dev/shm/b && mkdir -p ~/c && "
                             "echo done")
        self.assertEqual(outcome.out, "done\n", outcome)
        self.assertEqual(os.listdir("/tmp") + os.listdir("/dev/shm"), [])


class NothingIsRemoved(harness.SandboxTest):
    """Not as root: were the sandbox broken, this would take the machine with it."""

    def test_rm_of_everything_outside_the_work_directory(self):
        kept = self.make_file(self.in_home("kept"), "as it was")
        self.shell('rm -rf ~ /etc /usr/share/doc 2>/dev/null')
        self.assertEqual(kept.read_text(), "as it was")


@harness.as_root_too
class WorkDirectory(harness.SandboxTest):
    def assert_works_in(self, directory, **more):
        outcome = self.shell('cat given && echo written > new && pwd -P', cwd=directory, **more)
        self.assert_code(outcome, 0)
        self.assertEqual(outcome.out, f"given{os.path.realpath(directory)}\n", outcome)
        self.assertEqual((directory / "new").read_text(), "written\n")
        self.assertEqual((directory / "new").stat().st_uid, (directory / "given").stat().st_uid)

    def test_is_written_through_by_its_owner(self):
        self.make_file(self.work / "given", "given")
        self.assert_works_in(self.work)

    def test_may_have_any_name(self):
        for name in ("with spaces ", "ünï☃", "new\nline", "tab\t", "back\\slash\\040", "%s$(x)`y`",
                     "'quoted\"", ":colon,comma=", "-x", "x" * 200):
            with self.subTest(name=name):
                directory = self.make_directory(self.work / name)
                self.make_file(directory / "given", "given")
                self.assert_works_in(directory)

    def test_may_lie_deep(self):
        directory = self.work
        for _ in range(100):
            directory = self.make_directory(directory / "deep")
        self.make_file(directory / "given", "given")
        self.assert_works_in(directory)

    def test_may_be_reached_by_a_symlink(self):
        self.make_file(self.work / "given", "given")
        link = self.scratch / "link"
        link.symlink_to(self.work)
        outcome = self.shell("cat given; pwd -P", cwd=link, env={"PWD": str(link)})
        self.assertEqual(outcome.out, f"given{self.work}\n", outcome)

    def test_may_lie_below_tmp(self):
        directory = self.make_directory(pathlib.Path(tempfile.mkdtemp(dir="/tmp")) / "x")
        self.addCleanup(shutil.rmtree, directory.parent)
        os.chmod(directory.parent, 0o755)
        self.make_file(directory / "given", "given")
        self.make_file(directory.parent / "neighbour", harness.SECRET)
        self.assert_works_in(directory)
        outcome = self.shell("cat ../neighbour", cwd=directory)
        self.assertNotIn(harness.SECRET, outcome.out)

    def test_may_be_the_root_directory(self):
        outcome = self.shell("pwd; ls -d usr; touch mini-sandbox-was-here", cwd="/")
        self.assertEqual(outcome.lines()[:2], ["/", "usr"], outcome)
        self.assertFalse(os.path.exists("/mini-sandbox-was-here"))

    def test_may_be_a_directory_of_the_system(self):
        before = harness.snapshot("/etc")
        outcome = self.shell("head -c 4 passwd; pwd", cwd="/etc")
        self.assertIn("/etc\n", outcome.out, outcome)
        self.assertEqual(harness.differences(before, harness.snapshot("/etc")), [])

    def test_may_be_any_directory_of_the_system_and_nothing_is_written_there(self):
        for directory in ("/", "/etc", "/usr/bin", "/dev", "/sys", "/proc", "/run", "/tmp",
                          "/var/tmp", "/dev/shm"):
            with self.subTest(directory=directory):
                outcome = self.shell("pwd; touch mini-sandbox-was-here", cwd=directory)
                self.assertEqual(outcome.out, f"{directory}\n", outcome)
                self.assertTrue(outcome.err.startswith("mini-sandbox: the working directory"),
                                outcome)
                self.assertFalse(os.path.exists(f"{directory}/mini-sandbox-was-here"))

    def test_its_submounts_come_along(self):
        submount = self.make_directory(self.work / "sub")
        self.mount_tmpfs(submount)
        self.make_file(submount / "given", "given")
        outcome = self.shell("cat sub/given && echo written > new && cat new")
        self.assertEqual(outcome.out, "givenwritten\n", outcome)

    def test_may_have_been_deleted_which_is_a_set_up_error(self):
        gone = self.make_directory(self.work / "gone")
        outcome = self.sandbox("echo", "ran", before_exec=lambda: _delete_and_stay(gone))
        self.assert_setup_error(outcome, 125, "director")

    def test_may_be_named_by_an_option(self):
        other = self.make_directory(self.scratch / "other")
        self.make_file(other / "given", "given")
        outcome = self.shell("pwd; cat given", options=("-x", "-W", str(other)))
        self.assertEqual(outcome.out, f"{other}\ngiven", outcome)


class ClosedDirectory(harness.SandboxTest):
    needs_root = True  # to start a user's sandbox where that user may not go

    def test_one_that_the_user_may_not_enter_is_a_set_up_error(self):
        closed = self.scratch / "closed"
        closed.mkdir(mode=0o700)
        self.assert_setup_error(self.sandbox("echo", "ran", cwd=closed), 125, "closed")


def _delete_and_stay(directory):
    os.chdir(directory)
    os.rmdir(directory)


@harness.as_root_too
class Home(harness.SandboxTest):
    def test_is_empty(self):
        self.plant_secrets()
        outcome = self.shell("ls -A ~")
        self.assert_code(outcome, 0)
        self.assertEqual(outcome.out, "", outcome)

    def test_takes_files_that_are_gone_afterwards(self):
        name = self.in_home("y").name
        outcome = self.shell(f"echo kept > ~/{name} && cat ~/{name}")
        self.assertEqual(outcome.out, "kept\n", outcome)
        self.assertFalse((self.home / name).exists())

    def test_is_that_of_the_account_whatever_the_environment_says(self):
        self.plant_secrets()
        for pretended in (str(self.work), "/", "/nonexistent", "", "relative"):
            with self.subTest(HOME=pretended):
                outcome = self.shell('cat "$1"/.ssh/* "$1"/.netrc; ls -A "$1"', str(self.home),
                                     env={"HOME": pretended})
                self.assertNotIn(harness.SECRET, outcome.out)
                self.assertNotIn(".ssh", outcome.out)

    def test_shows_only_the_way_to_a_work_directory_in_it(self):
        self.plant_secrets()
        project = self.make_directory(self.in_home("src"))
        project = self.make_directory(project / "project")
        self.make_file(project / "given", "given")
        outcome = self.shell("cat given; echo written > new; ls -A ~ .. ", cwd=project)
        self.assertEqual((project / "new").read_text(), "written\n", outcome)
        self.assertNotIn(".ssh", outcome.out)
        self.assertIn("project", outcome.out)

    def test_no_symlink_in_the_work_directory_leads_to_its_secrets(self):
        self.plant_secrets()
        project = self.make_directory(self.in_home("project"))
        os.symlink("../.ssh", project / "relative")
        os.symlink(self.home / ".netrc", project / "absolute")
        os.symlink(f"/proc/self/root{self.home}/.netrc", project / "by-proc")
        outcome = self.shell("cat relative/* absolute by-proc; cat ../.netrc /proc/1/root$HOME/.netrc; "
                             "cat /proc/1/cwd/.netrc; cat /proc/*/root$HOME/.netrc", cwd=project)
        self.assertNotIn(harness.SECRET, outcome.out)

    def test_as_work_directory_works_without_its_secrets_and_unchanged(self):
        self.plant_secrets()
        self.make_file(self.in_home("notes"), "notes\n")
        before = harness.snapshot(self.home)
        outcome = self.shell("pwd; cat notes; cat .ssh/* .netrc .aws/* .gnupg/*; "
                             "echo x > notes; echo x > new; rm -rf .ssh; cat new", cwd=self.home)
        self.assertEqual(outcome.lines()[:2], [str(self.home), "notes"], outcome)
        self.assertNotIn(harness.SECRET, outcome.out)
        self.assertIn("x\n", outcome.out)
        self.assertEqual(harness.differences(before, harness.snapshot(self.home)), [])
        self.assertTrue(any(line.startswith("mini-sandbox: ") for line in outcome.err.splitlines()),
                        f"no notice that HOME is not written through: {outcome}")


@harness.as_root_too
class CredentialsInHome(harness.SandboxTest):
    PLACES = (
        ".aws/credentials", ".azure/token", ".bash_history", ".bitcoin/wallet.dat", ".boto",
        ".cargo/credentials.toml", ".config/gcloud/access_tokens.db", ".config/gh/hosts.yml",
        ".config/git/credentials", ".config/google-chrome/Cookies", ".config/hub",
        ".config/rclone/rclone.conf", ".docker/config.json", ".electrum/wallet",
        ".git-credentials", ".gnupg/secring.gpg", ".kube/config", ".local/share/keyrings/login",
        ".m2/settings.xml", ".mozilla/key4.db", ".my.cnf", ".mysql_history", ".netrc", ".npmrc",
        ".password-store/x.gpg", ".pgpass", ".psql_history", ".pypirc", ".python_history",
        ".s3cfg", ".ssh/id_rsa", ".terraform.d/credentials.tfrc.json", ".thunderbird/key4.db",
        ".vault-token", ".zsh_history", ".Xauthority", ".authinfo.gpg", ".cache/huggingface/token",
        ".config/heroku/netrc", ".databrickscfg", ".env", ".msmtprc", ".oci/config",
        ".terraformrc")

    def setUp(self):
        super().setUp()
        for place in self.PLACES:
            top = self.home / place.split("/", maxsplit=1)[0]
            if not top.exists():
                self.addCleanup(shutil.rmtree if "/" in place else os.unlink, top)
            path = self.home
            for name in place.split("/")[:-1]:
                path = path / name
                if not path.exists():
                    self.make_directory(path)
            self.make_file(self.home / place, f"{harness.SECRET} {place}\n")

    def test_are_hidden_where_home_is_the_work_directory(self):
        outcome = self.shell(f"grep -rhs {harness.SECRET} .; echo done", cwd=self.home)
        self.assertEqual(outcome.out, "done\n", outcome)

    def test_are_hidden_below_a_bind_that_does_not_name_them(self):
        for options in (("-w", self.home), ("-M", self.home), ("-M", self.home / ".config"),
                        ("-M", self.home.parent, "-m", "/mnt")):
            with self.subTest(options):
                outcome = self.shell(f"grep -rhs {harness.SECRET} ~ /mnt/{self.home.name}; "
                                     "echo done",
                                     options=("-x", *map(str, options)))
                self.assertEqual(outcome.out, "done\n", outcome)
                self.assertIn("credentials in HOME is hidden", outcome.err)

    def test_show_when_they_are_named(self):
        outcome = self.shell("cat ~/.ssh/id_rsa ~/.netrc",
                             options=("-x", "-w", str(self.home), "-M", str(self.home / ".ssh")))
        self.assertEqual(outcome.out, f"{harness.SECRET} .ssh/id_rsa\n", outcome)


@harness.as_root_too
class PrivateDirectories(harness.SandboxTest):
    def test_tmp_and_shm_are_empty_and_writable(self):
        for directory in ("/tmp", "/dev/shm"):
            path = self.make_file(pathlib.Path(directory) / "host-file", harness.SECRET)
            self.addCleanup(path.unlink)
        outcome = self.shell("for d in /tmp /dev/shm; do ls -A $d; touch $d/x && rm $d/x; done")
        self.assert_code(outcome, 0)
        self.assertEqual(outcome.out, "", outcome)

    def test_run_has_nothing_but_the_way_to_resolv_conf(self):
        outcome = self.shell("find /run -mindepth 1 ! -type d")
        linked_to = os.path.realpath("/etc/resolv.conf")
        allowed = [linked_to] if linked_to.startswith("/run/") else []
        self.assertEqual([line for line in outcome.lines() if line not in allowed], [], outcome)

    def test_pts_has_no_terminal_of_the_host(self):
        main, side = os.openpty()
        self.addCleanup(os.close, main)
        self.addCleanup(os.close, side)
        outcome = self.shell("ls -A /dev/pts")
        self.assertIn(outcome.lines(), ([], ["ptmx"]), outcome)

    def test_dev_has_only_harmless_devices(self):
        outcome = self.shell("find /dev -type c -o -type b | sort")
        harmless = {f"/dev/{name}" for name in ("full", "null", "random", "tty", "urandom", "zero",
                                                "console", "ptmx", "pts/ptmx")}
        self.assertLessEqual(set(outcome.lines()), harmless, outcome)
        outcome = self.shell("echo x > /dev/null && head -c 4 /dev/zero | wc -c && "
                             "head -c 4 /dev/urandom | wc -c && ls /dev/fd/0 /dev/stdin >&2")
        self.assertEqual(outcome.out.split(), ["4", "4"], outcome)

    def test_a_socket_of_the_host_in_tmp_run_and_home_is_out_of_reach(self):
        places = ["/tmp", str(self.home)]
        if harness.stage.root():
            places.append("/run")  # an ordinary user may not write there
        for place in places:
            with self.subTest(place=place):
                path = f"{place}/mini-sandbox-test.sock"
                listener = harness.listen_on_unix(path)
                self.addCleanup(os.unlink, path)
                self.addCleanup(listener.close)
                findings = self.probe("connect-unix", path)
                self.assertNotEqual(findings["connect-unix"], "allowed")

    def test_a_socket_of_the_host_elsewhere_is_out_of_reach(self):
        findings = self.probe("connect-unix", host_services.unix_path(harness.stage.run_dir))
        self.assertNotEqual(findings["connect-unix"], "allowed")

    def test_an_abstract_socket_of_the_host_is_out_of_reach(self):
        findings = self.probe("connect-unix", f"@{host_services.ABSTRACT_NAME}")
        self.assertNotEqual(findings["connect-unix"], "allowed")


@harness.as_root_too
class Mounts(harness.SandboxTest):
    def mounts(self, **more):
        """(mount point, options, type) of every mount in the sandbox (proc(5), mountinfo)."""
        outcome = self.sandbox("cat", "/proc/self/mountinfo", **more)
        self.assert_code(outcome, 0)
        found = []
        for line in outcome.lines():
            left, _, right = line.partition(" - ")
            fields = left.split(" ")
            point = fields[4].encode().decode("unicode_escape").encode("latin-1").decode()
            found.append((point, set(fields[5].split(",")), right.split(" ")[0]))
        return found

    def test_all_are_nosuid_and_nodev_but_devices(self):
        wrong = [(point, sorted(options)) for point, options, _ in self.mounts()
                 if "nosuid" not in options or
                 ("nodev" not in options and not (point + "/").startswith("/dev/"))]
        self.assertEqual(wrong, [])

    def test_all_of_the_host_but_the_work_directory_are_read_only(self):
        submount = self.make_directory(self.scratch / "submount")
        self.mount_tmpfs(submount)
        private = {"tmpfs", "overlay", "proc", "devpts", "mqueue"}
        wrong = [(point, kind, sorted(options)) for point, options, kind in self.mounts()
                 if "rw" in options and point != str(self.work) and
                 (kind not in private or point == str(submount))]
        self.assertEqual(wrong, [])

    def test_are_the_same_on_a_kernel_without_open_tree_attr(self):
        outside = self.make_directory(self.scratch / "outside")
        submount = self.make_directory(outside / "submount")
        self.mount_tmpfs(submount)
        options = ("-x", "-M", str(outside))
        found = self.mounts(options=options)
        self.assertIn(str(submount), [point for point, options, _ in found if "ro" in options])
        for error in (errno.ENOSYS, errno.EPERM):
            with self.subTest(os.strerror(error)):
                older = self.mounts(options=options, before_exec=lambda error=error:
                                    linux.refuse_calls({"open_tree_attr": error}))
                self.assertEqual(older, found)

    def test_an_overlay_keeps_nothing_on_disk(self):
        outcome = self.sandbox("cat", "/proc/self/mountinfo")
        uppers = [option for line in outcome.lines() for option in line.split(" ")[-1].split(",")
                  if option.startswith("upperdir=")]
        on_host = [upper for upper in uppers if os.path.exists(upper.partition("=")[2])]
        self.assertEqual(on_host, [])


@harness.as_root_too
class MountOptions(harness.SandboxTest):
    def setUp(self):
        super().setUp()
        self.outside = self.make_directory(self.scratch / "outside")
        self.kept = self.make_file(self.outside / "kept", "as it was\n")

    def test_w_makes_a_directory_writable(self):
        outcome = self.shell('echo written > "$1/new"; echo changed > "$1/kept"', str(self.outside),
                             options=("-x", "-w", str(self.outside)))
        self.assert_code(outcome, 0)
        self.assertEqual((self.outside / "new").read_text(), "written\n")
        self.assertEqual(self.kept.read_text(), "changed\n")

    def test_w_makes_a_file_writable_and_not_its_neighbour(self):
        neighbour = self.make_file(self.outside / "neighbour", "as it was\n")
        outcome = self.shell('echo x > "$1/neighbour"; echo changed > "$1/kept"', str(self.outside),
                             options=("-x", "-w", str(self.kept)))
        self.assertEqual(self.kept.read_text(), "changed\n", outcome)
        self.assertEqual(neighbour.read_text(), "as it was\n")

    def test_w_in_home_opens_only_that(self):
        self.plant_secrets()
        opened = self.make_directory(self.in_home("opened"))
        outcome = self.shell("echo written > ~/opened/new; ls -A ~; cat ~/.netrc",
                             options=("-x", "-w", str(opened)))
        self.assertEqual((opened / "new").read_text(), "written\n", outcome)
        self.assertEqual(outcome.lines(), ["opened"], outcome)

    def test_w_of_what_is_not_there_is_an_error_that_names_it(self):
        outcome = self.shell("echo ran", options=("-x", "-w", "/nonexistent/place"))
        self.assertIn(outcome.code, (2, 125), outcome)
        self.assertEqual(outcome.out, "")
        self.assertIn("/nonexistent/place", outcome.err)

    def test_w_of_the_root_directory_is_a_mistake(self):
        outcome = self.shell("echo ran", options=("-x", "-w", "/"))
        self.assert_setup_error(outcome, 2, "-w /")

    def test_M_shows_a_directory_read_only(self):
        self.make_file(self.in_home("shown"), "shown\n")
        shown = str(self.home / "shown")
        outcome = self.shell('cat ~/shown; echo x > ~/shown', options=("-x", "-M", shown))
        self.assertEqual(outcome.out, "shown\n", outcome)
        self.assertEqual((self.home / "shown").read_text(), "shown\n")

    def test_M_with_m_shows_it_elsewhere(self):
        target = self.make_directory(self.work / "target")
        outcome = self.shell('cat "$1/kept"; echo x > "$1/kept"; touch "$1/new"', str(target),
                             options=("-x", "-M", str(self.outside), "-m", str(target)))
        self.assertEqual(outcome.out, "as it was\n", outcome)
        self.assertEqual(self.kept.read_text(), "as it was\n")
        self.assertEqual(os.listdir(self.outside), ["kept"])

