#!/usr/bin/env python3
"""debian.py BUILD: the packages that `cpack -G DEB` makes of BUILD, read, installed and removed."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = None
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
# What the packages depend on, and whether several machines' may be there (Multi-Arch).
KNOWN = {"libc6": "same", "libc6-dev": "same", "python3": "allowed"}
BUSYBOX = "/bin/busybox"  # Debian's busybox-static
PROGRAMS, LIBRARY, DEVEL = "mini-sandbox", "libmini-sandbox1", "libmini-sandbox-dev"
MODULE = "python3-pyminisandbox"

CLIENT = r"""
#include <mini_sandbox.h>
#include <stdio.h>

int main(void) {
  if (mini_sandbox_setup_default() != 0 || mini_sandbox_start() != 0) {
    puts(mini_sandbox_get_last_error_msg());
    return 1;
  }
  printf("inside: %d\n", mini_sandbox_is_running());
  return 7;
}
"""


def run(*command, check=True, **more):
    done = subprocess.run([os.fspath(word) for word in command], capture_output=True, text=True,
                          timeout=120, check=False, stdin=subprocess.DEVNULL, **more)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


class PackagesTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.place = pathlib.Path(tempfile.mkdtemp(prefix="mini-sandbox-debian-", dir="/var/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.place)
        run("cpack", "-G", "DEB", "--config", f"{BUILD}/CPackConfig.cmake", "-B", cls.place / "made")
        cls.files = {}
        for file in (cls.place / "made").glob("*.deb"):
            cls.files[run("dpkg-deb", "--field", file, "Package").stdout.strip()] = file

    def field(self, package, name):
        return run("dpkg-deb", "--field", self.files[package], name).stdout.strip()

    def contents(self, package):
        """{path: (mode, owner, what a symlink leads to)}, directories left out."""
        found = {}
        for line in run("dpkg-deb", "--contents", self.files[package]).stdout.splitlines():
            mode, owner, _, _, _, name = line.split(maxsplit=5)
            name, _, target = name.partition(" -> ")
            if not mode.startswith("d"):
                found[name.lstrip(".")] = (mode, owner, target)
        return found


class Files(PackagesTest):
    def test_there_is_one_for_each_kind_of_user(self):
        self.assertEqual(set(self.files), {PROGRAMS, LIBRARY, DEVEL, MODULE})
        with open(os.path.join(BUILD, "CMakeCache.txt"), encoding="utf-8") as cache:
            version = re.search(r"^CMAKE_PROJECT_VERSION:\w+=(.*)$", cache.read(), re.M)[1]
        machine = run("dpkg", "--print-architecture").stdout.strip()
        for package, file in self.files.items():
            self.assertEqual(file.name, f"{package}_{version}-1_"
                                        f"{'all' if package == MODULE else machine}.deb")

    def test_together_they_hold_the_installed_tree_and_texts_of_their_own(self):
        prefix = self.place / "prefix"
        run("cmake", "--install", BUILD, "--prefix", prefix)
        installed = {"/usr/" + str(path.relative_to(prefix)) for path in prefix.rglob("*")
                     if not path.is_dir() and prefix / "python" not in path.parents}
        packed = [name for package in self.files for name in self.contents(package)]
        self.assertEqual(len(packed), len(set(packed)), "the same path in two packages")
        self.assertEqual(installed - set(packed), set())
        for name in set(packed) - installed:
            self.assertRegex(name, "^/usr/share/doc/|^/usr/lib/python3/dist-packages/")

    def test_each_file_is_in_the_package_of_who_needs_it(self):
        programs, library, devel = map(self.contents, (PROGRAMS, LIBRARY, DEVEL))
        for name in ("/usr/bin/mini-sandbox", "/usr/bin/mini-tapbox",
                     "/usr/share/man/man1/mini-tapbox.1", "/usr/share/man/man5/mini-tapbox-rules.5",
                     "/usr/share/bash-completion/completions/mini-sandbox"):
            self.assertIn(name, programs)
        self.assertIn("/usr/include/mini_sandbox.h", devel)
        for name in ("libmini-sandbox", "libmini-tapbox"):
            self.assertIn(f"/usr/lib/{name}.so.1", library)
            self.assertEqual(devel[f"/usr/lib/{name}.so"][2], f"{name}.so.1")
            self.assertIn(f"/usr/lib/{name}.a", devel)
            self.assertIn(f"/usr/lib/pkgconfig/{name}.pc", devel)
        package = REPOSITORY / "src/python/pyminisandbox"
        self.assertEqual(
            {name for name in self.contents(MODULE) if not name.startswith("/usr/share/doc/")},
            {f"/usr/lib/python3/dist-packages/pyminisandbox/{path.name}"
             for path in package.iterdir() if path.is_file()})

    def test_all_is_roots_and_nothing_is_writable_to_others_or_set_user_id(self):
        for package in self.files:
            for name, (mode, owner, _) in self.contents(package).items():
                self.assertEqual(owner, "root/root", name)
                if not mode.startswith("l"):
                    self.assertRegex(mode, "^-rw[-x]r-[-x]r-[-x]$", name)

    def test_the_programs_depend_on_nothing_and_the_library_on_the_c_library(self):
        self.assertEqual(self.field(PROGRAMS, "Depends"), "")
        self.assertRegex(self.field(LIBRARY, "Depends"), r"^libc6 \(>= 2\.\d+\)$")
        version = self.field(LIBRARY, "Version")
        self.assertEqual(self.field(DEVEL, "Depends"), f"{LIBRARY} (= {version}), libc6-dev")

    def test_who_links_with_the_library_learns_what_to_depend_on(self):
        control = run("dpkg-deb", "--info", self.files[LIBRARY], "shlibs").stdout
        for name in ("libmini-sandbox", "libmini-tapbox"):
            self.assertIn(f"{name} 1 {LIBRARY} (>= ", control)

    def test_each_says_what_it_is(self):
        for package in self.files:
            synopsis, *text = self.field(package, "Description").splitlines()
            self.assertRegex(synopsis, "^[a-z].{20,78}$")
            self.assertGreater(len(text), 0, package)
            for line in text:
                self.assertRegex(line, "^ .{1,79}$")
            self.assertRegex(self.field(package, "Maintainer"), "^[^<]+ <[^>]+@[^>]+>$")
            self.assertIn(self.field(package, "Section"), ("utils", "libs", "libdevel", "python"))

    def test_each_holds_the_copyright_texts_of_what_is_in_it(self):
        texts = {"glibc", "libstdc++", "lwIP", "c-ares", "libidn2", "libmnl", "nlohmann-json"}
        for package in self.files:
            documents = f"/usr/share/doc/{package}"
            found = self.contents(package)
            self.assertIn(f"{documents}/copyright", found)
            held = {os.path.basename(name) for name in found
                    if os.path.dirname(name) == f"{documents}/licenses"}
            self.assertLessEqual(texts if package != MODULE else set(), held, package)


class Installed(PackagesTest):
    """In a root of their own, with a database that knows of this machine's C library and Python only."""

    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(dir=self.place))
        database = self.root / "var/lib/dpkg"
        for directory in ("info", "updates", "triggers"):
            (database / directory).mkdir(parents=True)
        known = ""
        for package in KNOWN:
            known += run("dpkg-query", "--status", package).stdout + "\n"
        (database / "status").write_text(re.sub(r"(?m)^(Pre-)?(Depends|Conffiles):.*\n(^ .*\n)*", "",
                                                known), encoding="utf-8")
        machine = run("dpkg", "--print-architecture").stdout.strip()
        for package, kind in KNOWN.items():
            name = f"{package}:{machine}" if kind == "same" else package
            (database / f"info/{name}.list").write_text("", encoding="utf-8")
        # What the library's package runs there.
        for directory in ("bin", "sbin"):
            (self.root / directory).mkdir()
        shutil.copy(BUSYBOX, self.root / "bin/sh")
        loader_cache = self.root / "sbin/ldconfig"
        loader_cache.write_text("#!/bin/sh\necho made >>/var/loader-cache\n", encoding="utf-8")
        loader_cache.chmod(0o755)
        self.at_first = self.files_below()

    def dpkg(self, *words, check=True):
        # Not root, it may not give what it unpacks to root.
        as_root = [] if os.geteuid() == 0 else ["unshare", "--map-root-user"]
        return run(*as_root, "dpkg", "--root", self.root, "--log=/dev/null", *words, check=check,
                   env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"})

    def files_below(self):
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*")
                if (self.root / "var") not in path.parents and not path.is_dir()}

    def test_the_programs_run(self):
        self.dpkg("--install", self.files[PROGRAMS])
        for program in ("mini-sandbox", "mini-tapbox"):
            done = run(self.root / "usr/bin" / program, "-x", "--", "sh", "-c", "echo inside; exit 5",
                       check=False, cwd=self.root)
            self.assertEqual((done.returncode, done.stdout), (5, "inside\n"), done)

    def test_the_library_is_not_installed_for_development_alone(self):
        done = self.dpkg("--install", self.files[DEVEL], check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f"{DEVEL} depends on {LIBRARY}", done.stderr)

    def test_a_program_is_built_with_the_development_package_and_runs_with_the_library(self):
        self.dpkg("--install", self.files[LIBRARY], self.files[DEVEL])
        self.assertEqual((self.root / "var/loader-cache").read_text(), "made\n")
        flags = run("pkg-config", "--cflags", "--libs", "libmini-sandbox",
                    env={**os.environ, "PKG_CONFIG_LIBDIR": f"{self.root}/usr/lib/pkgconfig"})
        source, client = self.root / "client.c", self.root / "client"
        source.write_text(CLIENT, encoding="utf-8")
        run("cc", "-o", client, source, *flags.stdout.split())
        done = run(client, check=False, cwd=self.root,
                   env={**os.environ, "LD_LIBRARY_PATH": f"{self.root}/usr/lib"})
        self.assertEqual((done.returncode, done.stdout), (7, "inside: 1\n"), done)

    def test_the_module_finds_the_library(self):
        done = self.dpkg("--install", self.files[MODULE], check=False)
        self.assertIn(f"{MODULE} depends on {LIBRARY}", done.stderr)
        self.dpkg("--install", self.files[LIBRARY], self.files[MODULE])
        done = run("/usr/bin/python3", "-B", "-c", "import sys, pyminisandbox\n"
                   "done = pyminisandbox.Sandbox(mode='default').run(['sh', '-c', 'exit 5'])\n"
                   "print(pyminisandbox.__file__, done.returncode)", cwd=self.root,
                   env={**os.environ, "LD_LIBRARY_PATH": f"{self.root}/usr/lib",
                        "PYTHONPATH": f"{self.root}/usr/lib/python3/dist-packages"})
        self.assertRegex(done.stdout, f"^{self.root}/usr/lib/python3/.* 5\n$")

    def test_installed_again_they_replace_themselves_and_purged_they_leave_nothing(self):
        for _ in range(2):
            self.dpkg("--install", *self.files.values())
        self.assertIn("usr/bin/mini-tapbox", self.files_below())
        self.dpkg("--purge", *self.files)
        self.assertEqual(self.files_below(), self.at_first)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    BUILD = os.path.abspath(sys.argv[1])
    unittest.main(argv=sys.argv[:1])
