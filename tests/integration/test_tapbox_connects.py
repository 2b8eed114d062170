"""What connect(2) of the host says is what connect(2) inside says."""

import contextlib
import subprocess

import tapbox
import world
import world_tcp

OPEN = ("198.51.100.10", "2001:db8:a::10")
# The host has no other use for these.
TARGET = {"-4": "203.0.113.140", "-6": "2001:db8:b::140"}


class ConnectErrors(tapbox.TapboxTest):
    rules = (*OPEN, *TARGET.values(), world.BLACKHOLE_V4, world.BLACKHOLE_V6, world.UNREACHABLE_V4)

    @contextlib.contextmanager
    def host_route(self, family, kind):
        route = [kind, f"{TARGET[family]}/{32 if family == '-4' else 128}"]
        subprocess.run(["ip", family, "route", "add", *route], check=True)
        try:
            yield
        finally:
            subprocess.run(["ip", family, "route", "del", *route], check=True)

    def assert_fails(self, host, port, expected, milliseconds=1000):
        outcome = self.client("connect", host, port)
        answer, took = outcome.out.split()
        self.assertEqual(answer, expected, outcome)
        self.assertLess(int(took), milliseconds, outcome)

    def test_nobody_listens(self):
        for host in OPEN:
            with self.subTest(host=host):
                self.assert_fails(host, world_tcp.CLOSED, "ECONNREFUSED")

    def test_the_hosts_routes(self):
        """IPv4 has no ICMP message that becomes EACCES (Linux, icmp_err_convert)."""
        for family, kind, expected in (("-4", "unreachable", "EHOSTUNREACH"),
                                       ("-4", "throw", "ENETUNREACH"),
                                       ("-4", "prohibit", "EHOSTUNREACH"),
                                       ("-6", "unreachable", "EHOSTUNREACH"),
                                       ("-6", "throw", "ENETUNREACH"),
                                       ("-6", "prohibit", "EACCES")):
            with self.subTest(family=family, kind=kind), self.host_route(family, kind):
                self.assert_fails(TARGET[family], 80, expected)

    def test_a_router_on_the_way_says_unreachable(self):
        self.assert_fails(world.UNREACHABLE_V4, 80, "EHOSTUNREACH")

    def test_nobody_answers(self):
        """As long as the kernel inside has patience, and no shorter."""
        for host in (world.BLACKHOLE_V4, world.BLACKHOLE_V6):
            with self.subTest(host=host):
                outcome = self.client("connect-impatiently", host, 80)
                answer, took = outcome.out.split()
                self.assertEqual(answer, "ETIMEDOUT", outcome)
                self.assertGreater(int(took), 1500, outcome)
                self.assertLess(int(took), 10_000, outcome)

    def test_what_failed_once_may_succeed_later(self):
        with self.host_route("-4", "unreachable"):
            self.assert_fails(TARGET["-4"], 80, "EHOSTUNREACH")
        outcome = self.client("connect", TARGET["-4"], 80)
        self.assertTrue(outcome.out.startswith("connected"), outcome)
