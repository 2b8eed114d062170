"""Invariants 2, 10 and 11: what mini-tapbox refuses, how fast, and what it says about it."""

import shlex

import harness
import host_services
import tapbox
import world

ALLOWED_V4, ALLOWED_V6 = "198.51.100.10", "2001:db8:a::10"


@harness.as_root_too
class Addresses(tapbox.TapboxTest):
    def test_an_unnamed_one_is_reset_at_once_and_reported_once(self):
        for address, bracketed in ((world.UNNAMED_V4, world.UNNAMED_V4),
                                   (world.UNNAMED_V6, f"[{world.UNNAMED_V6}]")):
            with self.subTest(address=address):
                outcome = self.client("connect", address, 80)
                self.assert_quickly_refused(outcome)
                self.one_verdict(outcome, f"tcp {bracketed}:80", "no rule", "--allow ", address)
                self.assertEqual(self.logged("http.log"), [])

    def test_the_remedy_pasted_into_a_shell_does_allow_it(self):
        for target, port in ((world.UNNAMED_V4, 80), (world.UNNAMED_V6, 80),
                             ("refused.example", 80), (world.HOST_V4, host_services.TCP_PORT)):
            with self.subTest(target=target):
                verdict = self.one_verdict(self.client("connect", target, port))
                _, option, remedy = verdict.partition("--allow ")
                rule = shlex.split(option + remedy)[1]
                outcome = self.client("connect", target, port, rules=(rule,))
                self.assertIn("connected", outcome.out, outcome)
                self.assertEqual(outcome.verdicts(), [])

    def test_rules_of_addresses_subnets_ports_and_protocols(self):
        v4, v6 = world.UNNAMED_V4, world.UNNAMED_V6
        cases = [  # rule, address, port, allowed
            (v4, v4, 80, True),
            (v4, "203.0.113.10", 80, False),
            (v6, v6, 80, True),
            (v6, "2001:db8:b::a", 80, False),
            ("203.0.113.0/28", "203.0.113.15", 80, True),
            ("203.0.113.0/28", "203.0.113.16", 80, False),
            ("2001:db8:b::/124", "2001:db8:b::f", 80, True),
            ("2001:db8:b::/124", "2001:db8:b::10", 80, False),
            (f"{v4}:8080", v4, 8080, True),
            (f"{v4}:8080", v4, 80, False),
            (f"{v4}:8000-8080", v4, 8080, True),
            (f"{v4}:8081-9000", v4, 8080, False),
            (f"[{v6}]:8080", v6, 8080, True),
            (f"[{v6}]:8080", v6, 80, False),
            (f"tcp/{v4}", v4, 80, True),
            (f"udp/{v4}", v4, 80, False),
            ("0.0.0.0/0", v4, 80, True),
            ("0.0.0.0/0", v6, 80, False),
            ("::/0", v6, 80, True),
        ]
        for rule, address, port, allowed in cases:
            with self.subTest(rule=rule, address=address, port=port):
                outcome = self.client("connect", address, port, rules=(rule,))
                if allowed:
                    self.assertIn("connected", outcome.out, outcome)
                    self.assertEqual(outcome.verdicts(), [])
                else:
                    self.assert_quickly_refused(outcome)

    def test_a_refusing_rule_beats_an_allowing_one(self):
        rules = ("203.0.113.0/24", f"!{world.UNNAMED_V4}")
        self.assertIn("connected", self.client("connect", "203.0.113.8", 80, rules=rules).out)
        self.assert_quickly_refused(self.client("connect", world.UNNAMED_V4, 80, rules=rules))

    def test_an_allowed_address_with_a_closed_port_stays_refused(self):
        outcome = self.client("connect", ALLOWED_V4, 7099, rules=(ALLOWED_V4,))
        self.assert_quickly_refused(outcome)
        self.assertEqual(outcome.verdicts(), [], "the network refused it, not the policy")

    def test_an_unreachable_one_stays_unreachable(self):
        outcome = self.client("connect", world.UNREACHABLE_V4, 80, rules=(world.UNREACHABLE_V4,))
        self.assertIn(outcome.out.split()[0], ("EHOSTUNREACH", "ENETUNREACH"), outcome)

    def test_one_that_never_answers_is_no_success(self):
        outcome = self.client("connect", world.BLACKHOLE_V4, 80, 2, rules=(world.BLACKHOLE_V4,))
        self.assertEqual(outcome.out.split()[0], "timeout", outcome)

    def test_ten_thousand_refused_ones_are_refused_and_reported_once(self):
        outcome = self.client("refused-many", world.UNNAMED_V4, 80, 10_000)
        refused, slowest = outcome.out.split()
        self.assertEqual(refused, "10000", outcome)
        self.assertLess(int(slowest), 1000)
        self.one_verdict(outcome)

    def test_connections_beyond_the_number_are_refused(self):
        script = ("import socket\n"
                  "kept = [socket.socket() for _ in range(4)]\n"
                  f"print([s.connect_ex(('{world.UNNAMED_V4}', 80)) for s in kept][:3])\n"
                  "kept[0].close()\n")
        outcome = self.sandbox("python3", "-c", script, options=(
            *self.allowing(world.UNNAMED_V4), "--max-connections", "2"))
        self.assertEqual(outcome.out, "[0, 0, 111]\n", outcome)
        notices = [line for line in outcome.err.splitlines() if "too many TCP" in line]
        self.assertEqual(len(notices), 1, outcome)
        self.assertTrue(notices[0].endswith("; to allow more: --max-connections 4"), outcome)
        self.assertEqual(outcome.verdicts(), [
            f"mini-tapbox: refused 2 tcp flows, the first to {world.UNNAMED_V4}:80: too many "
            "connections at once; to allow more: --max-connections 4"])

    def test_datagrams(self):
        allowed = self.client("udp", world.UNNAMED_V4, 7007, rules=(f"udp/{world.UNNAMED_V4}",))
        self.assertEqual(allowed.out.split()[0], "hello", allowed)
        refused = self.client("udp", world.UNNAMED_V4, 7007, rules=(f"tcp/{world.UNNAMED_V4}",))
        answer, took = refused.out.split()
        self.assertIn(answer, ("EHOSTUNREACH", "ECONNREFUSED", "EACCES", "ENETUNREACH"), refused)
        self.assertLess(int(took), 1000)
        self.one_verdict(refused, f"udp {world.UNNAMED_V4}:7007", "--allow")


