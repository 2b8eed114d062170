"""UDP and echo through the stack: long datagrams, path MTU, ICMP errors, ping, and noise."""

import shutil
import unittest

import harness
import tapbox
import world
import world_tcp

HOSTS = ("198.51.100.10", "2001:db8:a::10")


class Datagrams(tapbox.TapboxTest):
    rules = (*HOSTS, world.NARROW_V4, world.NARROW_V6, world.NARROW_FAR_V4, world.NARROW_FAR_V6,
             world.UNREACHABLE_V4)

    def test_datagrams_of_every_length(self):
        for host in HOSTS:
            for size in (1452, 1472, 1473, 9000, 65507):
                with self.subTest(host=host, size=size):
                    outcome = self.client("udp", host, world_tcp.ECHO, "x" * size)
                    self.assertEqual(outcome.out.split()[0], "x" * size, outcome)

    def test_many_datagrams_arrive_whole_and_in_order(self):
        for host in HOSTS:
            with self.subTest(host=host):
                outcome = self.client("udp-many", host, world_tcp.ECHO, 2000)
                self.assertEqual(outcome.out, "2000 0\n", outcome)

    def test_the_hosts_mtu_is_told(self):
        """A route of the host's own, and a router on the way, which says so by ICMP."""
        for host in (world.NARROW_V4, world.NARROW_V6, world.NARROW_FAR_V4, world.NARROW_FAR_V6):
            with self.subTest(host=host):
                outcome = self.client("path-mtu", host, world_tcp.ECHO, 1400)
                self.assertEqual(outcome.out, f"EMSGSIZE {world.NARROW_MTU}\n", outcome)

    def test_who_does_not_mind_being_cut_gets_through_a_narrow_path(self):
        for host in (world.NARROW_V4, world.NARROW_V6):
            for size in (1400, 5000):
                with self.subTest(host=host, size=size):
                    outcome = self.client("udp-again", host, world_tcp.ECHO, size)
                    self.assertEqual(outcome.out, f"{size}\n", outcome)

    def test_errors_of_the_network_arrive_as_what_they_are(self):
        for host, port, expected in ((HOSTS[0], world_tcp.CLOSED, "3/3 ECONNREFUSED"),
                                     (HOSTS[1], world_tcp.CLOSED, "1/4 ECONNREFUSED"),
                                     (world.UNREACHABLE_V4, 7, "3/1 EHOSTUNREACH")):
            with self.subTest(host=host):
                outcome = self.client("icmp-error", host, port)
                self.assertEqual(outcome.out, f"{expected}\n", outcome)

    def test_a_refusal_arrives_as_prohibited(self):
        for host, expected, rule in (
                (world.UNNAMED_V4, "3/13 EHOSTUNREACH", f"udp/{world.UNNAMED_V4}:{world_tcp.ECHO}"),
                (world.UNNAMED_V6, "1/1 EACCES", f"'udp/[{world.UNNAMED_V6}]:{world_tcp.ECHO}'")):
            with self.subTest(host=host):
                outcome = self.client("icmp-error", host, world_tcp.ECHO)
                self.assertEqual(outcome.out, f"{expected}\n", outcome)
                self.one_verdict(outcome, "refused udp", f"--allow {rule}")

    def test_noise_on_the_link_is_no_refusal(self):
        outcome = self.client("shout", "224.0.0.251", "239.255.255.250", "255.255.255.255",
                              "ff02::fb%tap0")
        self.assertEqual(outcome.out, "4\n", outcome)
        self.assertEqual(outcome.verdicts(), [], outcome)


@harness.as_root_too
class Ping(tapbox.TapboxTest):
    rules = tuple(f"icmp/{host}" for host in (*HOSTS, world.UNREACHABLE_V4))

    def test_echo_of_both_families_and_many_sizes(self):
        for host in HOSTS:
            for size in (0, 56, 1472, 20000, 65507):
                with self.subTest(host=host, size=size):
                    outcome = self.client("ping", host, size, 3)
                    self.assertEqual(outcome.out, "3\n", outcome)

    def test_several_at_once(self):
        script = " ".join(f"python3 client.py ping {host} 100 20 &" for host in HOSTS * 3)
        outcome = self.tapbox_shell(f"{script} wait")
        self.assertEqual(outcome.out, "20\n" * 6, outcome)

    def test_another_address_is_refused(self):
        for host, error in (("198.51.100.11", "EHOSTUNREACH"), ("2001:db8:a::11", "EACCES")):
            with self.subTest(host=host):
                outcome = self.client("ping", host, 56, 1)
                self.assertEqual(outcome.out, f"{error}\n", outcome)
                self.one_verdict(outcome, f"icmp {host}", f"--allow icmp/{host}")

    def test_a_rule_without_icmp_does_not_allow_it(self):
        outcome = self.client("ping", HOSTS[0], 56, 1, rules=HOSTS)
        self.assertEqual(outcome.out, "EHOSTUNREACH\n", outcome)

    def test_an_unreachable_host_is_one(self):
        outcome = self.client("ping", world.UNREACHABLE_V4, 56, 1)
        self.assertEqual(outcome.out, "EHOSTUNREACH\n", outcome)

    @unittest.skipUnless(shutil.which("ping"), "ping(8) is not installed")
    def test_the_programs_of_the_distribution(self):
        for host in HOSTS:
            with self.subTest(host=host):
                outcome = self.tapbox("ping", "-n", "-c", "3", "-i", "0.2", "-s", "1000", host)
                self.assert_code(outcome, 0)
                self.assertIn("3 received", outcome.out, outcome)


class ForbiddenPing(tapbox.TapboxTest):
    # An ordinary user's world knows one group, and the setting cannot be taken back to none.
    needs_root = True
    rules = Ping.rules

    def test_where_the_host_does_not_permit_it_the_setting_is_named(self):
        with world.without_ping():
            for host, error in zip(HOSTS, ("EHOSTUNREACH", "EACCES")):
                with self.subTest(host=host):
                    outcome = self.client("ping", host, 56, 2)
                    self.assertEqual(outcome.out, f"{error}\n", outcome)
                    self.one_verdict(outcome, f"icmp {host}", "net.ipv4.ping_group_range")
