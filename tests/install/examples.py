#!/usr/bin/env python3
"""examples.py PREFIX: the programs of docs/examples, built as their first lines say and run.

Not as root, whose sandbox can write more: root runs them as nobody.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

PREFIX = None
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
NOBODY = 65534

CONFINED = "outside\nplanted: Read-only file system\ninside: 1\n"
COMMAND = "refused\nexit code 5\n"
TWO_COMMANDS = COMMAND + "signal 15\netc: the path is not absolute\n"


def run(command, check=True, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False,
                          stdin=subprocess.DEVNULL, **more)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def first_comment(path):
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        text = re.match(r"(?:/\*| \*/?|//!?|#!?)(.*)", line)
        if not text:
            break
        lines.append(text[1])
    return lines


def build_lines(path):
    """What is set off in the comment that a file begins with."""
    return "\n".join(line.strip() for line in first_comment(path)
                     if re.match(r"\t|\s{2,}\S", line))


class ExamplesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # A copy, which nobody can read wherever this clone is.
        cls.place = pathlib.Path(tempfile.mkdtemp(prefix="mini-sandbox-examples-", dir="/var/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.place)
        cls.place.chmod(0o755)
        for part in ("lib", "include"):
            shutil.copytree(PREFIX / part, cls.place / "prefix" / part, symlinks=True)
        shutil.copytree(REPOSITORY / "docs/examples", cls.place / "examples")
        cls.environment = {**os.environ, "LC_ALL": "C.UTF-8",
                           "PKG_CONFIG_PATH": f"{cls.place}/prefix/lib/pkgconfig",
                           "LD_LIBRARY_PATH": f"{cls.place}/prefix/lib",
                           "GOCACHE": f"{cls.place}/go-cache", "GOFLAGS": "-mod=mod"}

    def setUp(self):
        self.work = pathlib.Path(tempfile.mkdtemp(dir=self.place))
        self.as_user = []
        if os.geteuid() == 0:
            os.chown(self.work, NOBODY, NOBODY)
            self.as_user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]

    def need(self, *tools):
        for tool in tools:
            if not shutil.which(tool) and not os.path.exists(tool):
                self.skipTest(f"{tool} is missing: third_party/packages languages")  # CI fails

    def build(self, source):
        """The directory that it is built in."""
        source = self.place / "examples" / source
        lines = build_lines(source)
        self.assertIn(source.name, lines, "it does not say how it is built")
        run(["sh", "-ec", lines], cwd=source.parent, env=self.environment)
        run(["chmod", "-R", "a+rX", source.parent])
        return source.parent

    def prints(self, command, output, code=0, result=False):
        done = run([*self.as_user, *map(os.fspath, command)], check=False, cwd=self.work,
                   env=self.environment)
        self.assertEqual((done.returncode, done.stdout), (code, output), done)
        if result:
            self.assertEqual((self.work / "result").read_text(encoding="utf-8"), "done\n")
        self.assertFalse(os.path.exists("/usr/local/planted"))


class Examples(ExamplesTest):
    def test_c(self):
        self.prints([self.build("c/confined.c") / "confined"], CONFINED, code=7, result=True)
        self.prints([self.build("c/command.c") / "command"], COMMAND)

    def test_cxx(self):
        self.prints([self.build("cpp/confined.cc") / "confined"], CONFINED, code=7, result=True)
        self.prints([self.build("cpp/command.cc") / "command"], COMMAND)

    def test_rust(self):
        self.need("rustc")
        confined = CONFINED.replace("Read-only file system",
                                    "read-only filesystem or storage medium")
        self.prints([self.build("rust/confined.rs") / "confined"], confined, code=7, result=True)
        self.prints([self.build("rust/command.rs") / "command"], COMMAND)

    def test_perl(self):
        perl = "/usr/bin/perl"
        if run([perl, "-MFFI::Platypus", "-e", "1"], check=False).returncode != 0:
            self.need("FFI::Platypus")
        run(["chmod", "-R", "a+rX", self.place / "examples"])
        directory = self.place / "examples/perl"
        self.prints([perl, directory / "confined.pl"], CONFINED, code=7, result=True)
        self.prints([perl, directory / "command.pl"], COMMAND)

    def test_go(self):
        self.need("go")
        self.prints([self.build("go/command.go") / "command"], COMMAND)

    def test_node(self):
        self.need("node", "/usr/include/node/node_api.h")
        directory = self.build("node/mini_sandbox.c")
        self.prints(["node", directory / "command.js"], TWO_COMMANDS, result=True)

    def test_java(self):
        self.need("javac")
        home = os.path.dirname(os.path.dirname(os.path.realpath(shutil.which("javac"))))
        self.environment["JAVA_HOME"] = home
        directory = self.build("java/mini_sandbox_jni.c")
        self.prints([f"{home}/bin/java", f"-Djava.library.path={directory}", "-cp", directory,
                     "Command"], TWO_COMMANDS, result=True)


class Sources(ExamplesTest):
    def test_what_is_c_has_no_warning(self):
        pedantic = ["-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                    f"-I{self.place}/prefix/include"]
        for source in ("c/confined.c", "c/command.c", "glue/run_command.c"):
            run(["cc", "-std=c99", "-D_POSIX_C_SOURCE=200809L", *pedantic,
                 self.place / "examples" / source])
        for source in ("cpp/confined.cc", "cpp/command.cc"):
            run(["c++", "-std=c++17", *pedantic, self.place / "examples" / source])

    def test_each_is_in_the_table(self):
        table = (REPOSITORY / "docs/examples/README.md").read_text(encoding="utf-8")
        for path in (REPOSITORY / "docs/examples").glob("*/*"):
            self.assertIn(f"]({path.parent.name}/{path.name})", table)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    PREFIX = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=sys.argv[:1])
