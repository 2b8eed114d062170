"""Names on the connection: what clients ask for at an address that a name opened. Every name of the
world is served at every address of it, as a content network does."""

import shlex
import shutil

import harness
import tapbox
import world_tls

ADDRESS = "198.51.100.10"  # of allowed.example
HTTPS = world_tls.PORT
HELLO = f"Hello from allowed.example:{HTTPS}\n"
RESET = (35, 56)  # curl(1): TLS could not be set up; failure in receiving


class NamesTest(tapbox.TapboxTest):
    def setUp(self):
        super().setUp()
        shutil.copy(world_tls.certificates(self.run_dir), self.work / "ca.pem")
        self._marks["tls.log"] = self._size("tls.log")

    def curl(self, *arguments, **more):
        return self.tapbox("curl", "-4", "-sS", "--cacert", "ca.pem", *arguments, **more)

    def fronted(self, name, **more):
        """https://NAME/ asked for at allowed.example's address, which is resolved as curl does."""
        return self.curl("--connect-to", f"{name}:{HTTPS}:allowed.example:{HTTPS}",
                         f"https://{name}:{HTTPS}/", **more)

    def assert_reset(self, outcome, *parts):
        self.assertIn(outcome.code, RESET, outcome)
        self.assertEqual(outcome.out, "")
        self.assertLess(outcome.seconds, 3, outcome)
        return self.one_verdict(outcome, *parts)

    def python(self, script, **more):
        """A client on a socket `s` to allowed.example, at the port that is asked for."""
        port = more.pop("port")
        head = ("import socket, ssl, sys\n"
                f"s = socket.create_connection(('{ADDRESS}', {port}), 5)\n")
        return self.tapbox("sh", "-c", "getent ahosts allowed.example >/dev/null; exec "
                           "/usr/bin/python3 -c \"$0\"", head + script, **more)


