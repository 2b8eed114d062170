"""Whether this machine can show what the other tests check; fails with the reason when not."""

import os
import unittest

import harness


class Machine(unittest.TestCase):
    def _expect(self, need):
        self.assertEqual(harness.stage.problems.get(need, ""), "")

    def test_users_may_make_namespaces(self):
        self._expect("namespaces")

    def test_users_may_open_the_tun_device(self):
        self._expect("tun")

    def test_mini_sandbox_is_built(self):
        self._expect("mini-sandbox")

    def test_mini_tapbox_is_built(self):
        self._expect("mini-tapbox")

    def test_the_probe_is_built(self):
        self._expect("probe")

    def test_the_programs_that_the_tests_drive_are_there(self):
        missing = [path for path in ("/usr/bin/python3", "/usr/bin/curl", "/usr/bin/wget",
                                     "/usr/bin/git", "/usr/bin/dig", "/bin/busybox")
                   if not os.path.exists(path)]
        self.assertEqual(missing, [])
