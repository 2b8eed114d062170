"""The static binaries in a root file system of nothing but themselves and busybox."""

import os
import pathlib
import shutil

import harness
import linux

BUSYBOX = "/bin/busybox"


class EmptyRoot(harness.SandboxTest):
    needs = ("namespaces", "mini-sandbox", "mini-tapbox")

    def setUp(self):
        super().setUp()
        self.root_dir = self.make_directory(self.scratch / "root")
        for name in ("mini-sandbox", "mini-tapbox"):
            shutil.copy(harness.stage.bin_dir / name, self.root_dir / name)
        shutil.copy(BUSYBOX, self.root_dir / "busybox")
        os.symlink("busybox", self.root_dir / "sh")

    def bare(self, *command):
        """Runs it with the directory as root file system, in namespaces of its own."""
        def enter():
            if os.geteuid() != 0:  # an ordinary user's chroot needs a user namespace
                linux.enter_user_namespace(0, 0)
            linux.unshare(linux.CLONE_NEWNS)
            os.chroot(self.root_dir)
            os.chdir("/")

        return harness.run_bounded(command, identity=harness.stage.user(), cwd=self.root_dir,
                                   env={"PATH": "/"}, before_exec=enter)

    def test_help_and_version(self):
        for name in ("mini-sandbox", "mini-tapbox"):
            for option in ("--help", "--version"):
                with self.subTest(program=name, option=option):
                    outcome = self.bare(f"/{name}", option)
                    self.assert_code(outcome, 0)
                    self.assertIn(name, outcome.out)

    def test_is_that_empty(self):
        outcome = self.bare("/busybox", "ls", "-A", "/")
        self.assertEqual(sorted(outcome.out.split()),
                         ["busybox", "mini-sandbox", "mini-tapbox", "sh"], outcome)

    def test_a_run_in_it(self):
        """With /proc, /dev and a place for the new root, which every machine has."""
        for name in ("dev", "proc", "tmp", "run", "place", "etc"):
            self.make_directory(self.root_dir / name)
        for device in ("null", "zero", "full", "random", "urandom", "tty"):
            self.make_file(self.root_dir / "dev" / device)

        def enter():
            linux.enter_user_namespace(self.identity.uid, self.identity.gid)
            linux.unshare(linux.CLONE_NEWNS)
            root = str(self.root_dir)
            # chroot(2) forbids new user namespaces, so this is a mount namespace with a new root.
            linux.mount(root, root, flags=linux.MS_BIND | linux.MS_REC)
            linux.mount("/proc", f"{root}/proc", flags=linux.MS_BIND | linux.MS_REC)
            for device in os.listdir(f"{root}/dev"):
                linux.mount(f"/dev/{device}", f"{root}/dev/{device}", flags=linux.MS_BIND)
            os.chdir(root)
            linux.pivot_root(".", ".")
            linux.umount_lazily(".")
            os.chdir("/place")

        outcome = harness.run_bounded(
            ["/mini-sandbox", "-x", "--", "/busybox", "sh", "-c",
             "/busybox echo works; /busybox touch here; /busybox touch /there"],
            identity=harness.stage.user(), cwd=self.root_dir, env={"PATH": "/"},
            before_exec=enter)
        self.assertEqual(outcome.out, "works\n", outcome)
        self.assertEqual(os.listdir(self.root_dir / "place"), ["here"])
        self.assertFalse(pathlib.Path(self.root_dir / "there").exists())
