"""DNS as policy: what the sandbox is told, and what the host's resolver gets to see."""

import contextlib
import functools
import pathlib
import re
import shutil
import struct
import subprocess

import harness
import tapbox
import world
import world_dns


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

    def test_a_chain_of_more_than_eight_CNAMEs_is_a_failure(self):
        outcome = self.dig("chain2.example", "A", rules=("chain2.example",))
        self.assertIn("198.51.100.14", outcome.out, outcome)
        outcome = self.dig("long-chain.example", "A", rules=("long-chain.example",))
        self.assertEqual(self.status(outcome), "SERVFAIL", outcome)

    def test_names_of_addresses_are_those_that_led_there(self):
        outcome = self.tapbox_shell("dig +tries=1 +short -x 198.51.100.10; "
                                    "dig +tries=1 +short allowed.example A allowed.example AAAA >&2; "
                                    "dig +tries=1 +short -x 198.51.100.10; "
                                    "getent hosts 2001:db8:a::10")
        by_dig, by_getent = outcome.lines()
        self.assertEqual(by_dig, "allowed.example.", outcome)
        self.assertEqual(by_getent.split(), ["2001:db8:a::10", "allowed.example"], outcome)
        self.assertEqual([line for line in self.logged("dns.log") if "PTR" in line], [])

    def test_negative_answers_can_be_remembered_and_refusals_not(self):
        outcome = self.dig("nx.example", "A", rules=("nx.example",))
        self.assertRegex(outcome.out, r"example\.\s+\d+\s+IN\s+SOA", outcome)
        outcome = self.dig("+noedns", "refused.example", "A")
        self.assertEqual(self.status(outcome), "NXDOMAIN", outcome)
        self.assertNotIn("SOA", outcome.out)

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


class ClientTest(tapbox.TapboxTest):
    """Clients that are written for the purpose, and a host whose resolver files a test changes."""

    def setUp(self):
        super().setUp()
        shutil.copy(tapbox.HERE / "dns_client.py", self.work / "dns_client.py")

    def dns_client(self, *arguments, **more):
        outcome = self.tapbox(harness.PYTHON, "dns_client.py", *map(str, arguments), **more)
        self.assert_code(outcome, 0)
        return outcome

    def write_resolver_file(self, name, text):
        """The host's /etc/resolv.conf or /etc/hosts is a mount of this one."""
        (self.run_dir / name).write_text(text, encoding="ascii")

    @contextlib.contextmanager
    def resolver_file(self, name, text):
        before = (self.run_dir / name).read_text(encoding="ascii")
        self.write_resolver_file(name, text)
        try:
            yield
        finally:
            self.write_resolver_file(name, before)


