"""-p: servers inside, clients on the host."""

import contextlib
import hashlib
import json
import re
import shutil
import socket
import subprocess
import time

import harness
import payload
import tapbox
import world

INSIDE_V4, GATEWAY_V4 = "198.18.0.1", "198.18.0.2"
GATEWAY_V6 = "fd6d:696e:6900::2"
PATIENCE = 10


def connect(endpoint):
    return socket.create_connection(endpoint, PATIENCE)


def read_all(connection):
    return b"".join(iter(lambda: connection.recv(1 << 20), b""))


class PublishedTest(tapbox.TapboxTest):
    def setUp(self):
        super().setUp()
        shutil.copy(tapbox.HERE / "server.py", self.work / "server.py")

    def publishing(self, *ports, rules=()):
        options = [word for port in ports for word in ("-p", port)]
        return [*self.allowing(*(rules or self.rules)), *options]

    def serve(self, ports, verb, *arguments, rules=(), prefix=(), options=()):
        """The running sandbox, with its server ready, and the (address, port) of each of `ports`,
        all of which have host port 0."""
        self.notices = open(self.work / "notices", "w+", encoding="utf-8")
        self.addCleanup(self.notices.close)
        process = self.start_sandbox(*prefix, harness.PYTHON, "server.py", verb,
                                     *map(str, arguments),
                                     options=[*self.publishing(*ports, rules=rules), *options],
                                     stderr=self.notices)
        self.assertEqual(process.stdout.readline(), b"ready\n", self.said())
        found = re.findall(r"published \w+ \[?([^\s\]]+)\]?:(\d+) to", self.said())
        self.assertEqual(len(found), len(ports), self.said())
        return process, [(address, int(port)) for address, port in found]

    def said(self):
        return (self.work / "notices").read_text(encoding="utf-8")

    def wait_for_notice(self, part):
        """The supervisor says it, in its own time."""
        harness.wait_until(lambda: part in self.said(), PATIENCE, f"a notice: {part}")


