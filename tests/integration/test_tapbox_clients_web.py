"""Clients of the web through the stack, each under the one rule that it needs and refused without:
HTTP/1 and HTTP/2, TLS with a CA of its own, IPv6, a WebSocket."""

import client_tests
import payload
import world_programs

MEGABYTE = 1 << 20
CONTENT = b"".join(payload.blocks(MEGABYTE))
SIZE_AND_SHA = f"{MEGABYTE} {payload.sha256_of(MEGABYTE)}"
SECURE = f"https://{world_programs.NAME}/bytes/{MEGABYTE}"
RULE = f"{world_programs.NAME}:{world_programs.HTTPS}"


class Web(client_tests.ClientTest):
    @classmethod
    def start_programs(cls, programs):
        programs.certificates()
        programs.services()
        programs.http2({"data": CONTENT})

    def setUp(self):
        super().setUp()
        self.bring("ca.pem")

    def test_curl_over_tls(self):
        outcome = self.succeeds_only_with(
            RULE, "set -e; curl -sS --http1.1 --cacert ca.pem -o data -w '%{http_version} ' $1; "
            "sha256sum < data", SECURE)
        self.assertEqual(outcome.out.split()[:2], ["1.1", payload.sha256_of(MEGABYTE)], outcome)

    def test_curl_over_tls_does_not_trust_the_ca_by_itself(self):
        outcome = self.tapbox("curl", "-sS", SECURE, rules=(RULE,))
        self.assertEqual(outcome.code, 60, outcome)  # curl(1): the certificate cannot be verified

    def test_curl_over_tls_and_ipv6(self):
        # A name that has no other address.
        outcome = self.succeeds_only_with(
            f"v6only.example:{world_programs.HTTPS}",
            "set -e; curl -sS --cacert ca.pem -o data -w '%{remote_ip} ' $1; sha256sum < data",
            f"https://v6only.example/bytes/{MEGABYTE}")
        self.assertEqual(outcome.out.split()[:2], ["2001:db8:a::11", payload.sha256_of(MEGABYTE)],
                         outcome)

    def test_curl_over_http2(self):
        # Ten at a time are streams of one connection.
        outcome = self.succeeds_only_with(
            f"{world_programs.NAME}:{world_programs.HTTP2}",
            "curl -sS --fail-early --http2 --cacert ca.pem -Z --parallel-max 10 -o 'data#1' "
            "-w '%{http_version} %{num_connects}\n' $1 && sha256sum data[0-9]*",
            f"https://{world_programs.NAME}:{world_programs.HTTP2}/data?[1-10]")
        lines = outcome.lines()
        self.assertEqual({line.split()[0] for line in lines[:10]}, {"2"}, outcome)
        self.assertLess(sum(int(line.split()[1]) for line in lines[:10]), 10, outcome)
        self.assertEqual([line.split()[0] for line in lines[10:]],
                         [payload.sha256_of(MEGABYTE)] * 10, outcome)

    def test_wget_over_tls(self):
        outcome = self.succeeds_only_with(
            RULE, "set -e; wget -q -t 1 -T 10 --ca-certificate=ca.pem -O data $1; sha256sum < data",
            SECURE)
        self.assertEqual(outcome.out.split()[:1], [payload.sha256_of(MEGABYTE)], outcome)

    def test_python_urllib_over_tls(self):
        outcome = self.succeeds_only_with(
            RULE, "/usr/bin/python3 client_protocols.py fetch $1 ca.pem", SECURE)
        self.assertEqual(outcome.out, f"{SIZE_AND_SHA}\n")

    def test_a_websocket(self):
        outcome = self.succeeds_only_with(
            f"{world_programs.NAME}:{world_programs.WEBSOCKET}",
            f"/usr/bin/python3 client_protocols.py websocket $1 {world_programs.WEBSOCKET} "
            "5 125 126 65535 65536 1000000", world_programs.NAME)
        self.assertEqual(outcome.out, "6 8 1000\n", outcome)


class Node(client_tests.ClientTest):
    """Node has its own resolver calls, races both families, and brings its own CAs."""

    programs_needed = ("node",)

    @classmethod
    def start_programs(cls, programs):
        programs.certificates()
        programs.services()
        programs.http2({"data": CONTENT})

    def node(self, rule, script, *arguments):
        self.bring("ca.pem")
        self.make_file(self.work / "script.mjs", script)
        return self.succeeds_only_with(
            rule, 'node script.mjs "$@"', *arguments,
            env={"NODE_EXTRA_CA_CERTS": "ca.pem", "NODE_NO_WARNINGS": "1"})

    def test_fetch(self):
        outcome = self.node(RULE, f"""
            import {{ createHash }} from 'node:crypto';
            const answer = await fetch('{SECURE}');
            const body = Buffer.from(await answer.arrayBuffer());
            console.log(body.length, createHash('sha256').update(body).digest('hex'));
        """)
        self.assertEqual(outcome.out, f"{SIZE_AND_SHA}\n", outcome)

    def test_http2(self):
        outcome = self.node(f"{world_programs.NAME}:{world_programs.HTTP2}", f"""
            import {{ createHash }} from 'node:crypto';
            import {{ connect }} from 'node:http2';
            const session = connect('https://{world_programs.NAME}:{world_programs.HTTP2}');
            const sum = createHash('sha256');
            let length = 0;
            const stream = session.request({{ ':path': '/data' }});
            stream.on('data', (data) => {{ length += data.length; sum.update(data); }});
            stream.on('end', () => {{ console.log(length, sum.digest('hex')); session.close(); }});
        """)
        self.assertEqual(outcome.out, f"{SIZE_AND_SHA}\n", outcome)