class Clients(ClientTest):
    def test_EDNS_of_every_kind(self):
        cookie = "000a0008" + "0102030405060708"
        asked = {
            "plain": (("1232",), "0 qrR 1 0,0,"),
            "a cookie": (("1232", cookie), "0 qrR 1 0,0,"),
            "cookie, padding, subnet": (("4096", cookie + "000c00020000" + "0008000400010000"),
                                        "0 qrR 1 0,0,"),
            "DO bit": (("1232", "", "0", "8000"), "0 qrR 1 0,0,"),
            "a later version": (("1232", "", "1"), "16 qrR 0 0,0,"),
            "no room at all": (("0",), "0 qrR 1 0,0,"),
        }
        script = "".join(f"python3 dns_client.py ask 198.18.0.53 {transport} allowed.example A "
                         f"{' '.join(repr(word) for word in words)};"
                         for words, _ in asked.values() for transport in ("udp", "tcp"))
        outcome = self.tapbox_shell(script)
        expected = [answer for _, answer in asked.values() for _ in range(2)]
        self.assertEqual(outcome.lines(), expected, outcome)
        self.assertEqual(len(self.logged("dns.log")), 1, "the rest came from the cache")

    def test_dig_with_its_cookie_is_told_why_a_name_is_refused(self):
        outcome = self.tapbox("dig", "+tries=1", "+time=5", "+cookie", "refused.example", "A")
        self.assertIn("status: REFUSED", outcome.out, outcome)
        self.assertIn("EDE: 15 (Blocked): (no rule names it)", outcome.out, outcome)
        self.assertNotIn("COOKIE:", outcome.out)

    def test_as_Go_asks(self):
        outcome = self.dns_client("go", "allowed.example", "truncated.example", "refused.example",
                                  "nx.example",
                                  rules=("allowed.example", "truncated.example", "nx.example"))
        allowed, truncated, *negative = outcome.lines()
        self.assertEqual(allowed, "allowed.example 0 0 198.51.100.10 2001:db8:a::10", outcome)
        self.assertEqual(len(truncated.split()), 3 + 30, outcome)
        self.assertEqual(negative, ["refused.example 5 5", "nx.example 3 3"], outcome)

    def test_two_queries_of_one_socket(self):
        outcome = self.dns_client("musl", "allowed.example")
        self.assertEqual(outcome.out, "0 1 0 1\n", outcome)
        outcome = self.dns_client("musl", "refused.example")
        self.assertEqual(outcome.out, "3 0 3 0\n", outcome)

    def test_musl(self):
        program = self.work / "resolve_names"
        subprocess.run(["musl-gcc", "-static", "-O1", "-o", program,
                        tapbox.HERE / "resolve_names.c"], check=True)
        program.chmod(0o755)
        outcome = self.tapbox("./resolve_names", "allowed.example", "alias.example",
                              "truncated.example", "v4only.example", "refused.example",
                              "nx.example", "fromhosts.example",
                              rules=("allowed.example", "alias.example", "truncated.example",
                                     "v4only.example", "nx.example", "fromhosts.example"))
        found = {line.split()[0]: line.split()[1:] for line in outcome.lines()}
        both = ["198.51.100.10", "2001:db8:a::10"]
        self.assertEqual(sorted(found["allowed.example"][1:]), both, outcome)
        self.assertEqual(sorted(found["alias.example"][1:]), both, outcome)
        self.assertEqual(found["v4only.example"][1:], ["198.51.100.11"], outcome)
        # Up to version 1.2.3 it does not use TCP: it gets what fits.
        self.assertGreaterEqual(len(found["truncated.example"][1:]), 25, outcome)
        self.assertEqual(found["fromhosts.example"][1:], ["198.51.100.77"], outcome)
        for name in ("refused.example", "nx.example"):
            self.assertEqual(found[name][1:], ["EAI_NONAME"], outcome)
            self.assertLess(int(found[name][0]), 1000, "REFUSED would be no answer to it")

    def test_TCP_connections_are_bounded_and_places_come_free(self):
        outcome = self.dns_client("connections", 150, "allowed.example")
        self.assertEqual(outcome.out, f"{150 - 128} 0 0\n", outcome)

    def test_a_message_too_long_for_a_query_resets_its_connection(self):
        self.assertEqual(self.dns_client("oversize", 4096).out, "open\n")
        self.assertEqual(self.dns_client("oversize", 4097).out, "reset\n")

    def test_short_names_by_the_hosts_search_list(self):
        program = self.work / "resolve_names"
        subprocess.run(["musl-gcc", "-static", "-O1", "-o", program,
                        tapbox.HERE / "resolve_names.c"], check=True)
        program.chmod(0o755)
        conf = f"nameserver {world.DNS_V4}\nsearch corp.example lab.example\n"
        script = ("getent ahostsv4 intranet | head -1; ./resolve_names intranet; "
                  "python3 client.py resolve intranet; curl -sS http://intranet/name")
        with self.resolver_file("resolv.conf", conf):
            outcome = self.tapbox_shell(script, rules=("intranet.lab.example",))
        getent, musl, python, *_ = outcome.lines()
        self.assertEqual(getent.split()[0], "198.51.100.10", outcome)
        self.assertIn("198.51.100.10", musl, outcome)
        self.assertEqual(python, "intranet 198.51.100.10 2001:db8:a::10", outcome)
        self.assert_code(outcome, 0)
        self.assertEqual(self.names_asked_upstream(), {"intranet.lab.example"})
        self.assertEqual(outcome.verdicts(), [
            "mini-tapbox: refused name intranet.corp.example by the search list: no rule names it"])

    def test_a_refused_name_is_told_once_whatever_the_search_list_made_of_it(self):
        conf = f"nameserver {world.DNS_V4}\nsearch corp.example lab.example\n"
        with self.resolver_file("resolv.conf", conf):
            outcome = self.tapbox_shell("getent ahosts refused.example; curl -s http://refused/")
        told = [line.partition("refused name ")[2] for line in outcome.verdicts()]
        self.assertEqual(len(told), 2, outcome)
        self.assertRegex(told[0], r"\Arefused.example(, \d+ times)? \(and 2 names by the search "
                                  r"list\): .*--allow refused.example\Z")
        self.assertRegex(told[1], r"\Arefused(, \d+ times)? \(and 2 names by the search list\): "
                                  r".*--allow refused.corp.example\Z")

    def test_the_sandboxs_own_name_is_nobodys_business(self):
        conf = f"nameserver {world.DNS_V4}\nsearch corp.example\n"
        self.make_file(self.work / "v6.py", "import socket\n"
                       "try:\n    print(socket.getaddrinfo(socket.gethostname(), 80, "
                       "socket.AF_INET6))\n"
                       "except socket.gaierror:\n    print('none', socket.getfqdn())\n")
        script = ("uname -n; getent ahostsv4 $(uname -n) | head -1; python3 v6.py; "
                  "dig +short aaaa $(uname -n); dig +short a $(uname -n)")
        with self.resolver_file("resolv.conf", conf):
            outcome = self.tapbox_shell(script)
        name, *rest = outcome.lines()
        self.assertEqual([rest[0].split()[0], *rest[1:]],
                         ["127.0.1.1", f"none {name}", "127.0.1.1"], outcome)
        self.assertEqual(outcome.verdicts(), [])
        self.assertEqual(self.names_asked_upstream(), set())

    def test_ndots_of_the_host(self):
        conf = f"nameserver {world.DNS_V4}\nsearch example\noptions ndots:2 rotate\n"
        with self.resolver_file("resolv.conf", conf):
            outcome = self.tapbox_shell("getent ahostsv4 intranet.lab",
                                        rules=("intranet.lab.example",))
        self.assertIn("198.51.100.10", outcome.out, outcome)
        self.assertEqual(len(outcome.verdicts()), 0, "the first that was tried was the right one")


