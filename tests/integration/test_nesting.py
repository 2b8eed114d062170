"""Sandboxes within sandboxes and namespaces: --nested, and that it undoes nothing outside."""

import os
import shutil

import harness
import host_services

REFUSED = {"refused EINVAL", "refused EPERM", "refused EBUSY"}
# Every capability within namespaces of its own, as a hostile command would get them.
OWN_NAMESPACES = ("unshare", "-Urm")


class NestingTest(harness.SandboxTest):
    options = ("-x", "--nested")

    def setUp(self):
        super().setUp()
        for name in ("mini-sandbox", "mini-tapbox", "probe"):
            if (harness.stage.bin_dir / name).exists():
                shutil.copy(harness.stage.bin_dir / name, self.work / name)

    def started_by_root(self):
        return self.identity.uid == 0


@harness.as_root_too
class Refused(NestingTest):
    options = ("-x",)

    def test_a_sandbox_in_a_sandbox_says_what_the_outer_one_needs(self):
        outcome = self.sandbox("./mini-sandbox", "-x", "--", "true")
        self.assert_setup_error(
            outcome, 125, "this sandbox refuses user namespaces; start the outer one with --nested")


@harness.as_root_too
class Nested(NestingTest):
    def test_a_sandbox_in_a_sandbox_works(self):
        outcome = self.sandbox("./mini-sandbox", "-x", "--", "sh", "-c",
                               "id -u; echo inner > made; ls -A ~; exit 7")
        self.assert_code(outcome, 7)
        self.assertEqual(outcome.out, f"{self.identity.uid}\n")
        self.assertEqual((self.work / "made").read_text(), "inner\n")

    def test_the_inner_command_has_no_privilege(self):
        outcome = self.sandbox("./mini-sandbox", "-x", "--", "./probe", "mounts")
        self.assertIn("umount-tmp: refused EPERM", outcome.out)
        self.assertNotIn("allowed", outcome.out)
        outcome = self.sandbox("./mini-sandbox", "-x", "--", "cat", "/proc/self/status")
        for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertRegex(outcome.out, rf"{name}:\t0{{16}}\n")

    def test_the_inner_one_sees_its_own_processes_only(self):
        outcome = self.sandbox("./mini-sandbox", "-x", "--", "sh", "-c", "echo /proc/[0-9]*; cat "
                               "/proc/1/comm")
        self.assertEqual(outcome.lines()[0].split()[0], "/proc/1")
        self.assertLessEqual(len(outcome.lines()[0].split()), 3, outcome)
        self.assertEqual(outcome.lines()[1], "mini-sandbox")

    def test_three_of_them(self):
        inner = ("./mini-sandbox", "-x", "--nested", "--", "./mini-sandbox", "-x", "--")
        outcome = self.sandbox(*inner, "sh", "-c", "echo deep; echo deep > made")
        if self.started_by_root():
            # To the host's root every writable /proc would open /proc/sys, so there is none.
            self.assert_setup_error(outcome, 125, "what the host's root starts can be nested once")
            return
        self.assert_code(outcome, 0)
        self.assertEqual((outcome.out, outcome.err), ("deep\n", ""))
        self.assertEqual((self.work / "made").read_text(), "deep\n")

    def test_as_root_and_as_nobody_inside(self):
        for option, shown in (("-R", "0"), ("-U", "65534")):
            with self.subTest(option=option):
                outcome = self.sandbox("./mini-sandbox", "-x", "--", "id", "-u",
                                       options=(*self.options, option))
                self.assertEqual(outcome.out, f"{shown}\n", outcome)

    def test_a_command_without_use_for_it_runs_as_ever(self):
        outcome = self.shell("echo plain; echo x > made; cat /proc/self/status | grep Seccomp:")
        self.assertEqual(outcome.lines(), ["plain", "Seccomp:\t2"])
        self.assertEqual(outcome.err, "")


@harness.as_root_too
class NestedTapbox(NestingTest):
    program = "mini-tapbox"
    options = ("-x", "--nested", "--allow", "allowed.example", "--allow", "shared.example")
    needs = ("namespaces", "tun", "mini-tapbox", "mini-sandbox")

    def connect(self, rule):
        shutil.copy(os.path.join(os.path.dirname(__file__), "client.py"), self.work)
        shutil.copy(os.path.join(os.path.dirname(__file__), "payload.py"), self.work)
        return self.sandbox("./mini-tapbox", "-x", "--allow", rule, "--", "python3", "client.py",
                            "connect", "allowed.example", "80")

    def test_what_both_allow_is_reached(self):
        outcome = self.connect("allowed.example")
        self.assertTrue(outcome.out.startswith("connected "), outcome)

    def test_what_the_inner_one_refuses_is_refused(self):
        outcome = self.connect("shared.example")
        self.assertIn("gaierror", outcome.out, outcome)

    def test_what_the_outer_one_refuses_is_refused(self):
        self.options = ("-x", "--nested", "--allow", "shared.example")
        outcome = self.connect("allowed.example")
        self.assertIn("gaierror", outcome.out, outcome)


