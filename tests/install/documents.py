#!/usr/bin/env python3
"""documents.py PREFIX: that help, man pages, completions and docs/flags.md of the tree installed at
PREFIX name the same options, that the man pages have no error, and that completions complete."""
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import sys
import time
import unittest

PREFIX = None
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ("mini-sandbox", "mini-tapbox")
OPTION = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*")
IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")


def installed(*parts):
    return PREFIX.joinpath(*parts)


def output_of(*command, **more):
    done = subprocess.run([os.fspath(word) for word in command], capture_output=True, text=True,
                          timeout=60, check=False, stdin=subprocess.DEVNULL, **more)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def help_rows(program):
    """The first column of --help: what stands before the descriptions."""
    rows = []
    for row in output_of(installed("bin", program), "--help").splitlines():
        if re.match(r"  (-\w, |    )--", row):
            rows.append(re.split(r"  ", row.strip())[0])
    return rows


def options(program):
    """The names of all options, as --help has them."""
    return {name for row in help_rows(program) for name in OPTION.findall(row)}


def options_with_value(program):
    return {name for row in help_rows(program) if re.search(r" [A-Z=]+$", row)
            for name in OPTION.findall(row)}


class DocumentsTest(unittest.TestCase):
    maxDiff = None

    def need(self, tool):
        if shutil.which(tool):
            return
        if IN_CI:
            self.fail(f"{tool} is not installed")
        self.skipTest(f"{tool} is not installed")


class Names(DocumentsTest):
    def test_help_has_options_to_compare_with(self):
        for program in PROGRAMS:
            self.assertGreater(len(options(program)), 40)
            self.assertIn("--write", options_with_value(program))
            self.assertNotIn("--default", options_with_value(program))

    def test_each_man_page_names_the_options_of_its_program(self):
        for program in PROGRAMS:
            with self.subTest(program):
                page = installed("share/man/man1", f"{program}.1").read_text(encoding="utf-8")
                tags = re.findall(r"^\.TP\n(.*)$", page, re.MULTILINE)
                named = {name for tag in tags for name in OPTION.findall(tag.replace("\\-", "-"))}
                self.assertEqual(named, options(program))

    def test_the_table_of_flags_names_the_options_of_both(self):
        text = (REPOSITORY / "docs/flags.md").read_text(encoding="utf-8")
        cells = re.findall(r"^\| (`-.*?) \|", text, re.MULTILINE)
        named = [name for cell in cells for name in OPTION.findall(cell)]
        self.assertEqual(set(named), options("mini-sandbox") | options("mini-tapbox"))
        self.assertEqual(len(named), len(set(named)), "an option stands in two rows")

    def test_zsh_names_the_options_of_both(self):
        text = installed("share/zsh/site-functions/_mini-sandbox").read_text(encoding="utf-8")
        named = set()
        for spec in re.findall(r"^ +'(?:\(.*?\))?\*?'?(\{.*?\}|--[\w-]+)", text, re.MULTILINE):
            named.update(OPTION.findall(spec))
        self.assertEqual(named, options("mini-sandbox") | options("mini-tapbox"))

    def test_bash_names_the_options_of_each(self):
        for program in PROGRAMS:
            with self.subTest(program):
                file = installed("share/bash-completion/completions", program)
                told = output_of("bash", "-c", 'source "$0"; _mini_sandbox_options "$1"', file,
                                 program).split()
                self.assertEqual(set(told), options(program))
                script = 'source "$0"; for o in "${@:2}"; do [[ -z $(_mini_sandbox_value "$o" ' \
                         '"$1") ]] || printf "%s\\n" "$o"; done'
                told = output_of("bash", "-c", script, file, program, *options(program)).split()
                self.assertEqual(set(told), options_with_value(program))

    def test_fish_names_the_options_of_each(self):
        self.need("fish")
        for program in PROGRAMS:
            with self.subTest(program):
                file = installed("share/fish/vendor_completions.d", f"{program}.fish")
                script = 'source $argv[1]; for o in - --; complete -C "$argv[2] $o"; end'
                told = output_of("fish", "--no-config", "-c", script, file, program)
                names = {line.split("\t")[0] for line in told.splitlines()}
                self.assertEqual({name for name in names if OPTION.fullmatch(name)},
                                 options(program))