@functools.cache
def serve_on_the_host(address):
    """A DNS server in this process, which lives on the host; the path of its log."""
    log = pathlib.Path(harness.stage.run_dir) / f"dns-{address}.log"
    server = world_dns.DnsServer({"onhost.example.": world_dns.Name(("198.51.100.15",))}, log)
    server.serve(address)
    return log


@functools.cache
def make_link_local(address, link):
    """An interface of the host with that one address."""
    for words in (("link", "add", link, "type", "veth", "peer", "name", f"{link}p"),
                  ("link", "set", link, "addrgenmode", "none"),
                  ("link", "set", f"{link}p", "addrgenmode", "none"),
                  ("address", "add", f"{address}/64", "dev", link, "nodad"),
                  ("link", "set", f"{link}p", "up"),
                  ("link", "set", link, "up")):
        subprocess.run(["ip", *words], check=True)


@harness.as_root_too
class Resolvers(ClientTest):
    """What the host's resolv.conf may name."""

    def resolve(self, conf, name="allowed.example", **more):
        with self.resolver_file("resolv.conf", conf):
            return self.tapbox("getent", "ahostsv4", name, rules=(name,), **more)

    def test_one_on_the_hosts_loopback(self):
        log = serve_on_the_host("127.0.0.53")
        outcome = self.resolve("nameserver 127.0.0.53\noptions edns0 trust-ad\n",
                               "onhost.example")
        self.assertIn("198.51.100.15", outcome.out, outcome)
        self.assertEqual(log.read_text(encoding="ascii").splitlines()[-1],
                         "127.0.0.53 udp A onhost.example.")
        # Which opens nothing else of it.
        outcome = self.client("connect", "127.0.0.53", 80)
        self.assert_quickly_refused(outcome)

    def test_one_of_IPv6(self):
        outcome = self.resolve(f"nameserver {world.DNS_V6}\n")
        self.assertIn("198.51.100.10", outcome.out, outcome)
        self.assertIn(f"{world.DNS_V6} udp A allowed.example.", self.logged("dns.log"))

    def test_one_of_a_link_by_its_zone(self):
        make_link_local("fe80::53", "dns0")
        log = serve_on_the_host("fe80::53%dns0")
        outcome = self.resolve("nameserver fe80::53%dns0\n", "onhost.example")
        self.assertIn("198.51.100.15", outcome.out, outcome)
        self.assertIn("udp A onhost.example.", log.read_text(encoding="ascii").splitlines()[-1])

    def test_one_that_is_to_be_asked_over_TCP(self):
        outcome = self.resolve(f"nameserver {world.DNS_V4}\noptions use-vc\n")
        self.assertIn("198.51.100.10", outcome.out, outcome)
        self.assertEqual({line.split()[1] for line in self.logged("dns.log")}, {"tcp"})

    def test_a_second_one_when_the_first_is_silent_or_closed(self):
        for first in (world.BLACKHOLE_V4, world.UNNAMED_V4):
            with self.subTest(first=first):
                outcome = self.resolve(f"nameserver {first}\nnameserver {world.DNS_V4}\n"
                                       "options timeout:1\n")
                self.assertIn("198.51.100.10", outcome.out, outcome)
                self.assertLess(outcome.seconds, 4)

    def test_none_is_a_failure_that_comes_soon(self):
        outcome = self.resolve(f"nameserver {world.UNNAMED_V4}\noptions timeout:1 attempts:1\n")
        self.assert_code(outcome, 2)  # getent(1): a key was not found
        self.assertLess(outcome.seconds, 4)


