"""`doctor`: says what works here, and under restrictions which one it is and what helps."""

import errno
import json
import shutil

import harness
import linux


class DoctorTest(harness.SandboxTest):
    def doctor(self, *words, **more):
        outcome = harness.run_bounded([self.binary, "doctor", *words], identity=self.identity,
                                      cwd=self.work, **more)
        if "--json" not in words:
            too_wide = [line for line in outcome.out.split("What helps")[0].splitlines()
                        if len(line) > 80]
            self.assertEqual(too_wide, [])
        self.assertEqual(outcome.err, "", outcome)
        return outcome

    def report(self, **more):
        """What --json says, as {id: check}, and the exit code."""
        outcome = self.doctor("--json", **more)
        report = json.loads(outcome.out)
        self.assertEqual(report["program"], self.program)
        self.assertEqual(report["ready"], outcome.code == 0)
        self.assertIn(outcome.code, (0, 1), outcome)
        return {check["id"]: check for check in report["checks"]}, outcome.code

    def assert_fails(self, name, restriction, *, meaning, remedy):
        """The check fails, says why, and its remedy is in the table as well. Returns the checks."""
        checks, code = self.report(before_exec=restriction)
        self.assertEqual(code, 1, checks)
        check = checks[name]
        self.assertEqual((check["state"], check["required"]), ("fails", True), check)
        self.assertIn(meaning, check["meaning"])
        self.assertIn(remedy, "\n".join(check["remedy"]))
        self.assertEqual(checks["default-mode"]["state"], "fails", checks)
        outcome = self.doctor(before_exec=restriction)
        self.assert_code(outcome, 1)
        row = next(line for line in outcome.lines() if line.startswith(check["name"]))
        self.assertIn("does not work", row)
        self.assertIn(remedy, outcome.out)
        self.assertIn(f"{self.program} -x does not work on this machine", outcome.lines()[-1])
        return checks


@harness.as_root_too
class Doctor(DoctorTest):
    def test_all_is_well_here(self):
        checks, code = self.report()
        self.assertEqual(code, 0, checks)
        failing = [check for check in checks.values()
                   if check["required"] and check["state"] != "works"]
        self.assertEqual(failing, [])
        outcome = self.doctor()
        self.assert_code(outcome, 0)
        self.assertEqual(outcome.lines()[-1], f"{self.program} -x works on this machine.")

    def test_a_limit_of_no_user_namespaces(self):
        checks = self.assert_fails("namespaces", linux.forbid_user_namespaces,
                                   meaning="user.max_user_namespaces is 0",
                                   remedy="user.max_user_namespaces=15000")
        self.assertEqual(checks["mounts"]["state"], "not-tried")

    def test_a_filter_as_containers_have_it(self):
        checks = self.assert_fails(
            "namespaces",
            lambda: linux.refuse_calls({"clone3": errno.ENOSYS, "unshare": errno.EPERM}),
            meaning="seccomp filter", remedy="seccomp=unconfined")
        self.assertIn("clone3", checks["system-calls"]["meaning"])
        self.assertEqual(checks["system-calls"]["state"], "fails")

    def test_a_filter_that_answers_eperm(self):
        self.assert_fails("namespaces", lambda: linux.refuse_calls({"clone3": errno.EPERM}),
                          meaning="seccomp filter", remedy="seccomp=unconfined")

    def test_a_masked_proc(self):
        def mask():
            linux.mount("mask", "/proc/fs", "tmpfs")

        checks = self.assert_fails("proc", linux.in_a_mount_namespace(mask),
                                   meaning="parts of /proc are covered",
                                   remedy="systempaths=unconfined")
        self.assertEqual(checks["namespaces"]["state"], "works")
        self.assertEqual(checks["mounts"]["state"], "works")

    def test_a_kernel_without_landlock_is_good_enough(self):
        checks, code = self.report(before_exec=lambda: linux.refuse_calls(
            {"landlock_create_ruleset": errno.ENOSYS}))
        self.assertEqual(code, 0, checks)
        self.assertEqual(checks["landlock"]["state"], "fails")

    def test_inside_a_sandbox_of_ours(self):
        shutil.copy(self.binary, self.work / self.program)
        outcome = self.sandbox(f"./{self.program}", "doctor", "--json")
        self.assert_code(outcome, 1)
        checks = {check["id"]: check for check in json.loads(outcome.out)["checks"]}
        self.assertIn("sandbox of ours", checks["namespaces"]["meaning"])
        self.assertIn("--nested", "\n".join(checks["namespaces"]["remedy"]))

    def test_the_error_of_a_run_leads_to_it(self):
        for restriction in (linux.forbid_user_namespaces,
                            lambda: linux.refuse_calls({"clone3": errno.ENOSYS}),
                            lambda: linux.refuse_calls({"clone3": errno.EPERM})):
            outcome = self.sandbox("true", before_exec=restriction)
            self.assert_setup_error(outcome, 125, "run mini-sandbox doctor")

    def test_wrong_words_are_refused(self):
        outcome = harness.run_bounded([self.binary, "doctor", "-x"], identity=self.identity,
                                      cwd=self.work)
        self.assert_setup_error(outcome, 2, "unknown word -x")

    def test_help(self):
        outcome = self.doctor("--help")
        self.assert_code(outcome, 0)
        self.assertIn(f"usage: {self.program} doctor [--json]", outcome.out)

    def test_a_command_of_that_name_goes_behind_the_dashes(self):
        self.make_file(self.work / "doctor", "#!/bin/sh\necho a command\n", 0o755)
        outcome = self.sandbox("doctor", env={"PATH": f"{self.work}:/usr/bin:/bin"})
        self.assert_code(outcome, 0)
        self.assertEqual(outcome.out, "a command\n")


@harness.as_root_too
class DoctorOfTapbox(Doctor):
    program = "mini-tapbox"
    options = ("-x", "--allow", "allowed.example")
    needs = ("namespaces", "tun", "mini-tapbox")

    def test_a_tun_device_that_is_something_else(self):
        self.assert_fails("tun", linux.in_a_mount_namespace(
            lambda: linux.mount("/dev/null", "/dev/net/tun", flags=linux.MS_BIND)),
            meaning="not the TUN device", remedy="mknod")

    def test_a_missing_tun_device(self):
        self.assert_fails("tun", linux.in_a_mount_namespace(
            lambda: linux.mount("hidden", "/dev/net", "tmpfs")),
            meaning="driver is not there", remedy="modprobe tun")

    def test_a_resolver_is_found_or_missed(self):
        checks, _ = self.report()
        self.assertEqual(checks["resolver"]["state"], "works")
        empty = str(self.make_file(self.work / "resolv.conf", "# nobody\n"))
        checks, code = self.report(before_exec=linux.in_a_mount_namespace(
            lambda: linux.mount(empty, "/etc/resolv.conf", flags=linux.MS_BIND)))
        self.assertEqual((code, checks["resolver"]["state"]), (0, "partly"), checks)
