"""What a start costs: the system calls from the program's first to the command's end."""

import collections
import shutil

import harness

MAY_NOT_TRACE = 3  # of probe(1)'s "calls"

# A few more than there are: the mounts around these tests cost some that differ with who runs them.
MOST_OF_SANDBOX = 255
MOST_OF_TAPBOX = 408


class SystemCalls(harness.SandboxTest):
    """Of all processes together. Loading the program and the command is not counted, as it is the
    C library's: --version costs as much. What each call is for: docs/performance.md."""

    needs = ("namespaces", "mini-sandbox", "mini-tapbox", "probe")

    def calls(self, *command):
        """The command's and its descendants' calls, by number."""
        outcome = harness.run_bounded([harness.stage.bin_dir / "probe", "calls", *command],
                                      identity=self.identity, cwd=self.project)
        if outcome.code == MAY_NOT_TRACE:
            self.skipTest("this machine or container lets no process be traced")
        self.assert_code(outcome, 0)
        numbers = (line.split() for line in outcome.lines() if line[:1].isdigit())
        return collections.Counter({int(number): int(count) for number, count in numbers})

    def calls_of_a_start(self, program, *options):
        binary = harness.stage.bin_dir / program
        probe = self.project / "probe"
        shutil.copy(harness.stage.bin_dir / "probe", probe)
        loading = self.calls(binary, "--version") + self.calls(probe, "nothing")
        start = self.calls(binary, *options, "--", probe, "nothing")
        for number in sorted(start):
            if start[number] > loading[number]:
                self.found.append(f"{number}: {start[number] - loading[number]}")
        return start.total() - loading.total()

    def setUp(self):
        super().setUp()
        self.found = []
        # In HOME, where every machine's plan is the same: what lies around it is not overlaid.
        self.project = self.make_directory(self.in_home("project-that-starts"))

    def test_of_mini_sandbox_are_few(self):
        calls = self.calls_of_a_start("mini-sandbox", "-x")
        self.assertLessEqual(calls, MOST_OF_SANDBOX, self.found)

    def test_of_mini_tapbox_are_few(self):
        self.require("tun")
        calls = self.calls_of_a_start("mini-tapbox", "-x", "--allow", "192.0.2.1")
        self.assertLessEqual(calls, MOST_OF_TAPBOX, self.found)