class ChangingResolver(ClientTest):
    """For ordinary users: root's stack is left no file that it could look at again."""

    def test_another_one_while_the_sandbox_runs(self):
        serve_on_the_host("127.0.0.54")
        script = ("while read name; do getent ahostsv4 $name | head -1; echo end; done")
        with self.resolver_file("resolv.conf", f"nameserver {world.DNS_V4}\n"):
            process = self.start_sandbox("sh", "-c", script, options=self.allowing("*.example"),
                                         stdin=subprocess.PIPE)

            def resolve(name):
                process.stdin.write(name + b"\n")
                process.stdin.flush()
                line = process.stdout.readline()
                if line != b"end\n":
                    process.stdout.readline()
                return line.split()[0].decode()

            self.assertEqual(resolve(b"allowed.example"), "198.51.100.10")
            self.assertEqual(resolve(b"onhost.example"), "end")
            self.write_resolver_file("resolv.conf", "nameserver 127.0.0.54\n")
            self.write_resolver_file("hosts", world.HOSTS + "198.51.100.78 later.example\n")
            self.addCleanup(self.write_resolver_file, "hosts", world.HOSTS)
            harness.wait_until(lambda: resolve(b"onhost.example") == "198.51.100.15", 8,
                               "the new resolver is asked")
            self.assertEqual(resolve(b"later.example"), "198.51.100.78")
            process.stdin.close()
            self.assertEqual(process.wait(5), 0)


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