class ManPages(DocumentsTest):
    PAGES = ("man1/mini-sandbox.1", "man1/mini-tapbox.1", "man5/mini-tapbox-rules.5")

    def test_no_formatter_complains(self):
        checkers = {
            "man": ["man", "--warnings", "-l"],
            "groff": ["groff", "-ww", "-man", "-Kutf8", "-Tutf8", "-z"],
            "mandoc": ["mandoc", "-T", "lint", "-W", "style"],
        }
        for tool, command in checkers.items():
            self.need(tool)
            for page in self.PAGES:
                with self.subTest(f"{tool} {page}"):
                    done = subprocess.run(
                        [*command, installed("share/man", page)], capture_output=True, text=True,
                        timeout=60, check=False,
                        env={**os.environ, "LC_ALL": "C.UTF-8", "MANPAGER": "cat"})
                    told = done.stdout if tool == "mandoc" else done.stderr
                    self.assertEqual((done.returncode, told), (0, ""))

    def test_lines_are_as_wide_as_a_terminal(self):
        self.need("man")
        for page in self.PAGES:
            text = output_of("man", "-l", installed("share/man", page),
                             env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8",
                                  "MANPAGER": "cat", "MAN_KEEP_FORMATTING": ""})
            self.assertIn("NAME", text)
            for line in text.splitlines():
                self.assertLessEqual(len(line), 80, line)


