"""DNS as policy: what the sandbox is told, and what the host's resolver gets to see."""

import re
import struct
import subprocess

import harness
import tapbox
import world


def query(name, qtype, ident=0x1234, flags=0x0100, additional=b""):
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split(".") if label)
    return struct.pack("!HHHHHH", ident, flags, 1, 0, 0, 1 if additional else 0) + labels + \
        b"\0" + struct.pack("!HH", qtype, 1) + additional


@harness.as_root_too
class Answers(tapbox.TapboxTest):
    def dig(self, *arguments, rules=("allowed.example",)):
        outcome = self.tapbox("dig", "+tries=1", "+time=5", *arguments, rules=rules)
        self.assertEqual(outcome.code, 0, outcome)
        return outcome

    def status(self, outcome):
        return re.search(r"status: (\w+)", outcome.out).group(1)

    def test_addresses_of_both_families_by_udp_and_tcp(self):
        for transport in ("+notcp", "+tcp"):
            for qtype, address in (("A", "198.51.100.10"), ("AAAA", "2001:db8:a::10")):
                with self.subTest(transport=transport, qtype=qtype):
                    outcome = self.dig("+short", transport, "allowed.example", qtype)
                    self.assertEqual(outcome.out.split(), [address], outcome)

    def test_by_getent_and_python(self):
        outcome = self.tapbox_shell("getent ahostsv4 allowed.example; "
                                    "getent ahostsv6 allowed.example; "
                                    "python3 client.py resolve allowed.example")
        self.assertIn("198.51.100.10", outcome.lines()[0], outcome)
        self.assertEqual(outcome.lines()[-1], "allowed.example 198.51.100.10 2001:db8:a::10")

    def test_a_refused_name_is_answered_REFUSED_and_never_sent_upstream(self):
        outcome = self.dig("refused.example", "A")
        self.assertEqual(self.status(outcome), "REFUSED", outcome)
        self.one_verdict(outcome, "refused.example")
        self.assertEqual(self.logged("dns.log"), [])

    def test_every_server_address_is_the_policy(self):
        for server in (world.DNS_V4, world.DNS_V6, world.OTHER_DNS_V4, world.UNNAMED_V4):
            for transport in ("+notcp", "+tcp"):
                with self.subTest(server=server, transport=transport):
                    outcome = self.dig(f"@{server}", transport, "refused.example", "A")
                    self.assertEqual(self.status(outcome), "REFUSED", outcome)
                    outcome = self.dig(f"@{server}", transport, "+short", "allowed.example", "A")
                    self.assertEqual(outcome.out.split(), ["198.51.100.10"], outcome)
        self.assertEqual(self.names_asked_upstream(), {"allowed.example"})
        self.assertEqual([line for line in self.logged("dns.log")
                          if line.startswith(world.OTHER_DNS_V4)], [])

    def test_the_resolver_itself_is_open_for_nothing_else(self):
        outcome = self.client("connect", world.DNS_V4, 80)
        self.assert_quickly_refused(outcome)

    def test_NXDOMAIN_SERVFAIL_and_empty_answers_are_passed_on(self):
        for name, qtype, status in (("nx.example", "A", "NXDOMAIN"),
                                    ("servfail.example", "A", "SERVFAIL"),
                                    ("v4only.example", "AAAA", "NOERROR"),
                                    ("v6only.example", "A", "NOERROR")):
            with self.subTest(name=name):
                outcome = self.dig(name, qtype, rules=(name,))
                self.assertEqual(self.status(outcome), status, outcome)
                self.assertIn("ANSWER: 0", outcome.out)

    def test_CNAMEs_are_followed_inside_one_answer(self):
        outcome = self.dig("+short", "alias.example", "A", rules=("alias.example",))
        self.assertIn("198.51.100.10", outcome.out.split(), outcome)
        outcome = self.client("connect", "alias-out.example", 80, rules=("alias-out.example",))
        self.assertIn("connected", outcome.out, outcome)
        self.assertEqual(self.names_asked_upstream(), {"alias.example", "alias-out.example"})

    def test_a_loop_of_CNAMEs_ends(self):
        outcome = self.dig("loop.example", "A", rules=("loop.example",))
        self.assertIn(self.status(outcome), ("SERVFAIL", "NOERROR"), outcome)
        self.assertNotIn(" IN A ", outcome.out)

    def test_truncated_answers_of_the_resolver_are_asked_for_again_by_tcp(self):
        outcome = self.dig("+short", "+tcp", "truncated.example", "A",
                           rules=("truncated.example",))
        self.assertEqual(len(outcome.out.split()), 30, outcome)

    def test_a_large_answer_fits_the_client_or_is_marked_truncated(self):
        outcome = self.dig("+noedns", "+ignore", "+notcp", "truncated.example", "A",
                           rules=("truncated.example",))
        self.assertRegex(outcome.out, r"flags:[^;]* tc[ ;]", outcome)
        size = int(re.search(r"MSG SIZE\s+rcvd: (\d+)", outcome.out).group(1))
        self.assertLessEqual(size, 512)  # RFC 1035, 4.2.1
        outcome = self.dig("+noedns", "+short", "truncated.example", "A",
                           rules=("truncated.example",))
        self.assertEqual(len(outcome.out.split()), 30, outcome)

    def test_a_slow_resolver_is_waited_for(self):
        outcome = self.dig("+short", "slow.example", "A", rules=("slow.example",))
        self.assertEqual(outcome.out.split(), ["198.51.100.12"], outcome)

    def test_a_silent_resolver_is_SERVFAIL_and_blocks_nobody(self):
        script = ("dig +tries=1 +time=15 silent.example A & "
                  "dig +tries=1 +time=1 +short allowed.example A; wait")
        outcome = self.tapbox_shell(script, rules=("silent.example", "allowed.example"))
        self.assertEqual(outcome.lines()[0], "198.51.100.10", outcome)
        self.assertIn("SERVFAIL", outcome.out, outcome)

    def test_ANY_and_HTTPS_are_empty(self):
        for qtype in ("ANY", "TYPE65", "TYPE64"):
            with self.subTest(qtype=qtype):
                outcome = self.dig("+tcp", "allowed.example", qtype)
                self.assertIn(self.status(outcome), ("NOERROR", "NOTIMP"), outcome)
                self.assertIn("ANSWER: 0", outcome.out)

    def test_upstream_sees_no_option_and_no_case_of_the_client(self):
        self.dig("+short", "+subnet=192.0.2.0/24", "AlLoWeD.ExAmPlE", "A")
        self.assertEqual({line.split()[-1] for line in self.logged("dns.log")},
                         {"allowed.example."})

    def test_the_clients_spelling_comes_back(self):
        outcome = self.dig("AlLoWeD.ExAmPlE", "A")
        self.assertRegex(outcome.out, r"AlLoWeD\.ExAmPlE\.\s+IN\s+A", outcome)

    def test_the_TTL_is_no_longer_than_the_pin(self):
        outcome = self.dig("+noall", "+answer", "allowed.example", "A")
        self.assertLessEqual(int(outcome.out.split()[1]), 3600, outcome)
        self.assertGreater(int(outcome.out.split()[1]), 0, outcome)