@harness.as_root_too
class Undoing(NestingTest):
    """A hostile command with --nested makes namespaces, has every capability there, and tries."""

    def assert_none_allowed(self, outcome):
        findings = dict(line.rsplit(": ", 1) for line in outcome.lines() if ": " in line)
        self.assertGreater(len(findings), 0, outcome)
        self.assertEqual({name: result for name, result in findings.items()
                          if result not in REFUSED}, {}, outcome)
        return findings

    def test_no_cover_can_be_removed_moved_or_opened(self):
        mounts = self.sandbox(*OWN_NAMESPACES, "cut", "-d", " ", "-f", "5", "/proc/self/mountinfo")
        points = set(mounts.lines())
        covers = [self.identity.home, "/tmp", "/run", "/dev", "/dev/shm", "/dev/pts", "/dev/null",
                  "/proc", "/proc/sys", str(self.work)]
        self.assertEqual([path for path in covers if path not in points], [], mounts)
        outcome = self.sandbox(*OWN_NAMESPACES, "./probe", "covers", *covers)
        findings = self.assert_none_allowed(outcome)
        self.assertIn("umount-detach /tmp", findings)
        self.assertIn("remount /proc/sys", findings)

    def test_the_read_only_tree_stays_read_only(self):
        self.assert_none_allowed(self.sandbox(*OWN_NAMESPACES, "./probe", "covers", "/"))
        before = harness.snapshot(self.scratch)
        self.sandbox(*OWN_NAMESPACES, "sh", "-c", "mount -o remount,bind,rw /; mount -o remount,rw /;"
                     "echo x > ../neighbour; mkdir /tmp/m; mount --rbind / /tmp/m; "
                     f"mount -o remount,bind,rw /tmp/m; echo x > /tmp/m{self.scratch}/neighbour")
        self.assertEqual(harness.differences(before, harness.snapshot(self.scratch)), [])

    def test_secrets_of_home_stay_hidden(self):
        self.plant_secrets()
        home = self.identity.home
        outcome = self.sandbox(
            *OWN_NAMESPACES, "sh", "-c",
            f"mkdir /tmp/a /tmp/b; mount --bind / /tmp/a; mount --rbind / /tmp/b; umount -l {home};"
            f"umount /tmp/b{home}; umount -l /tmp/b; cat {home}/.netrc /tmp/a{home}/.netrc "
            f"/tmp/b{home}/.netrc {home}/.ssh/* /tmp/b{home}/.ssh/*; "
            f"mkdir /tmp/n; mount -t tmpfs n /tmp/n; mkdir /tmp/n/old; cd /tmp/n; "
            f"pivot_root . old; cat /old{home}/.netrc; exit 0")
        self.assertNotIn(harness.SECRET, outcome.out)

    def test_secrets_masked_in_home_as_working_directory_stay_hidden(self):
        self.plant_secrets()
        shutil.copy(self.work / "probe", self.in_home("mini-test-probe"))
        os.chmod(self.home / "mini-test-probe", 0o755)
        self.give(self.home / "mini-test-probe")
        covers = [f"{self.identity.home}/.ssh", f"{self.identity.home}/.netrc", self.identity.home]
        outcome = self.sandbox(*OWN_NAMESPACES, "./mini-test-probe", "covers", *covers,
                               cwd=self.identity.home)
        self.assert_none_allowed(outcome)
        outcome = self.sandbox(*OWN_NAMESPACES, "sh", "-c", "umount -l .ssh .netrc; cat .netrc .ssh/*",
                               cwd=self.identity.home)
        self.assertNotIn(harness.SECRET, outcome.out)

    def test_a_new_proc_opens_nothing_of_the_machine(self):
        outcome = self.sandbox(
            "unshare", "-Urmpf", "sh", "-c",
            "mkdir /tmp/p; mount -t proc p /tmp/p || mount -t proc -o ro p /tmp/p || exit 9; "
            "mount -o remount,rw /tmp/p; for f in kernel/core_pattern vm/overcommit_memory; do "
            "v=$(cat /tmp/p/sys/$f); (echo \"$v\" > /tmp/p/sys/$f) 2>/dev/null && echo wrote $f; done; "
            "(: > /tmp/p/sysrq-trigger) 2>/dev/null && echo opened sysrq; echo tried")
        self.assertEqual(outcome.out, "tried\n", outcome)

    def test_no_file_system_of_cgroups_can_be_mounted(self):
        # Who mounts it writes cgroup.kill and cgroup.freeze of the run's own group: as root always,
        # as a user where it is delegated.
        mount = ("mkdir -p /tmp/c; for t in cgroup2 'cgroup -o freezer' 'cgroup -o none,name=systemd'; "
                 "do mount -t $t c /tmp/c 2>/dev/null && echo mounted $t; done; echo tried")
        self.assertEqual(self.sandbox(*OWN_NAMESPACES, "sh", "-c", mount).out, "tried\n")
        for raise_limit in ("true", "echo 9 > /proc/sys/user/max_cgroup_namespaces"):
            outcome = self.sandbox("unshare", "-Ur", "sh", "-c",
                                   f"({raise_limit}) 2>/dev/null; unshare -UrmC sh -c \"$1\"", "sh",
                                   mount)
            self.assertEqual(outcome.out, "", outcome)
            self.assertIn("unshare failed: No space left", outcome.err)

    def test_namespaces_cannot_be_entered(self):
        outcome = self.sandbox("unshare", "-Ur", "nsenter", "-t", "1", "-m", "true")
        self.assertNotEqual(outcome.code, 0)
        outcome = self.sandbox("./probe", "namespaces")
        findings = dict(line.split(": ") for line in outcome.lines())
        self.assertEqual({name for name in findings if findings[name] == "allowed"} &
                         {"setns-user", "setns-mount", "setns-net", "setns-init-mount"}, set())
        self.assertEqual(findings["unshare-user"], "allowed", "the control: that is what is let through")

    def test_all_else_stays_refused(self):
        outcome = self.sandbox(*OWN_NAMESPACES, "./probe", "kernel")
        findings = dict(line.split(": ") for line in outcome.lines() if ": " in line)
        for name in ("keyctl", "add_key", "bpf", "io_uring_setup", "userfaultfd"):
            self.assertEqual(findings[name], "refused EPERM", name)

    def test_abstract_sockets_of_the_host_stay_closed_on_its_network(self):
        outcome = self.sandbox("unshare", "-Ur", "./probe", "connect-unix",
                               f"@{host_services.ABSTRACT_NAME}", options=(*self.options, "-N"))
        if "abstract UNIX sockets of its programs" in outcome.err:
            self.skipTest("this kernel's landlock does not know abstract sockets; the notice says so")
        self.assertEqual(outcome.out, "connect-unix: refused EPERM\n", outcome)

    def test_signals_stay_inside(self):
        victim = harness.start(["sh", "-c", f"{self.binary} -x --nested -- unshare -Ur sh -c "
                                "'kill -TERM 0; sleep 0.3'; echo survived"],
                               identity=self.identity, cwd=self.work,
                               before_exec=lambda: os.setpgid(0, 0))
        self.addCleanup(self._end, victim)
        out, _ = victim.communicate(timeout=10)
        self.assertEqual(out, b"survived\n")


