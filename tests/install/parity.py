#!/usr/bin/env python3
"""parity.py PREFIX: that no binding falls behind the header: functions, their arguments, codes.

A binding that is whole has all of them. One that is not lists what it lacks, so that whoever adds a
function has to decide about it.
"""
import pathlib
import re
import subprocess
import sys
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "src/python"))
sys.dont_write_bytecode = True

from pyminisandbox import _library
from pyminisandbox.errors import MiniSandboxErrors

PREFIX = None
EXAMPLES = REPOSITORY / "docs/examples"
# Whoever has the stack's functions has not the host's network, and the other way round.
NOT_IN = {"libmini-sandbox": r"_allow_", "libmini-tapbox": r"_share_network$"}


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def count(arguments):
    """Of a C or Rust declaration."""
    arguments = arguments.strip().rstrip(",")
    return 0 if arguments in ("", "void") else arguments.count(",") + 1


def header():
    return without_comments((PREFIX / "include/mini_sandbox.h").read_text(encoding="utf-8"))


def declared():
    """{function: number of arguments}"""
    found = re.findall(r"MINI_SANDBOX_API [\w\s*]*?\b(mini_sandbox_\w+)\(([^)]*)\);", header())
    return {name: count(arguments) for name, arguments in found}


def declared_codes():
    return {name: int(code)
            for name, code in re.findall(r"MINI_SANDBOX_(\w+) = (-?\d+)", header())}


def of_the_process(functions):
    """Its settings, which objects have too, and the way in."""
    return {name for name in functions
            if name.replace("mini_sandbox_", "mini_sandbox_object_", 1) in functions} | {
                "mini_sandbox_start", "mini_sandbox_is_running"}


class ParityTest(unittest.TestCase):
    maxDiff = None


class TheHeader(ParityTest):
    def test_was_understood(self):
        functions = declared()
        self.assertEqual(len(functions), len(re.findall("^MINI_SANDBOX_API", header(), re.M)))
        self.assertEqual(functions["mini_sandbox_start"], 0)
        self.assertEqual(functions["mini_sandbox_object_setup_custom"], 3)
        self.assertEqual(declared_codes()["ALREADY_STARTED"], -202)

    def test_is_what_the_shared_libraries_export(self):
        for library, lacks in NOT_IN.items():
            listed = subprocess.run(["nm", "-D", "--defined-only", PREFIX / f"lib/{library}.so"],
                                    check=True, capture_output=True, text=True).stdout
            exported = {line.split()[2].partition("@")[0] for line in listed.splitlines()}
            self.assertEqual(exported - {"MINI_SANDBOX_1"},
                             {name for name in declared() if not re.search(lacks, name)})

    def test_has_every_setting_for_the_process_and_for_objects(self):
        functions = declared()
        settings = [re.sub("mini_sandbox_(object_)?", "", name) for name in functions
                    if re.search("_(setup|mount|set|share|enable|allow)_", name)]
        self.assertEqual({name: settings.count(name) for name in settings},
                         dict.fromkeys(settings, 2))
        for name in set(settings):
            self.assertEqual(functions[f"mini_sandbox_object_{name}"],
                             functions[f"mini_sandbox_{name}"] + 1, name)


class Python(ParityTest):
    def test_has_every_function_of_each_library(self):
        for library, lacks in NOT_IN.items():
            found = _library.functions(library.removeprefix("lib"))
            self.assertEqual({name: len(arguments) for name, (_, arguments) in found.items()},
                             {name: number for name, number in declared().items()
                              if not re.search(lacks, name)})

    def test_has_every_code(self):
        self.assertLessEqual(set(declared_codes().values()), set(map(int, MiniSandboxErrors)))