class Terminal:
    """An interactive shell on a terminal of its own."""

    def __init__(self, command, setup):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command,
                       {"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": "/nonexistent",
                        "PS1": "ready$ ", "HISTFILE": "", "SESAME_X": "1", "LC_ALL": "C.UTF-8"})
        self.send(setup + "\necho se''t\n")
        self.read_until("set\r\n")

    def send(self, text):
        os.write(self.fd, text.encode())

    def read_until(self, text):
        seen = ""
        deadline = time.monotonic() + 20
        while text not in seen:
            ready, _, _ = select.select([self.fd], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{text!r} did not appear: {seen!r}"
            seen += os.read(self.fd, 4096).decode("utf-8", "replace")
        return seen

    def complete(self, line):
        """The words of `line` once the shell has completed it at its end."""
        # ^A: to the start of the line, so that another command shows what became of it.
        self.send(line + "\t\x01printf '<%s>' words: \x05; echo e''nd\n")
        seen = self.read_until("end\r\n")
        return re.findall(r"<([^>]*)>", seen.rpartition("<words:>")[2])

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


class Completion(DocumentsTest):
    def setUp(self):
        self.directory = pathlib.Path("/var/tmp") / f"mini-sandbox-completion-{os.getpid()}"
        self.directory.mkdir()
        self.addCleanup(shutil.rmtree, self.directory)
        (self.directory / "rules-file").touch()
        (self.directory / "work-dir").mkdir()

    def check(self, terminal):
        self.addCleanup(terminal.close)
        terminal.send(f"cd {self.directory}\n")
        for program, line, completed in (
                ("mini-sandbox", "--wri", ["--write"]),
                ("mini-sandbox", "-x --share", ["-x", "--share-network"]),
                ("mini-tapbox", "-x --ru", ["-x", "--rules"]),
                ("mini-tapbox", "-x -F rul", ["-x", "-F", "rules-file"]),
                ("mini-sandbox", "-x --write=wor", ["-x", "--write=work-dir/"]),
                ("mini-sandbox", "-x -T 5 -W wor", ["-x", "-T", "5", "-W", "work-dir/"]),
                ("mini-sandbox", "-xT 5 --chd", ["-xT", "5", "--chdir"]),
                ("mini-sandbox", "-x @rul", ["-x", "@rules-file"]),
                ("mini-sandbox", "--unsetenv SESAM", ["--unsetenv", "SESAME_X"]),
                ("mini-sandbox", "-x busyb", ["-x", "busybox"]),
                ("mini-sandbox", "-x -- busyb", ["-x", "--", "busybox"]),
                ("mini-sandbox", "-x cat rul", ["-x", "cat", "rules-file"]),
                ("mini-sandbox", "-x cat --wri", ["-x", "cat", "--wri"]),
                ("mini-sandbox", "docto", ["doctor"]),
                ("mini-tapbox", "doctor --js", ["doctor", "--json"])):
            with self.subTest(f"{program} {line}"):
                words = terminal.complete(f"{program} {line}")
                self.assertEqual(words, [program, *completed])

    def test_bash_completes(self):
        file = installed("share/bash-completion/completions/mini-sandbox")
        self.check(Terminal(["bash", "--norc", "--noprofile", "-i"],
                            f"bind 'set bell-style none'; source {file}"))

    def test_bash_completes_the_arguments_of_the_command(self):
        library = pathlib.Path("/usr/share/bash-completion/bash_completion")
        if not library.exists():
            if IN_CI:
                self.fail("bash-completion is not installed")
            self.skipTest("bash-completion is not installed")
        file = installed("share/bash-completion/completions/mini-sandbox")
        terminal = Terminal(["bash", "--norc", "--noprofile", "-i"],
                            f"bind 'set bell-style none'; source {library}; source {file}")
        self.addCleanup(terminal.close)
        # The words that bash counts are more than these: it splits at = : and @.
        for words in (["mini-sandbox", "-x", "-T", "5", "kill"],
                      ["mini-sandbox", "-x", "--write=/tmp", "--", "kill"],
                      ["mini-sandbox", "@file", "kill"],
                      ["mini-tapbox", "-x", "--allow", "tcp/a.example:80", "kill"]):
            with self.subTest(words):
                self.assertEqual(terminal.complete(" ".join([*words, "-TER"])), [*words, "-TERM"])

    def test_zsh_completes(self):
        self.need("zsh")
        directory = installed("share/zsh/site-functions")
        self.check(Terminal(["zsh", "-f", "-i"],
                            f"fpath=({directory} $fpath); autoload -Uz compinit; "
                            f"compinit -D -u; bindkey -e; unsetopt beep autoremoveslash"))

    def test_fish_completes(self):
        self.need("fish")
        file = installed("share/fish/vendor_completions.d/mini-tapbox.fish")
        for line, completed in (("mini-tapbox --ru", "--rules"),
                                ("mini-tapbox -F rul", "rules-file"),
                                ("mini-tapbox --write=wor", "--write=work-dir/"),
                                ("mini-tapbox -xT 5 -W wor", "work-dir/"),
                                ("mini-tapbox --unsetenv SESAM", "SESAME_X"),
                                ("mini-tapbox -x busyb", "busybox"),
                                ("mini-tapbox -x cat rul", "rules-file"),
                                ("mini-tapbox -x cat --wri", None),
                                ("mini-tapbox docto", "doctor"),
                                ("mini-tapbox doctor --js", "--json")):
            with self.subTest(line):
                told = output_of("fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]",
                                 file, line, cwd=self.directory,
                                 env={**os.environ, "SESAME_X": "1", "HOME": str(self.directory)})
                candidates = [row.split("\t")[0] for row in told.splitlines()]
                self.assertEqual(candidates, [completed] if completed else [])


class Tree(DocumentsTest):
    def test_it_holds_pages_and_completions(self):
        share = sorted(str(path.relative_to(installed("share")))
                       for path in installed("share").rglob("*") if path.is_file())
        licences = "doc/mini-sandbox/"  # whether each is there, tree.py asks the build
        self.assertEqual([name for name in share if not name.startswith(licences)], [
            "bash-completion/completions/mini-sandbox",
            "bash-completion/completions/mini-tapbox",
            "fish/vendor_completions.d/mini-sandbox.fish",
            "fish/vendor_completions.d/mini-tapbox.fish",
            "man/man1/mini-sandbox.1",
            "man/man1/mini-tapbox.1",
            "man/man5/mini-tapbox-rules.5",
            "zsh/site-functions/_mini-sandbox",
        ])


class SecurityDocument(DocumentsTest):
    """docs/security.md names files, functions and tests."""

    def setUp(self):
        self.text = (REPOSITORY / "docs/security.md").read_text(encoding="utf-8")

    @staticmethod
    def known_tests():
        """Suite.Name of the C++ tests; module.Class and module.Class.test of the Python ones."""
        found = set()
        for path in REPOSITORY.glob("tests/*/*_test.cc"):
            source = path.read_text(encoding="utf-8")
            for suite, name in re.findall(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", source,
                                          re.MULTILINE):
                found.add(f"{suite}.{name}")
        for path in REPOSITORY.glob("tests/integration/test_*.py"):
            case = None
            for line in path.read_text(encoding="utf-8").splitlines():
                if match := re.match(r"class (\w+)", line):
                    case = f"{path.stem}.{match[1]}"
                    found.add(case)
                elif match := re.match(r"    def (test_\w+)", line):
                    found.add(f"{case}.{match[1]}")
        return found

    def test_every_invariant_has_code_and_tests(self):
        sections = re.split(r"^## ", self.text, flags=re.MULTILINE)[1:]
        self.assertEqual([section.split(".")[0] for section in sections],
                         [str(number) for number in range(1, 13)])
        for section in sections:
            with self.subTest(section.split("\n")[0]):
                self.assertRegex(section, r"(?m)^- `(src|netstack)/")
                self.assertRegex(section, r"(?m)^Tests: `")

    def test_every_test_that_it_names_exists(self):
        named = [name for paragraph in re.findall(r"^Tests: (.*?)(?:\n\n|\Z)", self.text,
                                                  re.MULTILINE | re.DOTALL)
                 for name in re.findall(r"`(\w+(?:\.\w+){1,2})`", paragraph)]
        self.assertGreater(len(named), 60)
        self.assertEqual(sorted(set(named) - self.known_tests()), [])

    def test_every_file_and_function_that_it_names_exists(self):
        path = None
        for word in re.findall(r"`([^`]+)`", self.text):
            if re.fullmatch(r"(src|netstack|tests)/[\w/]+\.(cc|h|py)", word):
                path = REPOSITORY / word
                self.assertTrue(path.is_file(), word)
            elif re.fullmatch(r"[A-Z][a-z][A-Za-z0-9]*|_[a-z_]+", word):
                self.assertTrue(re.search(rf"\b{word}\b", path.read_text(encoding="utf-8")),
                                f"{path} has no {word}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PREFIX = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
