"""What contradicts itself on the command line, and options from files."""

import os

import harness
import tapbox


@harness.as_root_too
class Mistakes(harness.SandboxTest):
    def assert_mistake(self, options, *parts, program=None):
        outcome = self.sandbox("touch", "ran", options=options, program=program)
        self.assert_code(outcome, 2)
        self.assertEqual(outcome.out, "", outcome)
        sentence, usage = outcome.err.splitlines()
        name = program or self.program
        self.assertTrue(sentence.startswith(f"{name}: "), outcome)
        for part in parts:
            self.assertIn(part, sentence)
        self.assertEqual(usage, f"usage: {name} [mode] [options] [--] command [args] "
                                "(--help for more)")
        self.assertFalse((self.work / "ran").exists())

    def test_what_excludes_each_other(self):
        root = self.make_directory(self.work / "root")
        for options, parts in (
                (("-x", "-h", root), ("-x, -o and -h", "only one")),
                (("-x", "-o", root), ("-x, -o and -h", "only one")),
                (("-o", root, "-h", root), ("-x, -o and -h", "only one")),
                (("-x", "-k", root), ("-k", "-o ROOT")),
                (("-k", root), ("-k", "-o ROOT")),
                (("-d", root), ("-d", "-x or -o ROOT")),
                (("-x", "-R", "-U"), ("-R and -U", "exclude")),
                (("-x", "-n", "-N"), ("-n and -N", "exclude")),
                (("-x", "-m", root), ("-m", "-M")),
                (("-x", "--scratch-size", "0"), ("scratch size",)),
                (("-x", "--scratch-size", "4 GB"), ("--scratch-size 4 GB", "512M")),
                (("-x", "--setenv", "NAME"), ("--setenv NAME", "NAME=VALUE")),
                (("-x", "--allow", "example.com"), ("--allow", "mini-tapbox"))):
            with self.subTest(options[:2]):
                self.assert_mistake(tuple(map(str, options)), *parts)

    def test_what_only_mini_sandbox_has(self):
        self.require("mini-tapbox")
        for option in ("-n", "-N", "--allow-degraded"):
            with self.subTest(option):
                self.assert_mistake(("-x", option), option, "run mini-sandbox",
                                    program="mini-tapbox")

    def test_a_line_of_an_options_file(self):
        self.make_file(self.work / "options", "-x\n-T\nsoon\n")
        self.assert_mistake(("@options",), "options:2: ", "-T soon")
        self.make_file(self.work / "options", "-x\n@options\n")
        self.assert_mistake(("@options",), "options:2: ", "includes itself")


@harness.as_root_too
class HostileNames(harness.SandboxTest):
    """A command may leave such a directory behind, and somebody start the next run in it."""

    NAME = "a\033]0;title\007\nmini-sandbox: a line of its own\u202e"

    def assert_harmless(self, options, **more):
        outcome = self.sandbox("true", options=tuple(map(str, options)), **more)
        self.assertIn("\\x1b]0;title\\x07\\x0amini-sandbox: a line", outcome.err)
        self.assertNotIn("\033", outcome.err)
        self.assertNotIn("\u202e", outcome.err)
        for line in outcome.err.splitlines():
            self.assertFalse(line.startswith("mini-sandbox: a line"), outcome)

    def test_do_not_reach_the_terminal(self):
        place = self.make_directory(self.work / self.NAME)
        root = self.make_directory(self.work / "root")
        self.assert_harmless(("-h", root, "-M", "/usr"), cwd=place)  # a notice
        self.assert_harmless(("-x", "-W", place / "none"))
        self.assert_harmless(("-x", "-M", place / "none"))
        self.assert_harmless(("-x", "-d", place / "none"))
        self.assert_harmless(("-x", "-D", place / "none/log"))