class Rust(ParityTest):
    text = (EXAMPLES / "rust/mini_sandbox.rs").read_text(encoding="utf-8")

    def test_has_every_function(self):
        found = re.findall(r"pub fn (mini_sandbox_\w+)\(([^)]*)\)", self.text)
        self.assertEqual({name: count(arguments) for name, arguments in found}, declared())

    def test_has_every_code(self):
        found = re.findall(r"pub const MINI_SANDBOX_(\w+): c_int = (-?\d+);", self.text)
        self.assertEqual({name: int(code) for name, code in found}, declared_codes())


class Perl(ParityTest):
    text = (EXAMPLES / "perl/MiniSandbox.pm").read_text(encoding="utf-8")

    def part(self, name):
        return re.search(rf"my %{name} = \((.*?)\n\);", self.text, re.S)[1]

    def test_has_every_function(self):
        found = {}
        for name, arguments in re.findall(r"(\w+) => \[([^\[\]]*)\]", self.part("settings")):
            found[f"mini_sandbox_{name}"] = count(arguments)
            found[f"mini_sandbox_object_{name}"] = count(arguments) + 1
        for name, arguments in re.findall(r"(\w+) => \[\[(.*?)\] => ", self.part("functions")):
            found[f"mini_sandbox_{name}"] = count(arguments)
        self.assertEqual(found, declared())

    def test_has_every_code(self):
        found = re.findall(r"(\w+) => (-?\d+)", self.part("codes"))
        self.assertEqual({name: int(code) for name, code in found}, declared_codes())


class Python(ParityTest):
    """The package's tables and names, which need no library."""

    @classmethod
    def setUpClass(cls):
        sys.path.insert(0, str(REPOSITORY / "src/python"))
        sys.dont_write_bytecode = True
        import pyminisandbox._library
        import pyminisandbox.pyminisandbox
        import pyminisandbox.pyminitapbox
        cls.package = pyminisandbox

    def kinds(self):
        return zip(("mini-sandbox", "mini-tapbox"),
                   (self.package.pyminisandbox, self.package.pyminitapbox), NOT_IN.values())

    def test_has_every_function(self):
        for kind, _, lacks in self.kinds():
            found = {name: len(arguments) for name, (_, arguments)
                     in self.package._library.functions(kind).items()}
            self.assertEqual(found, {name: number for name, number in declared().items()
                                     if not re.search(lacks, name)})

    def test_has_every_function_for_the_process_by_its_name(self):
        errors = {"mini_sandbox_get_last_error_code", "mini_sandbox_get_last_error_msg"}
        for _, module, lacks in self.kinds():
            self.assertEqual(set(module.__all__) - {"MiniSandboxErrors"},
                             {name for name in of_the_process(declared()) | errors
                              if not re.search(lacks, name)})

    def test_has_every_code(self):
        # By names that programs use already, and three of its own.
        found = {int(code) for code in self.package.MiniSandboxErrors}
        self.assertEqual(found - {-1001, -1002, -1003}, set(declared_codes().values()))


class JavaAndNode(ParityTest):
    """What they are glued to runs commands, and lists what it lacks."""

    def test_have_every_function_for_commands_but_those_listed(self):
        text = (EXAMPLES / "glue/run_command.h").read_text(encoding="utf-8")
        lacking = re.search(r"Not here: ([^;]*);", text)[1].replace("*", "").split()
        code = without_comments((EXAMPLES / "glue/run_command.c").read_text(encoding="utf-8"))
        used = set(re.findall(r"\bmini_sandbox_\w+(?<!_t)\b", code)) - {"mini_sandbox_command"}
        self.assertEqual(used & set(lacking), set())
        self.assertEqual(used | set(lacking), set(declared()) - of_the_process(declared()))

    def test_call_every_setting_by_its_own_name(self):
        code = (EXAMPLES / "glue/run_command.c").read_text(encoding="utf-8")
        found = re.findall(r'{"(\w+)", mini_sandbox_object_(\w+)}', code)
        self.assertGreater(len(found), 15)
        for name, function in found:
            self.assertEqual(name, function)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    PREFIX = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=sys.argv[:1])
