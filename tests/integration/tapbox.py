"""What the tests of mini-tapbox share."""

import pathlib
import shutil

import harness
import linux

HERE = pathlib.Path(__file__).resolve().parent


def stack_of(supervisor):
    """The process id of a running sandbox's network stack; `supervisor` is its Popen or number."""
    for pid in linux.children_of(getattr(supervisor, "pid", supervisor)):
        with open(f"/proc/{pid}/comm", encoding="ascii") as file:
            if file.read() == "network-stack\n":
                return pid
    raise AssertionError("there is no network stack")


class TapboxTest(harness.SandboxTest):
    program = "mini-tapbox"
    needs = ("namespaces", "tun", "mini-tapbox")
    rules = ("allowed.example",)

    def setUp(self):
        super().setUp()
        for name in ("client.py", "payload.py"):
            shutil.copy(HERE / name, self.work / name)
        self.run_dir = pathlib.Path(harness.stage.run_dir)
        self._marks = {name: self._size(name) for name in ("dns.log", "http.log", "tcp.log")}

    def _size(self, name):
        path = self.run_dir / name
        return path.stat().st_size if path.exists() else 0

    def logged(self, name):
        """The lines that a server of the world has logged since this test began."""
        path = self.run_dir / name
        if not path.exists():
            return []
        with open(path, encoding="utf-8") as log:
            log.seek(self._marks[name])
            return log.read().splitlines()

    def names_asked_upstream(self):
        return {line.split()[-1].lower().rstrip(".") for line in self.logged("dns.log")}

    def allowing(self, *rules):
        return ("-x", *(word for rule in rules for word in ("--allow", rule)))

    def tapbox(self, *command, rules=None, **more):
        return self.sandbox(*command, options=self.allowing(*(self.rules if rules is None
                                                              else rules)), **more)

    def tapbox_shell(self, script, *arguments, **more):
        return self.tapbox("sh", "-c", script, "sh", *arguments, **more)

    def client(self, *arguments, **more):
        outcome = self.tapbox(harness.PYTHON, "client.py", *map(str, arguments), **more)
        self.assert_code(outcome, 0)
        return outcome

    def one_verdict(self, outcome, *parts):
        """The only refusal that was reported; it has every part."""
        self.assertEqual(len(outcome.verdicts()), 1, outcome)
        verdict = outcome.verdicts()[0]
        self.assertTrue(verdict.startswith("mini-tapbox: refused "), verdict)
        for part in parts:
            self.assertIn(part, verdict)
        return verdict

    def assert_quickly_refused(self, outcome, milliseconds=1000):
        answer, took = outcome.out.split()
        self.assertEqual(answer, "ECONNREFUSED", outcome)
        self.assertLess(int(took), milliseconds, outcome)