@harness.as_root_too
class WithinNamespaces(NestingTest):
    """The outer one is not ours: unshare(1), as in a rootless container."""

    def within(self, *how):
        argv = ["unshare", *how, str(self.binary), "-x", "--", "sh", "-c",
                "id -u; echo x > made; cat /proc/self/status | grep CapEff"]
        return harness.run_bounded(argv, identity=self.identity, cwd=self.work)

    def test_it_works(self):
        for how in (("-Ur",), ("-Urmn",), ("-Urmnpf", "--mount-proc"), ("-U", "-c")):
            with self.subTest(how=how):
                outcome = self.within(*how)
                self.assert_code(outcome, 0)
                self.assertRegex(outcome.out, r"^\d+\nCapEff:\t0{16}\n$")
                os.unlink(self.work / "made")


class SupplementaryGroups(NestingTest):
    needs_root = True  # to have groups to give

    def test_they_do_not_disturb_and_their_access_stays(self):
        shared = self.make_file(self.scratch / "shared", "for the group\n", 0o640)
        os.chown(shared, 0, 54321)
        user = self.identity

        def assume_with_groups():
            os.setgroups([user.gid, 54321, 54322])
            os.setresgid(user.gid, user.gid, user.gid)
            os.setresuid(user.uid, user.uid, user.uid)

        member = harness.Identity(user.name, user.uid, user.gid, user.home, assume_with_groups)
        for options in ((), ("-R",), ("-U",), ("--nested",)):
            with self.subTest(options=options):
                outcome = harness.run_bounded([self.binary, "-x", *options, "--", "cat", shared],
                                              identity=member, cwd=self.work)
                self.assertEqual(outcome.out, "for the group\n", outcome)


@harness.as_root_too
class UnusualCallers(harness.SandboxTest):
    def test_closed_streams(self):
        for closed in ((0,), (1,), (2,), (0, 1, 2)):
            with self.subTest(closed=closed):
                outcome = harness.run_bounded(
                    [self.binary, "-x", "--", "sh", "-c", "echo x > made"], identity=self.identity,
                    cwd=self.work, before_exec=lambda: [os.close(fd) for fd in closed])
                self.assert_code(outcome, 0)
                self.assertEqual((self.work / "made").read_text(), "x\n")
                (self.work / "made").unlink()


class WithoutAnAccount(harness.SandboxTest):
    needs_root = True

    def test_an_id_without_a_line_in_passwd(self):
        def assume():
            os.setgroups([])
            os.setresgid(54321, 54321, 54321)
            os.setresuid(54321, 54321, 54321)

        stranger = harness.Identity("stranger", 54321, 54321, "/nonexistent", assume)
        os.chown(self.work, 54321, 54321)
        for options, shown in (((), "54321"), (("-R",), "0"), (("-U",), "65534")):
            outcome = harness.run_bounded([self.binary, "-x", *options, "--", "sh", "-c",
                                           "id -u; echo x > made && rm made"], identity=stranger,
                                          cwd=self.work)
            self.assertEqual(outcome.out, f"{shown}\n", outcome)
