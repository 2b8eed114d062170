"""Invariant 2: rules files that are good, bad, hostile or not there."""

import os

import harness
import tapbox


@harness.as_root_too
class RulesFiles(tapbox.TapboxTest):
    def with_rules(self, text, command="touch ran; curl -sS http://allowed.example/"):
        path = self.make_file(self.scratch / "the-rules", text)
        return self.shell(command, options=("-x", "-F", str(path)))

    def assert_nothing_ran(self, outcome, *parts):
        self.assertIn(outcome.code, (2, 125), outcome)
        self.assertEqual(outcome.out, "", outcome)
        self.assertFalse((self.work / "ran").exists(), outcome)
        self.assertTrue(any(line.startswith("mini-tapbox: ") for line in outcome.err.splitlines()),
                        outcome)
        self.assertLess(len(outcome.err), 2000, "an error message, not the file")
        for part in parts:
            self.assertIn(part, outcome.err)

    def assert_allowed(self, outcome):
        self.assertEqual(outcome.out, "Hello from allowed.example\n", outcome)
        self.assertEqual(outcome.verdicts(), [])

    def test_comments_blank_lines_crlf_and_no_final_newline(self):
        for text in ("allowed.example", "# a comment\n\n  \nallowed.example\n",
                     "allowed.example # why\n", "\r\n# x\r\nallowed.example\r\n",
                     "allowed.example\r\nother.example", "  allowed.example\t\n"):
            with self.subTest(text=text):
                self.assert_allowed(self.with_rules(text))

    def test_a_bad_line_is_named_and_nothing_runs(self):
        for bad in ("exa mple.com", "http://allowed.example/", "allowed.example:0",
                    "allowed.example:65536", "allowed.example:90-80", "allowed.example:x",
                    "192.0.2.256", "192.0.2.0/33", "192.0.2.1/", "2001:db8::/129", "2001:db8:::1",
                    "*", "*.", "a.*.example", "-x.example", "a..example", "sctp/192.0.2.1",
                    "icmp/allowed.example", "icmp/192.0.2.1:80", "!", "tcp/", "x" * 64 + ".example",
                    "\u2603.example", "[192.0.2.1", "[2001:db8::1]:", "allowed.example;rm"):
            with self.subTest(line=bad):
                outcome = self.with_rules(f"# first\nallowed.example\n{bad}\nother.example\n")
                self.assert_nothing_ran(outcome, "the-rules", "3")

    def test_an_empty_file_denies_all(self):
        for text in ("", "\n\n", "# nothing\n"):
            with self.subTest(text=text):
                outcome = self.with_rules(text)
                self.assertEqual(outcome.out, "", outcome)
                self.assertNotEqual(outcome.code, 0)
                self.one_verdict(outcome, "allowed.example")

    def test_ten_thousand_rules(self):
        lines = [f"name{number}.example" for number in range(5000)]
        lines += [f"203.0.113.{number % 250}:{number + 1000}" for number in range(4000)]
        lines += [f"2001:db8:{number:x}::/48" for number in range(1000)]
        outcome = self.with_rules("\n".join([*lines, "allowed.example"]))
        self.assert_allowed(outcome)
        self.assertLess(outcome.seconds, 3)

    def test_the_last_of_ten_thousand_rules_may_be_the_bad_one(self):
        text = "".join(f"name{number}.example\n" for number in range(10_000)) + "bad line\n"
        self.assert_nothing_ran(self.with_rules(text), "10001")

    def test_a_line_of_a_megabyte(self):
        self.assert_allowed(self.with_rules("#" + "x" * (1 << 20) + "\nallowed.example\n",
                                            command="curl -sS http://allowed.example/"))
        self.assert_nothing_ran(self.with_rules("allowed.example\n" + "x" * (1 << 20) + "\n"),
                                "the-rules", "2")

    def test_NUL_bytes(self):
        for text in ("allowed.example\0\n", "\0\n", "allowed.example\n\0", "allowed\0.example\n"):
            with self.subTest(text=text):
                self.assert_nothing_ran(self.with_rules(text), "the-rules")

    def test_a_binary_file(self):
        self.assert_nothing_ran(self.with_rules(bytes(range(256)) * 100), "the-rules")

    def test_one_that_is_missing_or_a_directory(self):
        for path in (self.scratch / "missing", self.scratch):
            with self.subTest(path=path):
                outcome = self.shell("touch ran", options=("-x", "-F", str(path)))
                self.assert_nothing_ran(outcome, str(path))

    def test_bad_rules_on_the_command_line(self):
        for rule in ("exa mple", "192.0.2.0/40", "", "x:y"):
            with self.subTest(rule=rule):
                outcome = self.shell("touch ran", options=("-x", "--allow", rule))
                self.assert_nothing_ran(outcome, "--allow")

    def test_both_sources_count(self):
        path = self.make_file(self.scratch / "the-rules", "other.example\n")
        outcome = self.shell("curl -sS http://allowed.example/ http://other.example/",
                             options=("-x", "-F", str(path), "--allow", "allowed.example"))
        self.assertEqual(outcome.out, "Hello from allowed.example\nHello from other.example\n",
                         outcome)


class UnreadableRules(tapbox.TapboxTest):
    """Root may read every file, so this is shown as a user only."""

    def test_one_that_may_not_be_read(self):
        path = self.make_file(self.scratch / "the-rules", "allowed.example\n")
        os.chmod(path, 0)
        outcome = self.shell("touch ran", options=("-x", "-F", str(path)))
        self.assertIn(outcome.code, (2, 125), outcome)
        self.assertIn(str(path), outcome.err)
        self.assertFalse((self.work / "ran").exists())


class NoNetworkOptionsInMiniSandbox(harness.SandboxTest):
    def test_mini_sandbox_has_no_rules(self):
        for options in (("-x", "-F", "/etc/passwd"), ("-x", "--allow", "allowed.example")):
            with self.subTest(options=options):
                self.assert_setup_error(self.sandbox("echo", "ran", options=options), 2)