@harness.as_root_too
class Protected(tapbox.TapboxTest):
    """Invariant 10, at the address, at the name and behind the stack's back."""

    NAMES = ("loopback.example", "metadata.example", "linklocal6.example", "unspecified.example",
             "multicast.example", "mapped.example", "nat64.example", "cgnat.example",
             "hostself.example")
    ADDRESSES = ("127.0.0.2", "169.254.169.254", "100.64.0.9", "0.0.0.0", world.HOST_V4,
                 world.HOST_V6, "::ffff:192.0.2.2")

    def test_names_that_lead_to_protected_addresses_lead_nowhere(self):
        outcome = self.client("resolve", *self.NAMES, rules=self.NAMES)
        for name, line in zip(self.NAMES, outcome.lines()):
            self.assertRegex(line, f"^{name} gaierror", outcome)

    def test_a_mixed_answer_keeps_its_good_part(self):
        outcome = self.client("resolve", "mixed.example", rules=("mixed.example",))
        self.assertEqual(outcome.out, "mixed.example 198.51.100.50\n", outcome)

    def test_rebinding_to_loopback_is_refused(self):
        script = ("for i in 1 2 3; do python3 client.py resolve rebind.example; "
                  "python3 client.py connect rebind.example 80; sleep 0.1; done")
        outcome = self.tapbox_shell(script, rules=("rebind.example",))
        self.assertNotIn("127.0.0.1", outcome.out, outcome)

    def test_the_open_mode_reaches_public_addresses_and_not_protected_ones(self):
        ports = [f"{address} {port}" for address in self.ADDRESSES + ("10.66.0.5",)
                 for port in (80, host_services.TCP_PORT)]
        script = "".join(f"python3 client.py connect {target} 2;" for target in ports)
        outcome = self.tapbox_shell(script, rules=())
        # 127/8 and 0.0.0.0 are the sandbox's own loopback: nobody listens there.
        self.assertNotIn("connected", outcome.out, outcome)
        self.assertEqual(len(outcome.lines()), len(ports), outcome)
        public = self.client("connect", ALLOWED_V4, 80, rules=())
        self.assertIn("connected", public.out, public)
        self.assertEqual(len(public.err.splitlines()), 1, "one line says that the network is open")

    def test_an_address_rule_opens_the_hosts_own_address(self):
        outcome = self.client("connect", world.HOST_V4, host_services.TCP_PORT,
                              rules=(world.HOST_V4,))
        self.assertIn("connected", outcome.out, outcome)

    def test_the_hosts_own_address_is_refused_without_one(self):
        for rules in (("allowed.example",), ("hostself.example",), ()):
            with self.subTest(rules=rules):
                self.assert_quickly_refused(self.client(
                    "connect", world.HOST_V4, host_services.TCP_PORT, rules=rules))

    def test_what_is_the_hosts_own_by_a_route_alone_is_refused_like_its_addresses(self):
        for address, subnet in (("203.0.113.77", "203.0.113.0/24"),
                                ("2001:db8:b::77", "2001:db8:b::/64")):
            with self.subTest(address=address), world.local_to_the_host(address):
                for rules in ((subnet,), ()):
                    self.assert_quickly_refused(self.client(
                        "connect", address, host_services.TCP_PORT, rules=rules))
                named = self.client("connect", address, host_services.TCP_PORT, rules=(address,))
                self.assertIn("connected", named.out, named)

    def test_a_name_rule_may_lead_into_a_private_range_and_a_wildcard_may_not(self):
        by_name = self.client("connect", "private.example", 80, rules=("private.example",))
        self.assertIn("connected", by_name.out, by_name)
        by_wildcard = self.client("connect", "private.wild.example", 80, rules=("*.wild.example",))
        self.assertNotIn("connected", by_wildcard.out, by_wildcard)
        covered = self.client("connect", "private.wild.example", 80,
                              rules=("*.wild.example", "10.66.0.0/16"))
        self.assertIn("connected", covered.out, covered)