@harness.as_root_too
class ServerNames(NamesTest):
    def test_the_name_that_was_allowed_passes(self):
        for family in ("-4", "-6"):
            with self.subTest(family):
                outcome = self.tapbox("curl", family, "-sS", "--cacert", "ca.pem",
                                      f"https://allowed.example:{HTTPS}/")
                self.assertEqual(outcome.out, HELLO, outcome)
                self.assertEqual(outcome.verdicts(), [])
        self.assertEqual([line.split()[1] for line in self.logged("tls.log")],
                         ["allowed.example"] * 2)

    def test_every_version_of_tls_that_is_in_use(self):
        for version in ("1.2", "1.3"):
            with self.subTest(version):
                outcome = self.curl(f"--tlsv{version}", "--tls-max", version,
                                    f"https://allowed.example:{HTTPS}/")
                self.assertEqual(outcome.out, HELLO, outcome)

    def test_another_name_at_the_same_address_is_refused_before_its_server_hears_of_it(self):
        verdict = self.assert_reset(self.fronted("refused.example"), f"tcp {ADDRESS}:{HTTPS}",
                                    "for refused.example", "no rule names it")
        self.assertEqual(self.logged("tls.log"), [])
        self.assertNotIn("refused.example", self.names_asked_upstream())
        rule = shlex.split(verdict.partition("--allow ")[2])[0]
        allowed = self.fronted("refused.example", rules=("allowed.example", rule))
        self.assertEqual(allowed.out, f"Hello from refused.example:{HTTPS}\n", allowed)
        self.assertEqual(allowed.verdicts(), [])

    def test_the_ports_of_a_rule_count_for_its_name(self):
        outcome = self.fronted("refused.example", rules=("allowed.example", "refused.example:443"))
        self.assert_reset(outcome, f"--allow refused.example:{HTTPS}")

    def test_a_wildcard_allows_names_that_were_never_resolved(self):
        outcome = self.fronted("a.wild.example", rules=("allowed.example", "*.wild.example"))
        self.assertEqual(outcome.out, f"Hello from a.wild.example:{HTTPS}\n", outcome)

    def test_a_refusing_rule_counts(self):
        outcome = self.fronted("secret.wild.example",
                               rules=("*.wild.example", "allowed.example", "!secret.wild.example"))
        self.assert_reset(outcome, "for secret.wild.example", "!secret.wild.example")

    def test_a_rule_for_the_address_opens_it_for_every_name(self):
        outcome = self.fronted("refused.example", rules=("allowed.example", ADDRESS))
        self.assertEqual(outcome.out, f"Hello from refused.example:{HTTPS}\n", outcome)
        self.assertEqual(outcome.verdicts(), [])

    def test_the_open_mode_asks_for_no_name(self):
        outcome = self.fronted("refused.example", rules=())
        self.assertEqual(outcome.out, f"Hello from refused.example:{HTTPS}\n", outcome)

    def test_a_hello_in_small_pieces(self):
        script = ("bio_in, bio_out = ssl.MemoryBIO(), ssl.MemoryBIO()\n"
                  "context = ssl.create_default_context(cafile='ca.pem')\n"
                  "tls = context.wrap_bio(bio_in, bio_out, server_hostname=NAME)\n"
                  "try:\n    tls.do_handshake()\nexcept ssl.SSLWantReadError:\n    pass\n"
                  "hello = bio_out.read()\n"
                  "s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)\n"
                  "for i in range(len(hello)):\n    s.send(hello[i:i + 1])\n"
                  "print(s.recv(1) == b'\\x16')\n")
        allowed = self.python(script.replace("NAME", "'allowed.example'"), port=HTTPS)
        self.assertEqual(allowed.out, "True\n", allowed)
        refused = self.python(script.replace("NAME", "'refused.example'"), port=HTTPS)
        self.assertIn("Connection", refused.err, refused)  # reset, or a broken pipe
        self.one_verdict(refused, "for refused.example")

    def test_a_host_of_http_on_any_port(self):
        for port in (80, 8080):
            with self.subTest(port):
                outcome = self.curl("-H", "Host: refused.example", f"http://allowed.example:{port}/")
                self.assert_reset(outcome, f":{port} for refused.example",
                                  f"--allow refused.example:{port}")
                self.assertEqual(self.logged("http.log"), [])

    def test_a_second_request_of_a_connection(self):
        outcome = self.curl("http://allowed.example/", "--next", "-4", "-sS", "-H",
                            "Host: refused.example", "http://allowed.example/reused")
        self.assertEqual(outcome.out, "Hello from allowed.example\n", outcome)
        self.one_verdict(outcome, "for refused.example")
        self.assertEqual([line.split()[2] for line in self.logged("http.log")], ["/"])

    def test_a_request_that_asks_for_another_server_in_its_target(self):
        outcome = self.curl("--request-target", "http://refused.example/", "http://allowed.example/")
        self.assert_reset(outcome, "for refused.example")

    def test_a_request_with_two_hosts(self):
        script = ("s.sendall(b'GET / HTTP/1.1\\r\\nHost: allowed.example\\r\\n"
                  "Host: refused.example\\r\\n\\r\\n')\nprint(s.recv(100))\n")
        outcome = self.python(script, port=80)
        self.assertIn("ConnectionResetError", outcome.err, outcome)
        self.one_verdict(outcome, "cannot be read")
        self.assertEqual(self.logged("http.log"), [])

    def test_git_and_wget_over_tls(self):
        outcome = self.tapbox("wget", "-qO-", "--ca-certificate=ca.pem",
                              f"https://allowed.example:{HTTPS}/")
        self.assertEqual(outcome.out, HELLO, outcome)
        outcome = self.tapbox("git", "-c", "http.sslCAInfo=ca.pem", "ls-remote",
                              f"https://allowed.example:{HTTPS}/git/no-such-repository")
        self.assertNotIn("SSL", outcome.err, outcome)
        self.assertEqual(outcome.verdicts(), [])
        self.assertIn("/git/no-such-repository", "".join(self.logged("http.log")))

    def test_what_names_no_server_passes_and_is_noted(self):
        noted = f"tcp {ADDRESS}:{HTTPS} (allowed.example) does not say which server it means"
        script = ("context = ssl.create_default_context(cafile='ca.pem')\n"
                  "context.check_hostname = False\n"
                  "print(context.wrap_socket(s).version()[:3])\n")
        outcome = self.sandbox("sh", "-c", "getent ahosts allowed.example >/dev/null; exec "
                               "/usr/bin/python3 -c \"$0\"",
                               "import socket, ssl\n"
                               f"s = socket.create_connection(('{ADDRESS}', {HTTPS}), 5)\n{script}",
                               options=(*self.allowing("allowed.example"), "-D", "debug.log"))
        self.assertEqual(outcome.out, "TLS\n", outcome)
        self.assertEqual(outcome.verdicts(), [])
        self.assertEqual([line.split()[1] for line in self.logged("tls.log")], ["-"])
        log = (self.work / "debug.log").read_text(encoding="utf-8")
        self.assertEqual(log.count(noted), 1, log)

    def test_a_server_that_speaks_first(self):
        outcome = self.python("print(s.recv(100).decode().strip())\ns.sendall(b'GET is no word\\n')\n"
                              "s.shutdown(socket.SHUT_WR)\ns.recv(1)\n", port=7008)
        self.assertEqual(outcome.out, "that is all\n", outcome)
        self.assertEqual(outcome.verdicts(), [])