@harness.as_root_too
class Published(PublishedTest):
    def test_a_web_server_inside_answers_curl_outside(self):
        page = self.make_file(self.work / "page", "from inside\n" * 1000)
        process = self.start_sandbox(harness.PYTHON, "-u", "-m", "http.server", "-b", "0.0.0.0",
                                     "8000", options=self.publishing("8080:8000"))
        self.assertIn(b"Serving", process.stdout.readline())
        for _ in range(2):
            got = subprocess.run(["curl", "-sS", "-m", "10", "http://127.0.0.1:8080/page"],
                                 capture_output=True, check=False)
            self.assertEqual((got.returncode, got.stdout, got.stderr),
                             (0, page.read_bytes(), b""))

    def test_clients_appear_at_the_gateway_with_ports_of_their_own(self):
        _, endpoints = self.serve(["0:9000", "[::1]:0:9000"], "peer", 9000)
        for endpoint, gateway in zip(endpoints, (GATEWAY_V4, GATEWAY_V6)):
            seen = set()
            for _ in range(3):
                with connect(endpoint) as client:
                    address, port = read_all(client).decode().split()
                self.assertEqual(address, gateway)
                seen.add(port)
            self.assertEqual(len(seen), 3, seen)

    def test_everything_arrives_inside(self):
        size = 50_000_000
        _, endpoints = self.serve(["0:9000", "[::1]:0:9000"], "digest", 9000)
        for endpoint in endpoints:
            with self.subTest(endpoint=endpoint), connect(endpoint) as client:
                for block in payload.blocks(size):
                    client.sendall(block)
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(read_all(client).decode(), payload.sha256_of(size))

    def test_everything_arrives_outside(self):
        size = 50_000_000
        _, endpoints = self.serve(["0:9000", "[::1]:0:9000"], "source", 9000, size)
        for endpoint in endpoints:
            with self.subTest(endpoint=endpoint), connect(endpoint) as client:
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(hashlib.sha256(read_all(client)).hexdigest(),
                                 payload.sha256_of(size))

    def test_hundreds_of_clients_at_a_time(self):
        _, [endpoint] = self.serve(["0:9000"], "echo", 9000)
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(connect(endpoint)) for _ in range(300)]
            for number, client in enumerate(clients):
                client.sendall(b"%04d" % number)
            for number, client in enumerate(clients):
                self.assertEqual(client.recv(4, socket.MSG_WAITALL), b"%04d" % number)

    def test_datagrams_come_back_to_the_client_that_sent_them(self):
        _, endpoints = self.serve(["0:9000/udp", "[::1]:0:9000/udp"], "udp-echo", 9000)
        for endpoint, gateway in zip(endpoints, (GATEWAY_V4, GATEWAY_V6)):
            family = socket.AF_INET6 if ":" in gateway else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as one, \
                 socket.socket(family, socket.SOCK_DGRAM) as other:
                ports = set()
                for number in range(4):
                    for client in (one, other):
                        client.settimeout(PATIENCE)
                        client.connect(endpoint)
                        text = f"{number} of {client.fileno()}" + "x" * (1200, 9000)[number % 2]
                        client.send(text.encode())
                        address, port, echoed = client.recv(65536).decode().split(" ", 2)
                        self.assertEqual((address, echoed), (gateway, text))
                        ports.add(port)
                self.assertEqual(len(ports), 2, ports)

    def test_the_log_has_each_client_and_what_it_carried(self):
        log = self.work / "net.log"
        _, [tcp, udp] = self.serve(["0:9000", "0:9000/udp"], "echo", 9000,
                                   options=("--log", str(log)))
        with connect(tcp) as client:
            client.sendall(b"hello")
            self.assertEqual(client.recv(5, socket.MSG_WAITALL), b"hello")
            here = client.getsockname()

        def entries(event):
            lines = log.read_text(encoding="utf-8").splitlines()
            return [entry for entry in map(json.loads, lines) if entry["event"] == event]

        harness.wait_until(lambda: entries("close"), PATIENCE, "the flow ends")
        [verdict], [end] = entries("verdict"), entries("close")
        self.assertEqual(
            (verdict["verdict"], verdict["direction"], verdict["protocol"], verdict["published"]),
            ("allowed", "in", "tcp", f"127.0.0.1:{tcp[1]}:9000"))
        for entry in (verdict, end):
            self.assertEqual((entry["address"], entry["port"], entry["direction"]), (*here, "in"))
        self.assertEqual((end["flow"], end["bytes_in"], end["bytes_out"], end["end"]),
                         (verdict["flow"], 5, 5, "closed"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"x", udp)
            harness.wait_until(lambda: len(entries("verdict")) == 2, PATIENCE, "a second verdict")
        self.assertEqual(entries("verdict")[1]["protocol"], "udp")

    def test_quiet_still_says_which_port_was_chosen_since_that_was_asked_for(self):
        outcome = self.sandbox("true", options=[*self.publishing("0:9000", "8080:9000"), "-q"],
                               env={"API_TOKEN": "x"})
        self.assertRegex(outcome.err, r"\Amini-tapbox: published tcp 127\.0\.0\.1:\d+ to 9000\n\Z")

    def test_a_named_address_answers_from_there(self):
        _, endpoints = self.serve(["0.0.0.0:0:9000", "0.0.0.0:0:9001/udp"], "udp-echo", 9001)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(PATIENCE)
            client.connect((world.HOST_V4, endpoints[1][1]))  # only what comes from there is taken
            client.send(b"hello")
            self.assertTrue(client.recv(100).endswith(b" hello"))
        with self.assertRaises(ConnectionResetError), \
             connect((world.HOST_V4, endpoints[0][1])) as client:
            client.recv(1)

    def test_a_port_where_nobody_listens_resets_its_clients_and_says_why_once(self):
        _, [_, endpoint] = self.serve(["0:9000", "0:9001"], "echo", 9000)
        for _ in range(3):
            begun = time.monotonic()
            with self.assertRaises(ConnectionResetError), connect(endpoint) as client:
                client.recv(1)
            self.assertLess(time.monotonic() - begun, 1)
        self.wait_for_notice("refused inside")
        hints = [line for line in self.said().splitlines() if "refused inside" in line]
        self.assertEqual(len(hints), 1, self.said())
        self.assertIn(f"no server listens at {INSIDE_V4}:9001", hints[0])

    def test_a_server_on_the_sandboxs_loopback_is_not_reached(self):
        _, [endpoint] = self.serve(["0:9000"], "loopback-only", 9000)
        with self.assertRaises(ConnectionResetError), connect(endpoint) as client:
            client.recv(1)
        self.wait_for_notice("one that listens at 127.0.0.1 only is not reached, 0.0.0.0 is")

    def test_the_last_words_of_a_command_arrive(self):
        size = 20_000_000
        process, [endpoint] = self.serve(["0:9000"], "last-words", 9000, size)
        seen = hashlib.sha256()
        with connect(endpoint) as client:
            while data := client.recv(1 << 16):
                seen.update(data)
                time.sleep(0.0003)  # slower than the command: much is on the way when it ends
        self.assertEqual(seen.hexdigest(), payload.sha256_of(size))
        self.assertEqual(process.wait(PATIENCE), 7)

    def test_who_takes_nothing_does_not_hold_up_the_end(self):
        process, [endpoint] = self.serve(["0:9000"], "fill", 9000)
        with connect(endpoint) as client:
            self.assertEqual(process.wait(5), 7)
            with self.assertRaises(ConnectionResetError):
                read_all(client)

    def test_the_end_of_the_command_is_the_end_of_its_clients(self):
        process, [endpoint] = self.serve(["0:9000"], "hold", 9000)
        with connect(endpoint) as idle, connect(endpoint) as last:
            last.sendall(b"x")
            self.assertEqual(process.wait(PATIENCE), 7)
            for client in (idle, last):
                with contextlib.suppress(ConnectionResetError):
                    self.assertEqual(client.recv(1), b"")
        with self.assertRaises(ConnectionRefusedError):
            connect(endpoint)

    def test_a_killed_run_is_no_orderly_end_of_a_stream(self):
        process, [endpoint] = self.serve(["0:9000"], "hold", 9000)
        with connect(endpoint) as client:
            process.kill()
            process.wait(PATIENCE)
            with self.assertRaises(ConnectionResetError):
                client.recv(1)

    def test_nothing_is_opened_outward(self):
        targets = (f"{GATEWAY_V4}=9", f"{world.HOST_V4}=22", "198.51.100.10=80")
        _, [endpoint] = self.serve(["0:9000"], "call-back", 9000, *targets,
                                   rules=("allowed.example",))
        with connect(endpoint) as client:
            self.assertEqual(read_all(client).decode().split(), ["ECONNREFUSED"] * 4)

    def test_the_command_does_not_reach_its_own_port_by_the_host(self):
        script = ("python3 server.py echo 9000 > ready & until grep -q ready ready; do sleep 0.01; "
                  f"done; python3 client.py connect {world.HOST_V4} 8081; "
                  f"python3 client.py connect {INSIDE_V4} 9000")
        outcome = self.sandbox("sh", "-c", script, options=self.publishing("0.0.0.0:8081:9000"))
        self.assertEqual([line.split()[0] for line in outcome.lines()],
                         ["ECONNREFUSED", "connected"], outcome)

    def test_a_port_that_is_taken_ends_the_run_before_it_begins(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            outcome = self.sandbox("sh", "-c", "echo ran", options=self.publishing(f"{port}:80"))
            self.assert_setup_error(outcome, 125, f"publish tcp 127.0.0.1:{port}", "EADDRINUSE",
                                    "another sandbox")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            outcome = self.sandbox("sh", "-c", "echo ran",
                                   options=self.publishing(f"{port}:80/udp"))
            self.assert_setup_error(outcome, 125, f"publish udp 127.0.0.1:{port}", "EADDRINUSE")

    def test_two_sandboxes_cannot_publish_one_port(self):
        _, [(_, port)] = self.serve(["0:9000"], "echo", 9000)
        outcome = self.sandbox("sh", "-c", "echo ran", options=self.publishing(f"{port}:9000"))
        self.assert_setup_error(outcome, 125, "EADDRINUSE")

    def test_an_address_of_another_machine_is_an_error(self):
        for address in ("203.0.113.7", "[2001:db8:7::7]"):
            outcome = self.sandbox("sh", "-c", "echo ran",
                                   options=self.publishing(f"{address}:8080:80"))
            self.assert_setup_error(outcome, 125, "EADDRNOTAVAIL", "no such address")

    def test_a_port_of_a_run_that_has_just_ended_is_free_again(self):
        for _ in range(2):
            process = self.start_sandbox(harness.PYTHON, "server.py", "hold", "9000",
                                         options=self.publishing("8082:9000"))
            self.assertEqual(process.stdout.readline(), b"ready\n")
            with connect(("127.0.0.1", 8082)) as client:
                client.sendall(b"x")
                self.assertEqual(process.wait(PATIENCE), 7)

    def test_the_plan_and_the_log_show_it(self):
        outcome = self.sandbox("true", options=[*self.publishing("8080:80"), "--print-plan"])
        self.assertIn("publish tcp 127.0.0.1:8080 to 80", outcome.lines())
        outcome = self.sandbox("true", options=[*self.publishing("0:80/udp"), "-D", "log"])
        self.assert_code(outcome, 0)
        log = (self.work / "log").read_text(encoding="utf-8")
        self.assertIn("publish udp 127.0.0.1:0 to 80", log)
        self.assertRegex(log, r"published udp 127\.0\.0\.1:\d+ to 80")

    def test_a_socket_of_the_host_is_not_inherited(self):
        outcome = self.sandbox("ls", "-l", "/proc/self/fd",
                               options=self.publishing("0:80", "0:80/udp"))
        self.assert_code(outcome, 0)
        self.assertNotIn("socket:", outcome.out)


class PrivilegedPorts(PublishedTest):
    def test_are_for_root(self):
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
            self.assertEqual(int(file.read()), 1024)
        outcome = self.sandbox("sh", "-c", "echo ran", options=self.publishing("80"))
        self.assert_setup_error(outcome, 125, "publish tcp 127.0.0.1:80", "EACCES",
                                "take a higher host port")
        if harness.stage.root():
            self.identity_name = "root"
            outcome = self.sandbox("echo", "ran", options=self.publishing("80"))
            self.assertEqual(outcome.out, "ran\n", outcome)
