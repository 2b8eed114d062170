"""What the tests with real clients share: servers for a class, and the two refusals."""

import shutil

import tapbox
import world_programs

FAST = 5  # seconds: a client that is refused has then said so, however slow this machine


class ClientTest(tapbox.TapboxTest):
    """`start_programs(programs)` starts what the class needs, once, when its first test runs."""

    programs = None

    @classmethod
    def start_programs(cls, programs):
        raise NotImplementedError

    @classmethod
    def tearDownClass(cls):
        if cls.programs:
            cls.programs.stop()
            cls.programs = None

    def setUp(self):
        super().setUp()
        shutil.copy(tapbox.HERE / "client_protocols.py", self.work)
        cls = type(self)
        if cls.programs is None:
            cls.programs = world_programs.WorldPrograms(cls.__name__)
            try:
                cls.start_programs(cls.programs)
            except BaseException:
                cls.tearDownClass()
                raise

    def bring(self, *names, mode=0o644):
        """Files of the programs' directory, into the work directory."""
        for name in names:
            content = (self.programs.directory / name).read_bytes()
            self.make_file(self.work / name, content, mode)

    def succeeds_only_with(self, rule, script, *arguments, env=None, seconds=20):
        """The script's outcome under that rule alone. First it is run twice without it: with the
        name refused, and with the port refused. Both times it fails, soon, and with a verdict."""
        name = rule.rpartition(":")[0] or rule
        for other in ("other.example:9", f"{name}:9"):
            refused = self.tapbox_shell(script, *arguments, env=env, rules=(other,))
            self.assertNotEqual(refused.code, 0, f"under {other}: {refused}")
            self.assertLess(refused.seconds, FAST, f"under {other}: {refused}")
            self.assertNotEqual(refused.verdicts(), [], f"under {other}: {refused}")
        outcome = self.tapbox_shell(script, *arguments, env=env, rules=(rule,), timeout=seconds)
        self.assert_code(outcome, 0)
        self.assertEqual(outcome.verdicts(), [], outcome)
        return outcome