@harness.as_root_too
class Names(tapbox.TapboxTest):
    def test_an_unnamed_one_is_refused_at_once_and_reported_once(self):
        outcome = self.tapbox_shell("getent ahosts refused.example; getent ahosts refused.example; "
                                    "curl -sS http://refused.example/")
        self.assertLess(outcome.seconds, 2, outcome)
        self.one_verdict(outcome, "name refused.example, ", " times: no rule", "--allow refused.example")
        self.assertEqual(self.names_asked_upstream(), set())

    def test_rules_of_names_and_wildcards(self):
        cases = [  # rule, name, allowed
            ("allowed.example", "allowed.example", True),
            ("ALLOWED.example.", "allowed.EXAMPLE", True),
            ("allowed.example", "www.allowed.example", False),
            ("example", "allowed.example", False),
            ("*.wild.example", "a.wild.example", True),
            ("*.wild.example", "b.a.wild.example", True),
            ("*.wild.example", "wild.example", False),
            ("*.wild.example", "notwild.example", False),
        ]
        for rule, name, allowed in cases:
            with self.subTest(rule=rule, name=name):
                outcome = self.client("connect", name, 80, rules=(rule,))
                self.assertEqual("connected" in outcome.out, allowed, outcome)
                self.assertEqual(len(outcome.verdicts()), 0 if allowed else 1, outcome)

    def test_a_port_of_a_name_rule_counts(self):
        rules = ("allowed.example:8080",)
        self.assertIn("connected", self.client("connect", "allowed.example", 8080, rules=rules).out)
        self.assert_quickly_refused(self.client("connect", ALLOWED_V4, 80, rules=rules))
        refused = self.client("connect", "allowed.example", 80, rules=rules)
        self.assert_quickly_refused(refused)
        self.assertIn("allowed.example", "".join(refused.verdicts()))

    def test_its_addresses_are_open_only_once_it_was_asked_for(self):
        self.assert_quickly_refused(self.client("connect", ALLOWED_V4, 80))
        outcome = self.tapbox_shell(f"python3 client.py resolve allowed.example; "
                                    f"python3 client.py connect {ALLOWED_V4} 80; "
                                    f"python3 client.py connect {ALLOWED_V6} 80")
        self.assertEqual(outcome.out.count("connected"), 2, outcome)

    def test_a_refusing_rule_beats_the_wildcard(self):
        rules = ("*.wild.example", "!secret.wild.example")
        outcome = self.client("resolve", "a.wild.example", "secret.wild.example", rules=rules)
        self.assertIn("198.51.100.40", outcome.lines()[0], outcome)
        self.assertIn("gaierror", outcome.lines()[1], outcome)
        self.assertNotIn("secret.wild.example", self.names_asked_upstream())
