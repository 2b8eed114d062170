#!/usr/bin/env python3
"""library.py BUILD: the libraries that `cmake --install BUILD` leaves, as programs find and use them."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import hardening

BUILD = None
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

CLIENT = r"""
#include <HEADER>
#include <stdio.h>

int main(void) {
  printf("outside\n");
  if (mini_sandbox_setup_default() != 0 || mini_sandbox_start() != 0) {
    printf("%s\n", mini_sandbox_get_last_error_msg());
    return 1;
  }
  printf("inside: %d\n", mini_sandbox_is_running());
  return 7;
}
"""

PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES C CXX)
find_package(mini_sandbox REQUIRED)
foreach(kind IN ITEMS mini_sandbox mini_sandbox_static mini_tapbox mini_tapbox_static)
  add_executable(with_${kind} client.c)
  target_link_libraries(with_${kind} PRIVATE mini_sandbox::${kind})
endforeach()
"""


def run(*command, check=True, **more):
    done = subprocess.run([os.fspath(word) for word in command], capture_output=True, text=True,
                          timeout=120, check=False, stdin=subprocess.DEVNULL, **more)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


# Who has the stack's functions has not the host's network, and the other way round.
NOT_IN = {"libmini-sandbox": r"_allow_", "libmini-tapbox": r"_share_network$"}


def declared(library):
    """The functions of the header that are that library's."""
    header = (REPOSITORY / "src/include/mini_sandbox.h").read_text(encoding="utf-8")
    functions = re.findall(r"^MINI_SANDBOX_API [\w\s*]*?\b(mini_sandbox_\w+)\(", header, re.M)
    return {name for name in functions if not re.search(NOT_IN[library], name)}


class LibraryTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.place = pathlib.Path(tempfile.mkdtemp(prefix="mini-sandbox-library-", dir="/var/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.place)
        cls.prefix = cls.place / "moved"
        run("cmake", "--install", BUILD, "--prefix", cls.place / "prefix")
        # What names the place where it was installed would be found out.
        (cls.place / "prefix").rename(cls.prefix)
        cls.library = cls.prefix / "lib"

    def setUp(self):
        self.work = pathlib.Path(tempfile.mkdtemp(dir=self.place))
        self.source = self.work / "client.c"
        self.source.write_text(CLIENT.replace("HEADER", "mini_sandbox.h"), encoding="utf-8")

    def assert_runs(self, program):
        done = run(program, check=False, cwd=self.work, env={**os.environ,
                                                           "LD_LIBRARY_PATH": str(self.library)})
        self.assertEqual((done.returncode, done.stdout), (7, "outside\ninside: 1\n"), done)


class Files:
    """Of one library."""

    def file(self, suffix):
        return self.library / f"{self.name}{suffix}"

    def test_the_shared_library_exports_the_header_and_nothing_else(self):
        listed = run("nm", "-D", "--defined-only", self.file(".so")).stdout
        found = {line.split()[2] for line in listed.splitlines()} - {"MINI_SANDBOX_1"}
        self.assertEqual(found, {f"{name}@@MINI_SANDBOX_1" for name in declared(self.name)})
        self.assertGreater(len(found), 10)

    def test_the_archive_defines_the_header_and_nothing_else(self):
        listed = run("nm", "-g", "--defined-only", self.file(".a")).stdout
        found = {line.split()[2] for line in listed.splitlines() if len(line.split()) == 3}
        self.assertEqual(found, declared(self.name))

    def test_the_shared_library_needs_the_c_library_only(self):
        dynamic = run("readelf", "-dW", self.file(".so")).stdout
        self.assertEqual(re.findall(r"SONAME.*\[(.*)\]", dynamic), [f"{self.name}.so.1"])
        needed = {name.partition(".so")[0] for name in re.findall(r"NEEDED.*\[(.*)\]", dynamic)}
        self.assertLessEqual(needed, {"libc", "libm", "ld-linux-x86-64"})

    def test_the_shared_library_is_hardened(self):
        self.assertRegex(run("readelf", "-dW", self.file(".so")).stdout, r"FLAGS.*NOW")
        segments = run("readelf", "-lW", self.file(".so")).stdout
        self.assertIn("GNU_RELRO", segments)
        self.assertRegex(segments, r"GNU_STACK.* RW  ")
        self.assertNotIn("RWE", segments)

    def test_the_network_stack_is_in_the_program_that_it_carries_if_anywhere(self):
        built = pathlib.Path(BUILD, "src/capi")
        self.assertEqual(hardening.stack_symbols(built / f"{self.name}.so"), [])
        carried = hardening.stack_symbols(built / f"{self.name.removeprefix('lib')}-supervisor")
        if self.name == "libmini-tapbox":
            self.assertGreater(len(carried), 100)
        else:
            self.assertEqual(carried, [])


class FilesOfLibminiSandbox(Files, LibraryTest):
    name = "libmini-sandbox"


class FilesOfLibminiTapbox(Files, LibraryTest):
    name = "libmini-tapbox"


class Programs:
    """With one library."""

    def pkg_config(self, *options):
        done = run("pkg-config", *options, self.name,
                   env={**os.environ, "PKG_CONFIG_PATH": str(self.library / "pkgconfig")})
        return done.stdout.split()

    def test_in_c99_with_pkg_config(self):
        run("cc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o", self.work / "client",
            self.source, *self.pkg_config("--cflags", "--libs"))
        self.assert_runs(self.work / "client")

    def test_wholly_static_with_pkg_config(self):
        run("cc", "-static", "-o", self.work / "client", self.source,
            *self.pkg_config("--static", "--cflags", "--libs"))
        self.assert_runs(self.work / "client")

    def test_in_cxx_with_the_archive_by_name(self):
        run("c++", "-x", "c++", "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
            f"-I{self.prefix}/include", self.source, "-x", "none",
            self.library / f"{self.name}.a", "-lpthread", "-o", self.work / "client")
        self.assert_runs(self.work / "client")

    def test_under_address_sanitizer_without_a_leak(self):
        run("cc", "-g", "-fsanitize=address", f"-I{self.prefix}/include", self.source,
            self.library / f"{self.name}.a", "-lstdc++", "-lpthread", "-o", self.work / "client")
        self.assert_runs(self.work / "client")

    def test_in_c_with_the_archive_by_name_and_the_old_header(self):
        self.source.write_text(CLIENT.replace("HEADER", "linux-sandbox-api.h"), encoding="utf-8")
        run("cc", f"-I{self.prefix}/include", self.source, self.library / f"{self.name}.a",
            "-lstdc++", "-lpthread", "-o", self.work / "client")
        self.assert_runs(self.work / "client")

    def test_that_call_what_is_the_other_librarys_do_not_link(self):
        for call, library in (("mini_sandbox_share_network()", "libmini-sandbox"),
                              ("mini_sandbox_allow_all_domains()", "libmini-tapbox")):
            self.source.write_text(f"#include <mini_sandbox.h>\nint main(void) {{ return {call}; }}\n",
                                   encoding="utf-8")
            done = run("cc", "-o", self.work / "client", self.source,
                       *self.pkg_config("--cflags", "--libs"), check=False)
            self.assertEqual(done.returncode == 0, library == self.name, done)


class ProgramsWithLibminiSandbox(Programs, LibraryTest):
    name = "libmini-sandbox"


class ProgramsWithLibminiTapbox(Programs, LibraryTest):
    name = "libmini-tapbox"


class Projects(LibraryTest):
    def test_find_both_by_find_package(self):
        (self.work / "CMakeLists.txt").write_text(PROJECT, encoding="utf-8")
        run("cmake", "-S", self.work, "-B", self.work / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("cmake", "--build", self.work / "build")
        for kind in ("mini_sandbox", "mini_sandbox_static", "mini_tapbox", "mini_tapbox_static"):
            self.assert_runs(self.work / "build" / f"with_{kind}")


class Examples(LibraryTest):
    """Of docs/capi.md: each program is followed by what it prints."""

    def test_print_what_the_document_says(self):
        text = (REPOSITORY / "docs/capi.md").read_text(encoding="utf-8")
        blocks = re.findall(r"^```(c|text)\n(.*?)^```$", text, re.M | re.S)
        self.assertEqual([kind for kind, _ in blocks], ["c", "text"] * (len(blocks) // 2))
        self.assertGreaterEqual(len(blocks), 6)
        for (_, program), (_, expected) in zip(blocks[::2], blocks[1::2]):
            self.source.write_text(program, encoding="utf-8")
            has_stack = "_allow_" in program
            library = "libmini-tapbox.a" if has_stack else "libmini-sandbox.a"
            run("cc", "-std=c99", "-Wall", "-Wextra", f"-I{self.prefix}/include", self.source,
                self.library / library, "-lstdc++", "-lpthread", "-o", self.work / "example")
            as_user = []
            if os.geteuid() == 0:
                # Root's /usr is an overlay; the document speaks of ordinary users. Not every
                # machine lets those make a TAP device.
                user = 0 if has_stack else 65534
                os.chown(self.work, user, user)
                self.place.chmod(0o755)
                as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
            done = run(*as_user, self.work / "example", check=False, cwd=self.work)
            self.assertEqual(done.stdout, expected, done)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    BUILD = os.path.abspath(sys.argv[1])
    unittest.main(argv=sys.argv[:1])