@harness.as_root_too
class HostileMessages(tapbox.TapboxTest):
    """None of them is answered with an address or harms the stack."""

    def test_what_is_no_query(self):
        messages = {
            "empty header": bytes(12),
            "one byte": b"\1",
            "eleven bytes": bytes(11),
            "a response": query("allowed.example", 1, flags=0x8180),
            "name runs out": query("allowed.example", 1)[:20],
            "label of 63 beyond the end": bytes.fromhex("123401000001000000000000") + b"\x3f" + b"a",
            "compression loop": bytes.fromhex("123401000001000000000000c00c00010001"),
            "compression forward": bytes.fromhex("123401000001000000000000c0ff00010001"),
            "many questions": struct.pack("!HHHHHH", 1, 0x100, 65535, 65535, 65535, 65535),
            "other class": query("allowed.example", 1)[:-1] + b"\3",
            "opcode update": query("allowed.example", 1, flags=0x2900),
            "longest name": query(".".join(["a" * 63] * 4), 1),
            "zeroes": bytes(4000),
            "NUL in a label": query("allowed.example", 1).replace(b"allowed", b"allow\0d"),
            "dot in a label": query("allowed.example", 1).replace(b"\7allowed\7example",
                                                                  b"\x0fallowed.example"),
        }
        script = "".join(f"python3 client.py raw-dns {server} {transport} {message.hex()};"
                         for message in messages.values()
                         for server, transport in (("192.0.2.53", "tcp"),))
        script += "dig +tries=1 +time=5 +short allowed.example A"
        outcome = self.tapbox_shell(script, timeout=29)
        *answers, last = outcome.lines()
        self.assertEqual(last, "198.51.100.10", outcome)
        for name, answer in zip(messages, answers):
            with self.subTest(message=name):
                # 198.51.100.10
                self.assertNotIn("c633640a", answer)

    def test_many_queries_at_once(self):
        outcome = self.tapbox_shell(
            "for i in $(seq 3000); do echo host$((i % 100)).wild.example A; done > names; "
            "dig +tries=2 +time=5 +short -f names | sort | uniq -c", rules=("*.wild.example",))
        self.assertEqual(outcome.out.split(), ["3000", "198.51.100.40"], outcome)

    def test_a_wildcard_is_no_channel_for_data(self):
        """Names below it reach the domain's owner, so their number and length are limited."""
        outcome = self.tapbox_shell(
            "for i in $(seq 3000); do echo data$i.wild.example A; done > names; "
            "dig +tries=1 +time=5 +short -f names >/dev/null; "
            "dig +tries=1 +time=5 $(printf '%060d' 0).$(printf '%060d' 0).$(printf '%060d' 0)"
            ".wild.example | grep -o REFUSED", rules=("*.wild.example",))
        self.assertEqual(outcome.out, "REFUSED\n", outcome)
        self.assertLess(len(self.names_asked_upstream()), 1000)

    def test_a_flood_of_refused_names_costs_no_memory(self):
        flood = ("for i in $(seq 20000); do echo $0data$i.refused.example A; done > names; "
                 "dig +tries=1 +time=5 -f names | grep -c 'status: REFUSED'; ")
        process = self.start_sandbox("sh", "-c", flood + "read x; " + flood.replace("$0", "b") +
                                     "read x", "a", options=self.allowing(*self.rules),
                                     stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.assertEqual(process.stdout.readline(), b"20000\n")
        before = harness.resident_memory(tapbox.stack_of(process))
        process.stdin.write(b"\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), b"20000\n")
        self.assertLess(harness.resident_memory(tapbox.stack_of(process)) - before, 1 << 20)
        process.stdin.close()
        self.assertEqual(process.wait(5), 1)  # `read` at the end of its input
