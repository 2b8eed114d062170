#!/usr/bin/env python3
"""tree.py BUILD: what `cmake --install BUILD` leaves, and that each program is enough by itself."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = None
PROGRAMS = ("mini-sandbox", "mini-tapbox")
REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# The copyright text of each archive that is not ours, and a holder or a licence that it names.
TEXTS = {
    "libcares.a": ("c-ares", "Daniel Stenberg"),
    "libidn2.a": ("libidn2", "Simon Josefsson"),
    "liblwip.a": ("lwIP", "Swedish Institute of Computer Science"),
    "libmnl.a": ("libmnl", "Pablo Neira Ayuso"),
    "libunistring.a": ("libunistring", "Bruno Haible"),
}
# What the linker adds by itself, and what comes as headers only.
TEXTS_OF_THE_TOOLCHAIN = (("glibc", "LGPL"), ("libstdc++", "GCC Runtime Library Exception"),
                          ("nlohmann-json", "Niels Lohmann"))
BUSYBOX = "/bin/busybox"  # Debian's busybox-static

# Makes $1 the root of a mount namespace, with nothing in it but what the caller put there and what
# the kernel gives every process (/proc, /dev), and runs the rest there.
ENTER = r"""
set -e
root=$1
shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
for node in null zero full random urandom tty net/tun; do
  mount --bind "/dev/$node" "$root/dev/$node"
done
cd "$root"
pivot_root . .
exec /busybox sh -c '/busybox umount -l . && cd / && exec "$@"' sh "$@"
"""


class InstalledTree(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.prefix = tempfile.mkdtemp(prefix="mini-sandbox-tree-", dir="/var/tmp")
        cls.addClassCleanup(shutil.rmtree, cls.prefix)
        subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.prefix], check=True,
                       stdout=subprocess.DEVNULL)

    def bin(self, program):
        return os.path.join(self.prefix, "bin", program)

    def run_alone(self, *command):
        """Runs the command in a root that holds the programs, busybox and nothing else."""
        with tempfile.TemporaryDirectory(prefix="mini-sandbox-root-", dir="/var/tmp") as root:
            for directory in ("proc", "dev/net", "tmp"):
                os.makedirs(os.path.join(root, directory))
            for node in ("null", "zero", "full", "random", "urandom", "tty", "net/tun"):
                with open(os.path.join(root, "dev", node), "xb"):
                    pass
            for source in (BUSYBOX, *map(self.bin, PROGRAMS)):
                shutil.copy(source, root)
            unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
            if os.geteuid() != 0:
                unshare.insert(1, "--map-root-user")
            return subprocess.run([*unshare, "sh", "-c", ENTER, "sh", root, *command],
                                  capture_output=True, text=True, timeout=60, check=False,
                                  stdin=subprocess.DEVNULL,
                                  env={"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})

    def test_it_holds_both_programs(self):
        for program in PROGRAMS:
            self.assertTrue(os.access(self.bin(program), os.X_OK), program)
        self.assertEqual(sorted(os.listdir(os.path.join(self.prefix, "bin"))), sorted(PROGRAMS))

    def test_nothing_in_it_is_writable_to_others(self):
        for directory, names, files in os.walk(self.prefix):
            for name in names + files:
                path = os.path.join(directory, name)
                if not os.path.islink(path):  # whose mode means nothing (symlink(7))
                    self.assertFalse(os.lstat(path).st_mode & 0o022, path)

    def licenses(self):
        return os.path.join(self.prefix, "share/doc/mini-sandbox/licenses")

    def test_it_holds_our_license(self):
        with open(os.path.join(REPOSITORY, "LICENSE"), encoding="utf-8") as ours, \
                open(os.path.join(self.licenses(), "../LICENSE"), encoding="utf-8") as installed:
            self.assertEqual(installed.read(), ours.read())

    def test_it_holds_the_copyright_text_of_every_archive_in_the_programs(self):
        for program in PROGRAMS:
            steps = subprocess.run(["ninja", "-C", BUILD, "-t", "commands", program], check=True,
                                   capture_output=True, text=True).stdout
            archives = {os.path.basename(word) for word in steps.splitlines()[-1].split()
                        if word.endswith(".a")}
            foreign = {name for name in archives if not re.match("lib(mini|netstack)_|libnetstack.a",
                                                                 name)}
            self.assertIn("libmnl.a", foreign)  # the line was understood
            for name in sorted(foreign):
                self.assertIn(name, TEXTS, f"{program} is linked with {name}")

    def test_the_copyright_texts_are_those_of_what_they_are_named_for(self):
        for name, holder in [*TEXTS.values(), *TEXTS_OF_THE_TOOLCHAIN]:
            with open(os.path.join(self.licenses(), name), encoding="utf-8") as text:
                self.assertIn(holder, text.read(), name)

    def test_no_copyright_text_refers_to_a_licence_that_is_not_beside_it(self):
        found = 0
        for name, _ in [*TEXTS.values(), *TEXTS_OF_THE_TOOLCHAIN]:
            with open(os.path.join(self.licenses(), name), encoding="utf-8") as text:
                for licence in re.findall(r"/usr/share/common-licenses/([\w.-]*\w)", text.read()):
                    path = os.path.join(self.licenses(), "common-licenses", licence)
                    self.assertGreater(os.path.getsize(path), 1000, f"{name}: {licence}")
                    found += 1
        self.assertGreater(found, 0)

    def test_each_program_tells_its_version(self):
        with open(os.path.join(BUILD, "CMakeCache.txt"), encoding="utf-8") as cache:
            version = [line.strip().partition("=")[2] for line in cache
                       if line.startswith("CMAKE_PROJECT_VERSION:")]
        for program in PROGRAMS:
            told = subprocess.run([self.bin(program), "--version"], capture_output=True, text=True,
                                  check=True, timeout=60)
            self.assertEqual(told.stdout.split(), [program, *version])

    def test_an_empty_root_is_empty(self):
        # What the next tests rest on: no library, no configuration to fall back to.
        done = self.run_alone("/busybox", "ls", "/")
        self.assertEqual((done.returncode, done.stdout.split()),
                         (0, sorted(["busybox", "dev", "proc", "tmp", *PROGRAMS])), done.stderr)

    def test_each_program_runs_in_an_empty_root(self):
        for program in PROGRAMS:
            done = self.run_alone(f"/{program}", "-x", "--", "/busybox", "echo", "inside")
            self.assertEqual((done.returncode, done.stdout), (0, "inside\n"),
                             f"{program}: {done.stderr}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    BUILD = os.path.abspath(sys.argv[1])
    unittest.main(argv=sys.argv[:1])
