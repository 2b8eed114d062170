"""What pyproject.toml cannot say: the wheel is for this platform, but for every Python 3."""

import pathlib
import sys

import setuptools

try:
    from setuptools.command.bdist_wheel import bdist_wheel  # since setuptools 70.1
except ImportError:
    from wheel.bdist_wheel import bdist_wheel

LIBRARIES = list(pathlib.Path(__file__).parent.glob("pyminisandbox/libmini-*.so"))


class Distribution(setuptools.Distribution):
    def has_ext_modules(self):
        return True  # libraries of this platform, though none that setuptools builds


def machine(path):
    """Of an ELF file: its bytes e_machine (elf(5))."""
    with open(path, "rb") as file:
        return file.read(20)[18:]


class BdistWheel(bdist_wheel):
    def run(self):
        if not LIBRARIES:
            raise SystemExit("pyminisandbox/ holds no library: build from the tree that "
                             "`cmake --install` leaves (PREFIX/python)")
        for library in LIBRARIES:
            if machine(library) != machine(sys.executable):
                raise SystemExit(f"{library} is for another machine than this Python")
        super().run()

    def get_tag(self):
        # ctypes loads them: neither CPython's version nor its ABI matters.
        return "py3", "none", super().get_tag()[2]


setuptools.setup(distclass=Distribution, cmdclass={"bdist_wheel": BdistWheel})
