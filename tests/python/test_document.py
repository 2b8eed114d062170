"""docs/python.md: each program is followed by what it prints."""

import re
import sys

import harness


class Examples(harness.ProgramTest):
    once = True  # the document speaks of ordinary users, not of root

    def test_print_what_the_document_says(self):
        text = (harness.REPOSITORY / "docs/python.md").read_text(encoding="utf-8")
        blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S)
        self.assertEqual([kind for kind, _ in blocks], ["python", "text"] * 6)
        for (_, program), (_, expected) in zip(blocks[::2], blocks[1::2]):
            with self.subTest(program=program):
                done = self.execute([sys.executable, "-c", program])
                self.assertEqual((done.stdout, done.stderr), (expected, ""))

    def test_name_every_setting_exception_and_method(self):
        import inspect
        import pyminisandbox
        text = (harness.REPOSITORY / "docs/python.md").read_text(encoding="utf-8")
        settings = list(inspect.signature(pyminisandbox.Sandbox).parameters)
        errors = [name for name in pyminisandbox.__all__ if name.endswith("Error")]
        methods = [f"{name}()" for name in vars(pyminisandbox.SandboxProcess)
                   if not name.startswith("_") and name != "close"]
        self.assertGreater(len(settings) + len(errors) + len(methods), 25)
        for name in (*settings, *errors, *methods):
            self.assertIn(f"`{name}`" if name in settings or name in errors else name, text)
