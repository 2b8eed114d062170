"""The examples of docs/flags.md: every ```console block is run as it stands.

Theory of operation. The commands of a block, its lines that begin with "$ ", are run one after the
other by one shell in an empty directory, with the programs in PATH. A marker with the number of the
next command separates their outputs, standard error among them, and leaves $? alone. `...` in an
expected line stands for any text of that line, and alone in a line for any number of lines. Left out
of the outputs are a terminal's carriage returns, and the notice that root gets since the world of
the tests has mounts in /etc.
"""

import re

import harness
import tapbox

DOCUMENT = harness.REPOSITORY / "docs/flags.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARKER = "-=-=- command"
LEFT_OUT = re.compile(r"\r(?=\n)|^mini-\w+: /etc is read-only inside, because mounts .*\n",
                      re.MULTILINE)


def document():
    """Empty where it was not copied along with the tests; one of them fails for that."""
    return DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else ""


def parse(block):
    """[(command, [expected lines])]"""
    steps = []
    for line in block.splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], []))
        else:
            steps[-1][1].append(line)
    return steps


def pattern_of(expected):
    lines = []
    for line in expected:
        if line == "...":
            lines.append(r"(?:.*\n)*")
        else:
            lines.append(r".*".join(map(re.escape, line.split("..."))) + r"\n")
    return re.compile("".join(lines))


def script_of(steps):
    lines = []
    for number, (command, _) in enumerate(steps):
        # In a subshell, so that its exit code is $? for what comes next.
        lines.append(f"(status=$?; echo '{MARKER} {number}'; exit $status)")
        lines.append(command)
    return "exec 2>&1\n" + "\n".join(lines) + "\n"


class Examples:
    def example(self, block):
        steps = parse(block)
        outcome = harness.run_bounded(
            ["sh", "-c", script_of(steps)], identity=self.identity, cwd=self.work,
            env={"PATH": f"{harness.stage.bin_dir}:{self.identity.environment()['PATH']}"})
        outputs = re.split(rf"^{MARKER} \d+\n", LEFT_OUT.sub("", outcome.out),
                           flags=re.MULTILINE)[1:]
        self.assertEqual(len(outputs), len(steps), outcome)
        for (command, expected), output in zip(steps, outputs):
            with self.subTest(command):
                self.assertRegex(output, re.compile(rf"\A{pattern_of(expected).pattern}\Z"))


@harness.as_root_too
class FlagExamples(Examples, tapbox.TapboxTest):
    needs = ("namespaces", "tun", "mini-tapbox", "mini-sandbox")

    def setUp(self):
        super().setUp()
        # The directory that the examples are read to start in.
        for name in ("client.py", "payload.py"):
            (self.work / name).unlink()

    def test_the_document_has_examples(self):
        self.assertGreater(len(BLOCK.findall(document())), 10, DOCUMENT)


def add_examples():
    """A test method for every block, named after its first line; and into the twin for root."""
    text = document()
    for number, match in enumerate(BLOCK.finditer(text), 1):
        line = text[:match.start()].count("\n") + 1

        def test(self, block=match.group(1)):
            self.example(block)

        test.__doc__ = f"docs/flags.md:{line}"
        for cls in (FlagExamples, globals()["FlagExamplesAsRoot"]):
            setattr(cls, f"test_{number:02}_at_line_{line}", test)


add_examples()
