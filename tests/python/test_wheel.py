"""The package as people pass it on: a source distribution, a wheel, a virtual environment."""

import pathlib
import shutil
import sysconfig
import zipfile

import harness

# Debian's packages: the system's interpreter has what builds, without a network.
SYSTEM_PYTHON = "/usr/bin/python3"


class TheWheel(harness.ProgramTest):
    once = True

    def setUp(self):
        super().setUp()
        self.source = self.place / "source"
        shutil.copytree(harness.PACKAGE_DIR, self.source)
        self.clean = {**self.environment(), "PIP_NO_INDEX": "1"}
        del self.clean["PYTHONPATH"]

    def build(self):
        return self.execute([SYSTEM_PYTHON, "-m", "build", "--no-isolation", "--outdir", self.place,
                             self.source], env=self.clean)

    def refuse_to_build(self, message):
        # The same without what `build` puts around it.
        hook = "from setuptools import build_meta; build_meta.build_wheel('..')"
        self.work = self.source
        self.assertIn(message, self.execute([SYSTEM_PYTHON, "-c", hook], env=self.clean,
                                            code=1).stderr)
        self.assertEqual(list(self.place.glob("*.whl")), [])

    def test_is_built_from_the_source_distribution_and_works_where_it_is_installed(self):
        self.build()
        platform = sysconfig.get_platform().replace("-", "_")
        wheel = self.place / f"pyminisandbox-0.1.0-py3-none-{platform}.whl"
        self.assertTrue((self.place / "pyminisandbox-0.1.0.tar.gz").is_file())
        with zipfile.ZipFile(wheel) as archive:
            names = set(archive.namelist())
        for path in (self.source / "pyminisandbox").iterdir():
            self.assertIn(f"pyminisandbox/{path.name}", names)
        self.assertTrue(any(name.endswith("/libstdc++") for name in names), names)

        venv = self.work / "venv"  # shows inside, as the working directory does
        self.execute([SYSTEM_PYTHON, "-m", "venv", "--without-pip", venv], env=self.clean)
        # The one that venv would install there, from the archive in which Debian has it.
        pip, = pathlib.Path("/usr/share/python-wheels").glob("pip-*.whl")
        self.execute([venv / "bin/python", pip / "pip", "install", "--no-index", wheel],
                     env=self.clean)
        done = self.execute([venv / "bin/python", "-c", """
from pyminisandbox import pyminisandbox as sandbox
print(sandbox.mini_sandbox_setup_default(), sandbox.mini_sandbox_start())
print(sandbox.__file__)
"""], env=self.clean)
        first, second = done.stdout.splitlines()
        self.assertEqual(first, "0 0")
        self.assertTrue(second.startswith(str(venv)), second)
        # A command may have left it; outside nobody imports it.
        (self.work / "selectors.py").write_text("print('from here')")
        done = self.execute([venv / "bin/pyminisandbox", "-x", "--", "echo", "inside"],
                            env=self.clean)
        self.assertEqual(done.stdout, "inside\n")

    def test_is_not_built_for_another_machine_than_its_library(self):
        library = self.source / "pyminisandbox/libmini-sandbox.so"
        content = bytearray(library.read_bytes())
        content[18] ^= 0xFF  # e_machine
        library.write_bytes(content)
        self.refuse_to_build("is for another machine than this Python")

    def test_is_not_built_without_the_library(self):
        for library in self.source.glob("pyminisandbox/*.so"):
            library.unlink()
        self.refuse_to_build("holds no library")
