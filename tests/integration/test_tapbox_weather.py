"""What arrives is what was sent, over a path on the host's side that loses, repeats, delays and
reorders packets. tests/soak/run does the same for longer."""

import shutil

import harness
import impaired_link
import payload
import tapbox
import world_tcp

MEGABYTE = 1 << 20
FAR = (impaired_link.FAR_V4, impaired_link.FAR_V6)
PLACES = (impaired_link.FAR_V4, f"[{impaired_link.FAR_V6}]")


class Weather(tapbox.TapboxTest):
    rules = FAR

    def setUp(self):
        super().setUp()
        shutil.copy(tapbox.HERE / "client_protocols.py", self.work)
        self._link = impaired_link.ImpairedLink(impaired_link.Weather())
        self.addCleanup(self._close)

    def _close(self):
        if self._link:
            self._link.close()
        self._link = None

    def assert_it_was_bad(self, packets):
        """Else the test has shown nothing."""
        counters = self._link.close()
        self._link = None
        self.assertGreater(counters["passed"], packets, counters)
        for what in ("lost", "repeated", "overtaken"):
            self.assertGreater(counters[what], packets // 500, counters)

    def test_downloads_of_both_families(self):
        size = 2 * MEGABYTE
        outcome = self.tapbox_shell(
            "for h in $2 $3; do python3 client.py fetch http://$h/bytes/$1 & done; wait", str(size),
            *PLACES)
        self.assertEqual(outcome.lines(), [f"{size} {payload.sha256_of(size)}"] * 2, outcome)
        self.assert_it_was_bad(2000)

    def test_uploads_of_both_families(self):
        size = 2 * MEGABYTE
        outcome = self.tapbox_shell(
            f"for h in $2 $3; do python3 client.py half-close $h {world_tcp.HALF_CLOSE} $1 & done; "
            "wait", str(size), *FAR)
        expected = payload.sha256_of(size)
        self.assertEqual(outcome.lines(), [f"{expected} {expected}"] * 2, outcome)
        self.assert_it_was_bad(2000)

    def test_many_small_exchanges(self):
        outcome = self.client("echo-many", impaired_link.FAR_V4, world_tcp.ECHO, 50)
        self.assertEqual(outcome.out, "50\n", outcome)

    def test_datagrams_arrive_whole_or_not_at_all(self):
        count = 1500
        for host in FAR:
            with self.subTest(host=host):
                outcome = self.tapbox(harness.PYTHON, "client_protocols.py", "datagrams", host,
                                      str(world_tcp.ECHO), str(count))
                self.assert_code(outcome, 0)
                different, repeated, late, wrong = map(int, outcome.out.split())
                self.assertEqual(wrong, 0, outcome)
                # One in a hundred is lost on either way, and two in a hundred come twice.
                self.assertLess(different, count, outcome)
                self.assertGreater(different, count * 90 // 100, outcome)
                self.assertGreater(repeated, 0, outcome)
                self.assertGreater(late, 0, outcome)
        self.assert_it_was_bad(2 * count)