@harness.as_root_too
class PlantedLinks(harness.SandboxTest):
    def test_are_not_followed_to_where_the_user_did_not_point(self):
        elsewhere = self.make_directory(self.scratch / "elsewhere")
        self.make_file(elsewhere / "file", harness.SECRET)
        # As the same command line is run twice.
        self.make_directory(self.make_directory(self.work / "t") / "build")
        first = self.shell(f"mv t t2; mkdir t; ln -s {elsewhere} t/build",
                           options=("-x", "-w", "t/build"))
        self.assert_code(first, 0)
        before = harness.snapshot(elsewhere)
        for option in ("-w", "-M", "-W", "-e"):
            with self.subTest(option):
                outcome = self.shell(f"echo x > t/build/x; cat {elsewhere}/file file",
                                     options=("-x", option, "t/build"))
                self.assert_setup_error(outcome, 125, f"{option} ", "leads to",
                                        f"if it is meant: {option} {elsewhere}")
                self.assertNotIn(harness.SECRET, outcome.out)
        self.assertEqual(harness.differences(before, harness.snapshot(elsewhere)), [])

    def test_are_found_in_what_was_written_and_by_every_name(self):
        elsewhere = self.make_directory(self.scratch / "elsewhere")
        data = self.make_directory(self.scratch / "data")
        os.symlink(elsewhere, data / "link")
        os.symlink(self.scratch, self.scratch / "alias")
        outcome = self.shell("echo ran", options=("-x", "-w", str(data), "-M", str(data / "link")))
        self.assert_setup_error(outcome, 125, f"-M {data}/link leads to {elsewhere}")
        os.symlink(elsewhere, self.work / "here")
        by_alias = self.scratch / "alias" / self.work.relative_to(self.scratch) / "here"
        outcome = self.shell("echo ran", options=("-x", "-w", str(by_alias)))
        self.assert_setup_error(outcome, 125, f"-w {by_alias} leads to {elsewhere}")

    def test_are_not_gone_round_by_dot_dot(self):
        outer = self.make_directory(self.scratch / "outer")
        elsewhere = self.make_directory(outer / "elsewhere")
        self.make_directory(outer / "cache")
        self.make_directory(self.work / "sub")
        first = self.shell(f"ln -s {elsewhere} link; ln -s ../link sub/second")
        self.assert_code(first, 0)
        before = harness.snapshot(outer)
        up = f'".." goes up from {self.work}/'
        for option, path, *parts in (
                ("-w", "link/..", up + "link", f"if it is meant: -w {outer}"),
                ("-w", "link/../cache", up + "link", f"if it is meant: -w {outer}/cache"),
                ("-w", f"{self.work}/link/../cache", up + "link"),
                ("-w", "sub/second/../cache", up + "sub/second"),
                ("-w", "sub/../link", f"-w {self.work}/link leads to {elsewhere}"),
                ("-w", "sub/../sub/./second", f"leads to {elsewhere}"),
                ("-M", "link/../cache", up + "link"),
                ("-W", "link/..", up + "link"),
                ("-d", "link/../cache", up + "link")):
            with self.subTest(option=option, path=path):
                outcome = self.shell(f"touch {outer}/mark {outer}/cache/mark {elsewhere}/mark",
                                     options=("-x", option, path))
                self.assert_setup_error(outcome, 125, f"{option} ", *parts)
        outcome = self.shell("echo ran", options=("-x", "-w", "../link/../cache"),
                             cwd=self.work / "sub")
        self.assert_setup_error(outcome, 125, up + "link")
        self.assertEqual(harness.differences(before, harness.snapshot(outer)), [])

    def test_are_no_reason_against_dot_dot_itself(self):
        self.make_directory(self.work / "project")
        self.make_directory(self.work / "sibling")
        os.symlink(self.work, self.scratch / "alias")
        for path, written in (("..", "a"), ("../sibling", "sibling/b"),
                              ("../project/../sibling", "sibling/c"),
                              (f"{self.scratch}/alias/project/../sibling", "sibling/d")):
            with self.subTest(path):
                outcome = self.shell(f"echo x > ../{written}", options=("-x", "-w", path),
                                     cwd=self.work / "project")
                self.assert_code(outcome, 0)
                self.assertEqual((self.work / written).read_text(), "x\n")

    def test_are_followed_within_the_working_directory_and_where_meant(self):
        elsewhere = self.make_directory(self.scratch / "elsewhere")
        self.make_directory(self.work / "real")
        os.symlink("real", self.work / "near")
        os.symlink(elsewhere, self.work / "far")
        outcome = self.shell("echo x > near/x; echo y > far/y",
                             options=("-x", "-w", "near", "-w", "far", "-w", str(elsewhere)))
        self.assert_code(outcome, 0)
        self.assertEqual((self.work / "real/x").read_text(), "x\n")
        self.assertEqual((elsewhere / "y").read_text(), "y\n")


@harness.as_root_too
class OptionsFile(tapbox.TapboxTest):
    def test_carries_options_of_every_kind(self):
        self.make_directory(self.work / "a b")
        self.make_file(self.work / "more", "-W\r\na b\r\n")
        self.make_file(self.work / "options",
                       "# comment\n\n-x\n--allow\nallowed.example\n-w\n\"a b\"\n@more\n-T 20\n")
        outcome = self.shell("echo kept > file; wget -qO- http://allowed.example/ >/dev/null && "
                             "echo reached", options=("@options",))
        self.assert_code(outcome, 0)
        self.assertEqual(outcome.out, "reached\n", outcome)
        self.assertEqual((self.work / "a b" / "file").read_text(), "kept\n")


class UnreadableOptionsFile(tapbox.TapboxTest):
    """As an ordinary user: root reads anything."""

    def test_is_an_error(self):
        self.make_file(self.work / "options", "-x\n", mode=0)
        outcome = self.shell("touch ran", options=("@options",))
        self.assert_code(outcome, 2)
        self.assertIn("open options: Permission denied", outcome.err)
        self.assertFalse((self.work / "ran").exists())