@harness.as_root_too
class StrictNames(NamesTest):
    def tapbox(self, *command, rules=None, **more):
        options = self.allowing(*(self.rules if rules is None else rules))
        return self.sandbox(*command, options=(*options, "--strict-names"), **more)

    def test_an_allowed_name_passes(self):
        outcome = self.curl(f"https://allowed.example:{HTTPS}/")
        self.assertEqual(outcome.out, HELLO, outcome)
        plain = self.curl("http://allowed.example/")
        self.assertEqual(plain.out, "Hello from allowed.example\n", plain)
        self.assertEqual(plain.verdicts(), [])

    def test_a_hello_without_a_name_is_refused(self):
        script = ("context = ssl.create_default_context(cafile='ca.pem')\n"
                  "context.check_hostname = False\ncontext.wrap_socket(s)\n")
        outcome = self.python(script, port=HTTPS)
        self.assertIn("Connection", outcome.err, outcome)
        self.one_verdict(outcome, f"tcp {ADDRESS}:{HTTPS} (allowed.example)", "--strict-names",
                         f"--allow {ADDRESS}")
        self.assertEqual(self.logged("tls.log"), [])

    def test_the_address_in_place_of_a_name_is_refused(self):
        outcome = self.tapbox("sh", "-c", "getent ahosts allowed.example >/dev/null; "
                              f"curl -sS http://{ADDRESS}/")
        self.assertIn(outcome.code, RESET, outcome)
        self.one_verdict(outcome, "--strict-names")

    def test_other_protocols_need_a_rule_for_the_address(self):
        script = "s.sendall(b'hello\\n')\nprint(s.recv(100).decode().strip())\n"
        refused = self.python(script, port=7007)
        self.assertNotIn("hello", refused.out, refused)
        self.one_verdict(refused, "--strict-names")
        allowed = self.python(script, port=7007, rules=("allowed.example", ADDRESS))
        self.assertEqual(allowed.out, "hello\n", allowed)

    def test_a_server_that_speaks_first_needs_one_too(self):
        outcome = self.python("print(s.recv(100))\n", port=7008)
        self.assertIn("ConnectionResetError", outcome.err, outcome)
        self.one_verdict(outcome, "--strict-names")

    def test_datagrams_need_one_too(self):
        refused = self.client("udp", "allowed.example", 7007)
        self.assertNotIn("hello", refused.out, refused)
        self.assertIn("--strict-names", refused.verdicts()[0], refused)
        allowed = self.client("udp", ADDRESS, 7007, rules=(ADDRESS,))
        self.assertEqual(allowed.out.split()[0], "hello", allowed)

    def test_without_an_allow_list_it_is_a_mistake(self):
        outcome = self.sandbox("true", options=("-x", "--strict-names"))
        self.assert_code(outcome, 2)
        self.assertIn("--strict-names needs an allow-list", outcome.err)
